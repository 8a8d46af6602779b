//! `starling peers`.

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use starling_client::Client;
use starling_proto::{
    NodeId, PeerId, RoomId,
    mute::Muted,
    rest::{CreatePeer, MovePeer, PeerInfo, PeerMoved},
};

use super::{
    done::Done,
    live,
    look::Look,
    objects::{self, Kind, Whose},
    output::{self, Failure, Format, Line, or_dash},
    remote::Remote,
    sure::{Deed, Sure},
};

/// Peers.
#[derive(Debug, clap::Args)]
pub(super) struct Peers {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Peers of a room, on all nodes.
    #[command(visible_alias = "ls")]
    List {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        look: Look,
    },
    /// Ids of all that a peer has: transports, producers, consumers, data channels.
    Get {
        #[command(flatten)]
        whose: Whose,
    },
    /// Makes a peer for a program such as ffmpeg, on the node that is asked. It stays until it is
    /// removed.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// For people.
        #[arg(long, default_value = "")]
        name: String,
    },
    /// What the node holds of one of a peer's objects, or with `--stats` counts, as JSON.
    Inspect {
        #[command(flatten)]
        whose: Whose,
        /// What it is.
        kind: Kind,
        /// Its id, as `get` shows it.
        id: String,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Silences a peer: nobody gets what it sends, until it is unmuted.
    Mute {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        kinds: Kinds,
    },
    /// Takes that back.
    Unmute {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        kinds: Kinds,
    },
    /// Moves a peer to another node; its client hears and shows no gap.
    Move {
        #[command(flatten)]
        whose: Whose,
        /// The node; without it, the one where a join would be placed.
        #[arg(long, add = ArgValueCompleter::new(live::nodes))]
        to: Option<NodeId>,
        #[command(flatten)]
        sure: Sure,
    },
    /// Sends a peer away.
    #[command(visible_aliases = ["rm", "kick"])]
    Remove {
        #[command(flatten)]
        whose: Whose,
        /// Its client reads this, and does not come back by itself.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Which kinds of media; both, if none is given.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(skip)]
struct Kinds {
    /// What it says.
    #[arg(long)]
    audio: bool,
    /// What it shows.
    #[arg(long)]
    video: bool,
}

impl Kinds {
    /// What is muted then, of what is muted now.
    const fn onto(self, now: Muted, mute: bool) -> Muted {
        let all = !self.audio && !self.video;
        Muted {
            audio: if all || self.audio { mute } else { now.audio },
            video: if all || self.video { mute } else { now.video },
        }
    }
}

impl Line for PeerInfo {
    const HEAD: &'static [&'static str] = &["peer", "name", "node", "state", "sends"];
    const WIDE: &'static [&'static str] = &["data", "device"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let sends = self.producers.iter().map(|producer| {
            let state = match (self.muted.has(producer.kind), producer.paused) {
                (true, _) => " (muted)",
                (false, true) => " (paused)",
                (false, false) => "",
            };
            format!("{} {}{state}", producer.source, producer.mime_type)
        });
        vec![
            self.name(),
            self.display_name.clone(),
            self.node.to_string(),
            match (self.lost, self.hidden) {
                (true, _) => "lost",
                (false, true) => "hidden",
                (false, false) => "here",
            }
            .to_owned(),
            or_dash(sends.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let labels = self.data_producers.iter().map(|data| data.label.as_str());
        let device = self.device.get("name").and_then(serde_json::Value::as_str);
        vec![or_dash(labels.collect::<Vec<_>>().join(", ")), or_dash(device.unwrap_or_default())]
    }
}

impl Line for PeerMoved {
    const HEAD: &'static [&'static str] = &["peer", "from", "to"];

    fn name(&self) -> String {
        self.peer.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.from.to_string(), self.to.to_string()]
    }
}

/// What is silenced of a peer.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct MutedPeer {
    #[serde(skip)]
    peer: PeerId,
    muted: Muted,
}

