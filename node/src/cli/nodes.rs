//! `starling nodes`.

use std::time::Duration;

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use starling_client::Client;
use starling_proto::{
    NodeId, RoomId,
    registry::NodeState,
    rest::{DrainInfo, DrainNode, DrainStage, NodeInfo},
};

use super::{
    done::Done,
    live,
    look::{Look, Stay},
    output::{self, Failure, Format, Line, note, or_dash},
    placement,
    remote::Remote,
    sure::{Deed, Sure, counted},
    trace,
    until::Until,
};
use crate::config::value;

/// Between two looks at a drain.
const LOOK: Duration = Duration::from_millis(500);

/// Nodes.
#[derive(Debug, clap::Args)]
pub(super) struct Nodes {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All nodes.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        look: Look,
    },
    /// One node.
    Get {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
        #[command(flatten)]
        stay: Stay,
    },
    /// A node's process and workers, as JSON.
    Workers {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
    },
    /// What a node's router of a room forwards to whom, as JSON.
    Router {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
    },
    /// Takes no new peers; those that are there stay.
    Cordon {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
    },
    /// Takes no new peers and moves the present ones to other nodes.
    Drain {
        /// The node. In a node's own container: itself.
        #[arg(env = "STARLING_ID", add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
        /// Come back when it is empty or the deadline has passed.
        #[arg(long)]
        wait: bool,
        /// Peers that are still there then are cut: 30s, 2m.
        #[arg(long, value_parser = deadline)]
        deadline: Option<Duration>,
        /// Everybody at once, within 25 s: the machine is about to be taken away.
        #[arg(long)]
        emergency: bool,
        #[command(flatten)]
        sure: Sure,
    },
    /// Takes new peers again.
    Undrain {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
    },
    /// What a node logs from now on, until it starts again: info, debug, or module=level with
    /// commas, as RUST_LOG.
    Log {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
        /// What.
        filter: String,
    },
    /// What happens to a node's transports, tracks and consumers, as mediasoup's observers are
    /// told, until Ctrl-C.
    Observe {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
        /// Only in this room.
        #[arg(long, add = ArgValueCompleter::new(live::rooms))]
        room: Option<RoomId>,
        #[command(flatten)]
        until: Until,
    },
    /// Reads a node's settings again: keys of tokens, admin tokens and its certificate.
    Reload {
        /// The node.
        #[arg(add = ArgValueCompleter::new(live::nodes))]
        node: NodeId,
    },
}

fn deadline(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 150s, 2m or 500ms".to_owned())
}

/// The node that answers is it, or has a link to it.
const fn is_heard(node: &NodeInfo) -> bool {
    node.here || node.linked
}

impl Line for NodeInfo {
    const HEAD: &'static [&'static str] =
        &["node", "place", "state", "peers", "rooms", "load", "link", "version", "url"];
    const WIDE: &'static [&'static str] =
        &["consumers", "cpu", "packets/s", "Mbit/s", "delay ms", "memory", "protocol", "epoch"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let state = match self.state {
            // It is in the registry, and the node that answers hears nothing of it: it has just
            // begun, or it has died and its lease has not ended yet.
            _ if !is_heard(self) => "unheard",
            NodeState::Up => "up",
            NodeState::Draining if self.cordoned => "cordoned",
            NodeState::Draining => "draining",
        };
        let link = match (self.here, self.linked, self.rtt_ms) {
            (true, ..) => "here".to_owned(),
            (_, false, _) => "down".to_owned(),
            (_, true, Some(rtt)) => format!("{rtt:.1} ms"),
            (_, true, None) => "up".to_owned(),
        };
        vec![
            self.name(),
            placement::place(&self.region, &self.zone),
            state.to_owned(),
            self.load.peers.to_string(),
            self.load.rooms.to_string(),
            format!("{:.0}%", self.load.stress * 100.0),
            link,
            self.version.clone(),
            self.api_url.clone(),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let mut cells = vec![self.load.consumers.to_string()];
        match &self.cost {
            Some(cost) => cells.extend([
                format!("{:.0}%", cost.cpu * 100.0),
                cost.packets_per_second.to_string(),
                format!("{:.1}", cost.bits_per_second as f64 / 1e6),
                format!("{:.1}", cost.delay_ms),
                format!("{:.0}%", cost.memory * 100.0),
            ]),
            None => cells.extend((0..5).map(|_| "-".to_owned())),
        }
        let protocol = self.link_protocol.map(|version| version.to_string());
        cells.extend([or_dash(protocol.unwrap_or_default()), self.epoch.to_string()]);
        cells
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Nodes { verb, remote }: Nodes) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Verb::List { look } => look.all(remote.output, async || Ok(client.nodes().await?)).await,
        Verb::Get { node, stay } => {
            stay.one(remote.output, async || Ok(client.node(&node).await?)).await
        }
        Verb::Workers { node } => {
            let workers = client.workers(&node).await?;
            output::value(remote.output, &serde_json::json!(workers))
        }
        Verb::Router { node, room } => {
            output::value(remote.output, &client.router(&node, &room).await?)
        }
        Verb::Cordon { node } => remote.show(&client.cordon(&node).await?),
        Verb::Drain { node, wait, deadline, emergency, sure } => {
            if !sure.may(remote.output, drain_deed(&client, &node, emergency)).await? {
                return Ok(());
            }
            let deadline_ms = deadline.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
            let wish = DrainNode { deadline_ms, wait: false, emergency };
            let info = client.drain(&node, &wish).await?;
            if wait { watch(&remote, &client, &node).await } else { remote.show(&info) }
        }
        Verb::Undrain { node } => remote.show(&client.undrain(&node).await?),
        Verb::Log { node, filter } => {
            client.set_log(&node, &filter).await?;
            let to: [(_, &dyn ToString); 2] = [("filter", &filter), ("node", &node)];
            remote.done(&Done::new("log", &to, format!("{node} logs {filter}")))
        }
        Verb::Observe { node, room, until } => {
            trace::observe(&client, &node, room.as_ref(), remote.output, until).await
        }
        Verb::Reload { node } => {
            output::value(remote.output, &serde_json::json!(client.reload(&node).await?))
        }
    }
}

