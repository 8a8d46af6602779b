//! What `starling rooms place|explain|policy|pin|unpin` print.

use serde::Serialize;
use starling_proto::{
    Id, NodeId, RoomId,
    registry::{PolicyMode, RoomPolicy},
    rest::{NodeScore, Placement, PlacementExplained},
};

use super::{
    output::{self, Failure, Format, Line, note, or_dash},
    remote::Remote,
};

impl Line for Placement {
    const HEAD: &'static [&'static str] = &["room", "node", "url", "standby"];

    fn name(&self) -> String {
        self.node.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let Self { room, node, url, standby, .. } = self;
        vec![room.to_string(), node.to_string(), url.clone(), names(standby)]
    }
}

/// A node with its points.
#[derive(Serialize)]
struct Scored<'a> {
    #[serde(flatten)]
    node: &'a NodeScore,
    #[serde(skip)]
    chosen: Option<&'a NodeId>,
}

impl Line for Scored<'_> {
    const HEAD: &'static [&'static str] = &[
        "node",
        "place",
        "peers",
        "score",
        "region",
        "zone",
        "room",
        "neighbour",
        "load",
        "placed",
        "fill",
        "empty",
        "",
    ];

    fn name(&self) -> String {
        self.node.node.to_string()
    }

    fn cells(&self) -> Vec<String> {
        row(self.node, self.chosen)
    }
}

/// Where it would go, and why.
pub(super) fn explained(remote: &Remote, of: &PlacementExplained) -> Result<(), Failure> {
    if !matches!(remote.output, Format::Table | Format::Wide | Format::Name) {
        return output::value(remote.output, &serde_json::json!(of));
    }
    let chosen = of.node.as_ref();
    let nodes = of.nodes.iter().map(|node| Scored { node, chosen });
    remote.show_all(&nodes.collect::<Vec<_>>())?;
    if let Some(refusal) = &of.refusal {
        note(&format!("a join would be refused: {refusal}"));
    }
    Ok(())
}

/// Columns of the terms; nobody asks for a node here, so that `wanted` is not among them.
const TERMS: [&str; 8] = ["region", "zone", "room", "neighbour", "load", "placed", "fill", "empty"];

fn row(of: &NodeScore, chosen: Option<&NodeId>) -> Vec<String> {
    let points = |name: &str| {
        let term = of.terms.iter().find(|term| term.name == name);
        term.map_or_else(|| "-".to_owned(), |term| format!("{:+}", term.points))
    };
    let peers = match of.placed {
        0 => of.peers.to_string(),
        placed => format!("{}+{placed}", of.peers),
    };
    let score = of.score.map_or_else(|| "-".to_owned(), |score| score.to_string());
    let verdict = if chosen == Some(&of.node) {
        "chosen".to_owned()
    } else {
        of.left_out.clone().unwrap_or_default()
    };
    let mut row = vec![of.node.to_string(), place(&of.region, &of.zone), peers, score];
    row.extend(TERMS.map(points));
    row.push(verdict);
    row
}

/// A room's policy.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct PolicyOf {
    #[serde(skip)]
    room: String,
    policy: RoomPolicy,
}

impl PolicyOf {
    /// Of this room.
    pub(super) fn new(room: &RoomId, policy: RoomPolicy) -> Self {
        Self { room: room.to_string(), policy }
    }
}

impl Line for PolicyOf {
    const HEAD: &'static [&'static str] =
        &["room", "mode", "pinned", "regions", "max peers", "last n"];

    fn name(&self) -> String {
        self.room.clone()
    }

    fn cells(&self) -> Vec<String> {
        let policy = &self.policy;
        vec![
            self.name(),
            mode(policy.mode).to_owned(),
            names(&policy.pinned_nodes),
            or_dash(policy.regions.join(",")),
            policy.max_peers.to_string(),
            policy.last_n.to_string(),
        ]
    }
}

/// A mode's name.
pub(super) const fn mode(mode: PolicyMode) -> &'static str {
    match mode {
        PolicyMode::Balance => "balance",
        PolicyMode::Spread => "spread",
        PolicyMode::Pack => "pack",
        PolicyMode::Region => "region",
    }
}

/// Where a node is: `eu`, or `eu/a` with a zone.
pub(super) fn place(region: &str, zone: &str) -> String {
    let named: Vec<_> = [region, zone].into_iter().filter(|part| !part.is_empty()).collect();
    or_dash(named.join("/"))
}

/// Nodes, for a cell.
pub(super) fn names(nodes: &[NodeId]) -> String {
    or_dash(nodes.iter().map(Id::as_str).collect::<Vec<_>>().join(","))
}