impl Line for MutedPeer {
    const HEAD: &'static [&'static str] = &["peer", "audio", "video"];

    fn name(&self) -> String {
        self.peer.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let word = |muted| if muted { "muted" } else { "on" }.to_owned();
        vec![self.name(), word(self.muted.audio), word(self.muted.video)]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Peers { verb, remote }: Peers) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Verb::List { room, look } => {
            look.all(remote.output, async || Ok(client.peers(&room).await?)).await
        }
        Verb::Get { whose: Whose { room, peer } } => {
            let all = client.peer(&room, &peer).await?;
            match remote.output {
                Format::Table | Format::Wide | Format::Name => {
                    remote.show_all(&objects::rows(&all))
                }
                other => output::value(other, &serde_json::json!(all)),
            }
        }
        Verb::Create { whose: Whose { room, peer }, name } => {
            remote.show(&client.create_peer(&room, &CreatePeer::new(peer, name)).await?)
        }
        Verb::Inspect { whose, kind, id, stats } => {
            objects::seen(&remote, &client, &whose, &kind.of(&id)?, stats).await
        }
        Verb::Mute { whose, kinds } => mute(&remote, &client, whose, kinds, true).await,
        Verb::Unmute { whose, kinds } => mute(&remote, &client, whose, kinds, false).await,
        Verb::Move { whose: Whose { room, peer }, to, sure } => {
            if !sure.may(remote.output, move_deed(&client, &room, &peer, to.as_ref())).await? {
                return Ok(());
            }
            remote.show(&client.move_peer(&room, &peer, &MovePeer { to }).await?)
        }
        Verb::Remove { whose: Whose { room, peer }, reason, sure } => {
            if !sure.may(remote.output, remove_deed(&client, &room, &peer)).await? {
                return Ok(());
            }
            match reason {
                Some(reason) => client.kick_peer(&room, &peer, &reason).await?,
                None => client.remove_peer(&room, &peer).await?,
            }
            let to: [(_, &dyn ToString); 2] = [("room", &room), ("peer", &peer)];
            let said = format!("peer {peer} removed from room {room}");
            remote.done(&Done::new("remove", &to, said))
        }
    }
}

async fn mute(
    remote: &Remote,
    client: &Client,
    Whose { room, peer }: Whose,
    kinds: Kinds,
    mute: bool,
) -> Result<(), Failure> {
    let wish = kinds.onto(client.muted(&room, &peer).await?, mute);
    let muted = client.mute(&room, &peer, wish).await?;
    remote.show(&MutedPeer { peer, muted })
}

/// The peer, or the node's own refusal that it is not there.
async fn found(client: &Client, room: &RoomId, peer: &PeerId) -> Result<PeerInfo, Failure> {
    let here = client.peers(room).await?.into_iter().find(|info| info.id == *peer);
    match here {
        Some(info) => Ok(info),
        None => {
            client.peer(room, peer).await?;
            Err(Failure::Failed(format!("peer {peer} is coming or leaving; try again")))
        }
    }
}

async fn move_deed(
    client: &Client,
    room: &RoomId,
    peer: &PeerId,
    to: Option<&NodeId>,
) -> Result<Deed, Failure> {
    let info = found(client, room, peer).await?;
    let to = match to {
        Some(node) => client.node(node).await?.id.to_string(),
        None => {
            let explained =
                client.explain(room, &starling_proto::rest::ClientAt::default()).await?;
            explained
                .node
                .map_or_else(|| "nowhere: no node takes it".to_owned(), |id| id.to_string())
        }
    };
    let then = vec![format!("it leaves {} and is on {to}, make before break", info.node)];
    Ok(Deed { would: format!("move peer {peer} of room {room}"), then })
}

async fn remove_deed(client: &Client, room: &RoomId, peer: &PeerId) -> Result<Deed, Failure> {
    let info = found(client, room, peer).await?;
    let then = vec![
        format!("its session on {} ends, and it may come again with its token", info.node),
        format!("{} streams end for the others", info.producers.len()),
    ];
    Ok(Deed { would: format!("remove peer {peer} from room {room}"), then })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_muted_alone_and_the_other_stays_as_it_was() {
        let muted = |audio, video| Muted { audio, video };
        let both = Kinds { audio: false, video: false };
        let audio = Kinds { audio: true, video: false };
        assert_eq!(both.onto(muted(false, false), true), muted(true, true));
        assert_eq!(audio.onto(muted(false, true), true), muted(true, true));
        assert_eq!(audio.onto(muted(true, true), false), muted(false, true));
    }
}