async fn drain_deed(client: &Client, node: &NodeId, emergency: bool) -> Result<Deed, Failure> {
    let nodes = client.nodes().await?;
    let info = client.node(node).await?;
    let takes =
        |other: &&NodeInfo| other.id != *node && other.state == NodeState::Up && is_heard(other);
    let others: Vec<_> = nodes.iter().filter(takes).map(Line::name).collect();
    let at_once = if emergency { " at once, within 25 s" } else { "" };
    let mut then = vec![
        format!("{node} takes no new peers"),
        format!("{} peers in {} rooms are moved{at_once}", info.load.peers, info.load.rooms),
    ];
    then.push(match others.as_slice() {
        [] => "no other node takes peers: they would be cut at the deadline".to_owned(),
        others => format!("to {}", counted("node", others)),
    });
    Ok(Deed { would: format!("drain node {node}"), then })
}

/// Says how far a drain is, until it is over.
async fn watch(remote: &Remote, client: &Client, node: &NodeId) -> Result<(), Failure> {
    let mut said = String::new();
    loop {
        let drain = client.drained(node).await?;
        let line = progress(&drain);
        if line != said {
            note(&line);
            said = line;
        }
        match drain.stage {
            DrainStage::Draining => tokio::time::sleep(LOOK).await,
            _ if matches!(remote.output, Format::Table | Format::Wide | Format::Name) => {
                return remote.show(&client.node(node).await?);
            }
            _ => return output::value(remote.output, &serde_json::json!(drain)),
        }
    }
}

fn progress(drain: &DrainInfo) -> String {
    let DrainInfo { node, moved, total, on_the_way, left, .. } = drain;
    match drain.stage {
        DrainStage::Draining => {
            format!("{node}: {moved} of {total} peers moved, {on_the_way} on the way")
        }
        DrainStage::Drained => format!("{node}: drained, {moved} of {total} peers moved"),
        DrainStage::Cut => format!("{node}: {moved} of {total} peers moved, {left} sessions cut"),
        DrainStage::Cordoned => format!("{node}: cordoned meanwhile; {moved} of {total} moved"),
        DrainStage::Up => format!("{node}: undrained meanwhile"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_that_nobody_hears_is_not_said_to_be_up() {
        let state = |state: &str, linked: bool, here: bool| {
            let node: NodeInfo = serde_json::from_value(json!({
                "id": "n1", "epoch": 1, "region": "", "apiUrl": "http://n1", "version": "0.1.0",
                "state": state, "here": here, "linked": linked,
                "load": {"stress": 0.0, "peers": 0, "rooms": 0, "consumers": 0, "maxPeers": 0}
            }))
            .unwrap();
            node.cells()[2].clone()
        };
        assert_eq!(state("up", false, true), "up");
        assert_eq!(state("draining", true, false), "draining");
        assert_eq!(state("up", false, false), "unheard");
        assert_eq!(state("draining", false, false), "unheard");
    }
}
