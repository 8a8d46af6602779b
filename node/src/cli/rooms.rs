//! `starling rooms`.

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use starling_client::Client;
use starling_proto::{
    Id, MediaKind, NodeId, RoomId,
    registry::{PolicyMode, RoomPolicy},
    rest::{ClientAt, CreateRoom, MoveRoom, PolicyChange, RoomInfo},
};

use super::{
    done::Done,
    live,
    look::{Look, Stay},
    matrix, moves,
    output::{self, Failure, Line, or_dash},
    placement::{self, PolicyOf, names},
    remote::Remote,
    sure::{Deed, Sure, counted},
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
    List {
        #[command(flatten)]
        look: Look,
    },
    /// One room.
    Get {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        stay: Stay,
    },
    /// Makes a room that stays when it is empty. (Joining makes one that does not.)
    Create {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        change: Change,
    },
    /// Names the node for a join to a room, and counts the peer there until it comes.
    #[command(alias = "locate")]
    Place {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        at: Place,
    },
    /// Shows where a join would go now and why: the points of each node.
    Explain {
        /// The room; it need not exist.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        at: Place,
    },
    /// Shows a room's policy, or changes what is given of it.
    Policy {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        change: Change,
        /// On any node of any region again.
        #[arg(long, conflicts_with_all = ["region", "node"])]
        anywhere: bool,
        /// As a new room has it, but for what is given here.
        #[arg(long)]
        reset: bool,
    },
    /// Who gets what of whom: layers, score, losses, rates.
    Matrix {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// Of one kind alone: audio or video.
        #[arg(long, value_parser = kind)]
        kind: Option<MediaKind>,
    },
    /// What a room's router can take and send, mediasoup's `router.rtpCapabilities`, as JSON.
    Capabilities {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
    },
    /// Keeps a room on these nodes while any of them is up. Who is elsewhere stays there until
    /// moved.
    Pin {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// The nodes.
        #[arg(required = true, add = ArgValueCompleter::new(live::nodes))]
        nodes: Vec<NodeId>,
    },
    /// Lets a room go to any node again.
    Unpin {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
    },
    /// Moves a room's clients to a node, in batches; they hear and show no gap.
    Move {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// The node.
        #[arg(long, add = ArgValueCompleter::new(live::nodes))]
        to: NodeId,
        /// Only those of this node.
        #[arg(long, add = ArgValueCompleter::new(live::nodes))]
        from: Option<NodeId>,
        /// Come back when it has begun.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        sure: Sure,
    },
    /// Deletes a room: its peers are sent away on every node.
    #[command(visible_alias = "rm")]
    Delete {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Where a client is.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Place {
    /// The client's region.
    #[arg(long, value_parser = place_name)]
    region: Option<String>,
    /// The client's zone of that region.
    #[arg(long, value_parser = place_name, requires = "region")]
    zone: Option<String>,
}

impl From<Place> for ClientAt {
    fn from(Place { region, zone }: Place) -> Self {
        Self { region, zone }
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

pub(super) fn kind(text: &str) -> Result<MediaKind, String> {
    match text {
        "audio" => Ok(MediaKind::Audio),
        "video" => Ok(MediaKind::Video),
        _ => Err("write audio or video".to_owned()),
    }
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

impl Line for RoomInfo {
    const HEAD: &'static [&'static str] =
        &["room", "nodes", "peers", "persistent", "pinned", "regions", "max peers", "speaks"];
    const WIDE: &'static [&'static str] = &["mode", "last n", "incarnation"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.name(),
            names(&self.nodes),
            or_dash(self.peers.map(|peers| peers.to_string()).unwrap_or_default()),
            if self.persistent { "yes" } else { "no" }.to_owned(),
            names(&self.policy.pinned_nodes),
            or_dash(self.policy.regions.join(",")),
            self.policy.max_peers.to_string(),
            or_dash(self.active_speaker.as_ref().map(ToString::to_string).unwrap_or_default()),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let policy = &self.policy;
        vec![
            placement::mode(policy.mode).to_owned(),
            policy.last_n.to_string(),
            self.incarnation.to_string(),
        ]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Rooms { verb, remote }: Rooms) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Verb::List { look } => look.all(remote.output, async || Ok(client.rooms().await?)).await,
        Verb::Get { room, stay } => {
            stay.one(remote.output, async || Ok(client.room(&room).await?)).await
        }
        Verb::Create { room, change } => {
            let mut policy = RoomPolicy::default();
            PolicyChange::from(change).onto(&mut policy);
            remote.show(&client.create_room(&CreateRoom { id: room, policy }).await?)
        }
        Verb::Place { room, at } => remote.show(&client.place(&room, &at.into()).await?),
        Verb::Explain { room, at } => {
            placement::explained(&remote, &client.explain(&room, &at.into()).await?)
        }
        Verb::Policy { room, change, anywhere, reset } => {
            let mut change = PolicyChange::from(change);
            if anywhere {
                (change.regions, change.pinned_nodes) = (Some(Vec::new()), Some(Vec::new()));
            }
            let policy = match (reset, change == PolicyChange::default()) {
                (true, _) => {
                    let mut policy = RoomPolicy::default();
                    change.onto(&mut policy);
                    client.set_policy(&room, &policy).await?.policy
                }
                (false, true) => client.policy(&room).await?,
                (false, false) => client.change_policy(&room, &change).await?.policy,
            };
            remote.show(&PolicyOf::new(&room, policy))
        }
        Verb::Matrix { room, kind } => matrix::show(&remote, &client.matrix(&room, kind).await?),
        Verb::Capabilities { room } => {
            let told = client.rtp_capabilities(&room).await?;
            output::value(remote.output, &serde_json::json!(told))
        }
        Verb::Pin { room, nodes } => pin(&remote, &client, &room, nodes).await,
        Verb::Unpin { room } => pin(&remote, &client, &room, Vec::new()).await,
        Verb::Move { room, to, from, no_wait, sure } => {
            let wish = MoveRoom { to, from };
            if !sure.may(remote.output, move_deed(&client, &room, &wish)).await? {
                return Ok(());
            }
            moves::run(&remote, &client, &room, &wish, !no_wait).await
        }
        Verb::Delete { room, sure } => {
            if !sure.may(remote.output, delete_deed(&client, &room)).await? {
                return Ok(());
            }
            client.delete_room(&room).await?;
            let to: [(_, &dyn ToString); 1] = [("room", &room)];
            remote.done(&Done::new("delete", &to, format!("room {room} deleted")))
        }
    }
}

async fn pin(
    remote: &Remote,
    client: &Client,
    room: &RoomId,
    nodes: Vec<NodeId>,
) -> Result<(), Failure> {
    let change = PolicyChange { pinned_nodes: Some(nodes), ..PolicyChange::default() };
    remote.show(&PolicyOf::new(room, client.change_policy(room, &change).await?.policy))
}

async fn delete_deed(client: &Client, room: &RoomId) -> Result<Deed, Failure> {
    let info = client.room(room).await?;
    let peers = client.peers(room).await?;
    let names: Vec<_> = peers.iter().map(Line::name).collect();
    let on: Vec<_> = info.nodes.iter().map(ToString::to_string).collect();
    let mut then = match names.as_slice() {
        [] => vec!["nobody is there".to_owned()],
        names => {
            vec![format!("{} are sent away from {}", counted("peer", names), counted("node", &on))]
        }
    };
    if info.persistent || info.policy != RoomPolicy::default() {
        then.push("its policy is forgotten".to_owned());
    }
    Ok(Deed { would: format!("delete room {room}"), then })
}

async fn move_deed(client: &Client, room: &RoomId, wish: &MoveRoom) -> Result<Deed, Failure> {
    let MoveRoom { to, from } = wish;
    let target = client.node(to).await?;
    let peers = client.peers(room).await?;
    let leaves = |node: &NodeId| node != to && from.as_ref().is_none_or(|from| node == from);
    let going: Vec<_> = peers.iter().filter(|it| leaves(&it.node)).map(Line::name).collect();
    let mut then = vec![format!("{} are asked to go to {to}, in batches", counted("peer", &going))];
    if !target.linked && !target.here {
        then.push(format!("{to} has no link to the node that answers: it would be refused"));
    }
    Ok(Deed { would: format!("move room {room} to node {to}"), then })
}
