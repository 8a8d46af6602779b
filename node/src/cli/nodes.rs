//! `starling nodes`.

use std::time::Duration;

use axum::http::Method;
use clap::Subcommand;
use starling_proto::{
    NodeId, RoomId,
    registry::NodeState,
    rest::{DrainInfo, DrainNode, DrainStage, NodeInfo, Reloaded, WorkersInfo},
};

use super::{
    output::{self, Failure, Format, note},
    placement,
    remote::Remote,
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
    List,
    /// One node.
    Get {
        /// The node.
        node: NodeId,
    },
    /// A node's process and workers, as JSON.
    Workers {
        /// The node.
        node: NodeId,
    },
    /// What a node's router of a room forwards to whom, as JSON.
    Router {
        /// The node.
        node: NodeId,
        /// The room.
        room: RoomId,
    },
    /// Takes no new peers; those that are there stay.
    Cordon {
        /// The node.
        node: NodeId,
    },
    /// Takes no new peers and moves the present ones to other nodes.
    Drain {
        /// The node. In a node's own container: itself.
        #[arg(env = "STARLING_ID")]
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
    },
    /// Takes new peers again.
    Undrain {
        /// The node.
        node: NodeId,
    },
    /// Reads a node's settings again: keys of tokens, admin tokens and its certificate.
    Reload {
        /// The node.
        node: NodeId,
    },
}

fn deadline(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 150s, 2m or 500ms".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Nodes { verb, remote }: Nodes) -> Result<(), Failure> {
    match verb {
        Verb::List => show(&remote, remote.fetch("/v1/nodes").await?),
        Verb::Get { node } => {
            let info: NodeInfo = remote.fetch(&format!("/v1/nodes/{node}")).await?;
            show_one(&remote, info)
        }
        Verb::Workers { node } => {
            let workers: WorkersInfo = remote.fetch(&format!("/v1/nodes/{node}/workers")).await?;
            output::json(&workers)
        }
        Verb::Router { node, room } => {
            let path = format!("/v1/nodes/{node}/routers/{room}");
            let router: serde_json::Value = remote.fetch(&path).await?;
            output::json(&router)
        }
        Verb::Cordon { node } => {
            let path = format!("/v1/nodes/{node}/cordon");
            show_one(&remote, remote.ask(Method::POST, &path, None::<&()>).await?)
        }
        Verb::Drain { node, wait, deadline, emergency } => {
            let deadline_ms = deadline.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
            let wish = DrainNode { deadline_ms, wait: false, emergency };
            let path = format!("/v1/nodes/{node}/drain");
            let info = remote.ask(Method::POST, &path, Some(&wish)).await?;
            if wait {
                return watch(&remote, &node).await;
            }
            show_one(&remote, info)
        }
        Verb::Undrain { node } => {
            let path = format!("/v1/nodes/{node}/undrain");
            show_one(&remote, remote.ask(Method::POST, &path, None::<&()>).await?)
        }
        Verb::Reload { node } => {
            let path = format!("/v1/nodes/{node}/reload");
            let reloaded: Reloaded = remote.ask(Method::POST, &path, None::<&()>).await?;
            output::json(&reloaded)
        }
    }
}

/// Says how far a drain is, until it is over.
async fn watch(remote: &Remote, node: &NodeId) -> Result<(), Failure> {
    let path = format!("/v1/nodes/{node}/drain");
    let mut said = String::new();
    loop {
        let drain: DrainInfo = remote.fetch(&path).await?;
        let line = progress(&drain);
        if line != said {
            note(&line);
            said = line;
        }
        match drain.stage {
            DrainStage::Draining => tokio::time::sleep(LOOK).await,
            _ if remote.output == Format::Json => return output::json(&drain),
            _ => return show_one(remote, remote.fetch(&format!("/v1/nodes/{node}")).await?),
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

fn show_one(remote: &Remote, info: NodeInfo) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&info);
    }
    show(remote, vec![info])
}

fn show(remote: &Remote, nodes: Vec<NodeInfo>) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&nodes);
    }
    let row = |node: &NodeInfo| {
        let state = match node.state {
            NodeState::Up => "up",
            NodeState::Draining if node.cordoned => "cordoned",
            NodeState::Draining => "draining",
        };
        let link = match (node.here, node.linked, node.rtt_ms) {
            (true, ..) => "here".to_owned(),
            (_, false, _) => "down".to_owned(),
            (_, true, Some(rtt)) => format!("{rtt:.1} ms"),
            (_, true, None) => "up".to_owned(),
        };
        vec![
            node.id.to_string(),
            placement::place(&node.region, &node.zone),
            state.to_owned(),
            node.load.peers.to_string(),
            node.load.rooms.to_string(),
            format!("{:.0}%", node.load.stress * 100.0),
            link,
            node.version.clone(),
            node.api_url.clone(),
        ]
    };
    let head = ["node", "place", "state", "peers", "rooms", "load", "link", "version", "url"];
    output::table(&head, &nodes.iter().map(row).collect::<Vec<_>>())
}
