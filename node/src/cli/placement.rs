//! What `starling rooms place|explain|policy|pin|unpin` print.

use starling_proto::{
    Id, NodeId,
    registry::PolicyMode,
    rest::{NodeScore, Placement, PlacementExplained, RoomInfo},
};

use super::{
    output::{self, Failure, Format, note},
    remote::Remote,
};

/// Where a join goes.
pub(super) fn placed(remote: &Remote, placement: Placement) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&placement);
    }
    let Placement { room, node, url, standby, .. } = placement;
    let row = vec![room.to_string(), node.to_string(), url, names(&standby)];
    output::table(&["room", "node", "url", "standby"], &[row])
}

/// Where it would go, and why.
pub(super) fn explained(remote: &Remote, of: PlacementExplained) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&of);
    }
    let chosen = of.node.as_ref();
    let rows: Vec<_> = of.nodes.iter().map(|node| row(node, chosen)).collect();
    let mut head = vec!["node", "place", "peers", "score"];
    head.extend(TERMS);
    head.push("");
    output::table(&head, &rows)?;
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
pub(super) fn policy(remote: &Remote, room: RoomInfo) -> Result<(), Failure> {
    if remote.output == Format::Json {
        return output::json(&room.policy);
    }
    let mode = match room.policy.mode {
        PolicyMode::Balance => "balance",
        PolicyMode::Spread => "spread",
        PolicyMode::Pack => "pack",
        PolicyMode::Region => "region",
    };
    let row = vec![
        room.id.to_string(),
        mode.to_owned(),
        names(&room.policy.pinned_nodes),
        or_dash(room.policy.regions.join(",")),
        room.policy.max_peers.to_string(),
        room.policy.last_n.to_string(),
    ];
    output::table(&["room", "mode", "pinned", "regions", "max peers", "last n"], &[row])
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

/// A cell is never empty.
pub(super) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}
