//! `starling rooms`.

use axum::http::Method;
use clap::Subcommand;
use starling_proto::{
    Id, NodeId, RoomId,
    registry::{PolicyMode, RoomPolicy},
    rest::{CreateRoom, MoveRoom, PolicyChange, RoomInfo},
};

use super::{
    moves,
    output::{self, Failure, Format, note},
    placement::{self, names, or_dash},
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
        change: Change,
    },
    /// Names the node for a join to a room, and counts the peer there until it comes.
    #[command(alias = "locate")]
    Place {
        /// The room.
        room: RoomId,
        #[command(flatten)]
        client: Client,
    },
    /// Shows where a join would go now and why: the points of each node.
    Explain {
        /// The room; it need not exist.
        room: RoomId,
        #[command(flatten)]
        client: Client,
    },
    /// Shows a room's policy, or changes what is given of it.
    Policy {
        /// The room.
        room: RoomId,
        #[command(flatten)]
        change: Change,
        /// On any node of any region again.
        #[arg(long, conflicts_with_all = ["region", "node"])]
        anywhere: bool,
    },
    /// Keeps a room on these nodes while any of them is up. Who is elsewhere stays there until
    /// moved.
    Pin {
        /// The room.
        room: RoomId,
        /// The nodes.
        #[arg(required = true)]
        nodes: Vec<NodeId>,
    },
    /// Lets a room go to any node again.
    Unpin {
        /// The room.
        room: RoomId,
    },
    /// Moves a room's clients to a node, in batches; they hear and show no gap.
    Move {
        /// The room.
        room: RoomId,
        /// The node.
        #[arg(long)]
        to: NodeId,
        /// Only those of this node.
        #[arg(long)]
        from: Option<NodeId>,
        /// Come back when it has begun.
        #[arg(long)]
        no_wait: bool,
    },
    /// Deletes a room: its peers are sent away on every node.
    #[command(visible_alias = "rm")]
    Delete {
        /// The room.
        room: RoomId,
    },
}

/// Where a client is.
#[derive(Debug, clap::Args)]
struct Client {
    /// The client's region.
    #[arg(long, value_parser = place_name)]
    region: Option<String>,
    /// The client's zone of that region.
    #[arg(long, value_parser = place_name, requires = "region")]
    zone: Option<String>,
}

impl Client {
    fn query(&self) -> String {
        let named = [("region", &self.region), ("zone", &self.zone)];
        let given = named.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let pairs: Vec<_> = given.map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

fn place_name(text: &str) -> Result<String, String> {
    let name = NodeId::parse(text).map_err(|error| error.to_string())?;
    Ok(name.to_string())
}

/// What of a policy is changed.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Change {
    /// How peers are shared out among nodes.
    #[arg(long, value_parser = mode)]
    mode: Option<PolicyMode>,
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

fn mode(text: &str) -> Result<PolicyMode, String> {
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|_| "it is balance, spread, pack or region".to_owned())
}

impl From<Change> for PolicyChange {
    fn from(Change { mode, region, node, max_peers, last_n }: Change) -> Self {
        let audio_levels = None;
        Self { pinned_nodes: node, regions: region, mode, max_peers, last_n, audio_levels }
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
        Verb::Create { room, change } => {
            let mut policy = RoomPolicy::default();
            PolicyChange::from(change).onto(&mut policy);
            let wish = CreateRoom { id: room, policy };
            let info: RoomInfo = remote.ask(Method::POST, "/v1/rooms", Some(&wish)).await?;
            show_one(&remote, info)
        }
        Verb::Place { room, client } => {
            let path = format!("{}/placement{}", path(&room), client.query());
            placement::placed(&remote, remote.fetch(&path).await?)
        }
        Verb::Explain { room, client } => {
            let path = format!("{}/explain{}", path(&room), client.query());
            placement::explained(&remote, remote.fetch(&path).await?)
        }
        Verb::Policy { room, change, anywhere } => {
            let mut change = PolicyChange::from(change);
            if anywhere {
                (change.regions, change.pinned_nodes) = (Some(Vec::new()), Some(Vec::new()));
            }
            let info = if change == PolicyChange::default() {
                remote.fetch(&path(&room)).await?
            } else {
                changed(&remote, &room, change).await?
            };
            placement::policy(&remote, info)
        }
        Verb::Pin { room, nodes } => {
            let pinned_nodes = Some(nodes);
            let change = PolicyChange { pinned_nodes, ..PolicyChange::default() };
            placement::policy(&remote, changed(&remote, &room, change).await?)
        }
        Verb::Unpin { room } => {
            let pinned_nodes = Some(Vec::new());
            let change = PolicyChange { pinned_nodes, ..PolicyChange::default() };
            placement::policy(&remote, changed(&remote, &room, change).await?)
        }
        Verb::Move { room, to, from, no_wait } => {
            moves::run(&remote, &room, MoveRoom { to, from }, !no_wait).await
        }
        Verb::Delete { room } => {
            let () = remote.ask(Method::DELETE, &path(&room), None::<&()>).await?;
            note(&format!("room {room} deleted"));
            Ok(())
        }
    }
}

async fn changed(
    remote: &Remote,
    room: &RoomId,
    change: PolicyChange,
) -> Result<RoomInfo, Failure> {
    remote.ask(Method::PATCH, &format!("{}/policy", path(room)), Some(&change)).await
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
