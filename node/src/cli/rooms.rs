//! `starling rooms`.

use axum::http::Method;
use clap::Subcommand;
use starling_proto::{
    Id, NodeId, RoomId,
    registry::RoomPolicy,
    rest::{CreateRoom, Placement, RoomInfo},
};

use super::{
    output::{self, Failure, Format, note},
    remote::Remote,
};

/// Rooms.
#[derive(Debug, clap::Args)]
pub(super) struct Rooms {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All rooms.
    #[command(visible_alias = "ls")]
    List,
    /// One room.
    Get {
        /// The room.
        room: RoomId,
    },
    /// Makes a room that stays when it is empty. (Joining makes one that does not.)
    Create {
        /// The room.
        room: RoomId,
        #[command(flatten)]
        place: Place,
    },
    /// Says where a room's peers may be. What is not given is not changed.
    Place {
        /// The room.
        room: RoomId,
        #[command(flatten)]
        place: Place,
        /// Anywhere again.
        #[arg(long, conflicts_with_all = ["region", "node"])]
        anywhere: bool,
    },
    /// Keeps a room on these nodes; without nodes, lets it go anywhere.
    Pin {
        /// The room.
        room: RoomId,
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Shows where a join would go now.
    Locate {
        /// The room.
        room: RoomId,
        /// Where the client is.
        #[arg(long)]
        region: Option<String>,
    },
    /// Deletes a room: its peers are sent away on every node.
    #[command(visible_alias = "rm")]
    Delete {
        /// The room.
        room: RoomId,
    },
}

#[derive(Debug, clap::Args)]
#[group(skip)]
struct Place {
    /// Only in these regions, while any node of them is up.
    #[arg(long, value_delimiter = ',')]
    region: Option<Vec<String>>,
    /// Only on these nodes, while any of them is up.
    #[arg(long, value_delimiter = ',')]
    node: Option<Vec<NodeId>>,
    /// Most peers; 0 means no limit.
    #[arg(long)]
    max_peers: Option<u32>,
    /// Send each peer the video of so many last speakers only; 0 means everybody's.
    #[arg(long)]
    last_n: Option<u32>,
}

impl Place {
    fn onto(self, policy: &mut RoomPolicy) {
        if let Some(regions) = self.region {
            policy.regions = regions;
        }
        if let Some(nodes) = self.node {
            policy.pinned_nodes = nodes;
        }
        if let Some(max_peers) = self.max_peers {
            policy.max_peers = max_peers;
        }
        if let Some(last_n) = self.last_n {
            policy.last_n = last_n;
        }
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Rooms { verb, remote }: Rooms) -> Result<(), Failure> {
    match verb {
        Verb::List => show(&remote, remote.fetch("/v1/rooms").await?),
        Verb::Get { room } => {
            let info: RoomInfo = remote.fetch(&path(&room)).await?;
            show_one(&remote, info)
        }
        Verb::Create { room, place } => {
            let mut policy = RoomPolicy::default();
            place.onto(&mut policy);
            let wish = CreateRoom { id: room, policy };
            let info: RoomInfo = remote.ask(Method::POST, "/v1/rooms", Some(&wish)).await?;
            show_one(&remote, info)
        }
        Verb::Place { room, place, anywhere } => {
            change(&remote, &room, |policy| {
                if anywhere {
                    (policy.regions, policy.pinned_nodes) = (Vec::new(), Vec::new());
                }
                place.onto(policy);
            })
            .await
        }
        Verb::Pin { room, nodes } => {
            change(&remote, &room, |policy| policy.pinned_nodes = nodes).await
        }
        Verb::Locate { room, region } => locate(&remote, &room, region).await,
        Verb::Delete { room } => {
            let () = remote.ask(Method::DELETE, &path(&room), None::<&()>).await?;
            note(&format!("room {room} deleted"));
            Ok(())
        }
    }
}

async fn change(
    remote: &Remote,
    room: &RoomId,
    edit: impl FnOnce(&mut RoomPolicy),
) -> Result<(), Failure> {
    let info: RoomInfo = remote.fetch(&path(room)).await?;
    let mut policy = info.policy;
    edit(&mut policy);
    let path = format!("{}/policy", path(room));
    show_one(remote, remote.ask(Method::PUT, &path, Some(&policy)).await?)
}

async fn locate(remote: &Remote, room: &RoomId, region: Option<String>) -> Result<(), Failure> {
    let mut path = format!("{}/placement", path(room));
    if let Some(region) = region {
        let name = NodeId::parse(&region)
            .map_err(|_| Failure::Usage(vec![format!("{region:?} is no region name")]))?;
        path += &format!("?region={name}");
    }
    let placement: Placement = remote.fetch(&path).await?;
    if remote.output == Format::Json {
        return output::json(&placement);
    }
    let Placement { room, node, url, standby, .. } = placement;
    let row = vec![room.to_string(), node.to_string(), url, names(&standby)];
    output::table(&["room", "node", "url", "standby"], &[row])
}

fn path(room: &RoomId) -> String {
    format!("/v1/rooms/{room}")
}

fn show_one(remote: &Remote, info: RoomInfo) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&info);
    }
    show(remote, vec![info])
}

fn show(remote: &Remote, rooms: Vec<RoomInfo>) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&rooms);
    }
    let row = |room: &RoomInfo| {
        vec![
            room.id.to_string(),
            names(&room.nodes),
            room.peers.map_or_else(|| "-".to_owned(), |peers| peers.to_string()),
            if room.persistent { "yes" } else { "no" }.to_owned(),
            names(&room.policy.pinned_nodes),
            or_dash(room.policy.regions.join(",")),
            room.policy.max_peers.to_string(),
            or_dash(room.active_speaker.as_ref().map(ToString::to_string).unwrap_or_default()),
        ]
    };
    let head = ["room", "nodes", "peers", "persistent", "pinned", "regions", "max peers", "speaks"];
    output::table(&head, &rooms.iter().map(row).collect::<Vec<_>>())
}

fn names(nodes: &[NodeId]) -> String {
    or_dash(nodes.iter().map(Id::as_str).collect::<Vec<_>>().join(","))
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}
