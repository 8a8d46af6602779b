//! Where joins go, and why.

use serde::{Deserialize, Serialize};

use crate::{
    NodeId, RoomId,
    registry::{AudioLevels, NodeCost, PolicyMode, RoomPolicy},
};

/// Where a client is, in the operator's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ClientAt {
    /// Its region; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its zone of that region; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// Where a join to a room goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The room.
    pub room: RoomId,
    /// The node to join.
    pub node: NodeId,
    /// Its WebSocket URL, without query.
    pub url: String,
    /// It is the node that answered.
    pub here: bool,
    /// Other nodes, best first.
    pub standby: Vec<NodeId>,
}

/// Where a join to a room would go, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlacementExplained {
    /// The room.
    pub room: RoomId,
    /// Its policy.
    pub policy: RoomPolicy,
    /// Where the client is.
    pub client: ClientAt,
    /// The node it would go to; absent if it were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Why it were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// All nodes: the chosen one, then by points, then those left out.
    pub nodes: Vec<NodeScore>,
}

/// What a placement makes of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeScore {
    /// The node.
    pub node: NodeId,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// Peers there.
    pub peers: u32,
    /// Peers that were placed there and are not in its load yet.
    pub placed: u32,
    /// How busy it is, 0 to 1.
    pub stress: f32,
    /// What makes it so; absent if the node does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NodeCost>,
    /// Sum of its terms; absent if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// What it gets points for, or loses them. One point is a hundredth of a node, about a peer.
    pub terms: Vec<ScoreTerm>,
    /// Why it is not chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScoreTerm {
    /// What for: `wanted`, `region`, `zone`, `room`, `neighbour`, `load`, `placed`, `fill` or
    /// `empty`.
    pub name: String,
    /// How much.
    pub points: i32,
}

/// Body of `PATCH /v1/rooms/{room}/policy`: what is absent is not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PolicyChange {
    /// As in the policy; an empty list unpins the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_nodes: Option<Vec<NodeId>>,
    /// As in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    /// As in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<PolicyMode>,
    /// As in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_peers: Option<u32>,
    /// As in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_n: Option<u32>,
    /// As in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_levels: Option<AudioLevels>,
}

impl PolicyChange {
    /// Changes `policy`.
    pub fn onto(self, policy: &mut RoomPolicy) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut policy.pinned_nodes, self.pinned_nodes);
        set(&mut policy.regions, self.regions);
        set(&mut policy.mode, self.mode);
        set(&mut policy.max_peers, self.max_peers);
        set(&mut policy.last_n, self.last_n);
        set(&mut policy.audio_levels, self.audio_levels);
    }
}

impl From<RoomPolicy> for PolicyChange {
    /// The change that makes any policy this one.
    fn from(policy: RoomPolicy) -> Self {
        let RoomPolicy { pinned_nodes, regions, mode, max_peers, last_n, audio_levels } = policy;
        Self {
            pinned_nodes: Some(pinned_nodes),
            regions: Some(regions),
            mode: Some(mode),
            max_peers: Some(max_peers),
            last_n: Some(last_n),
            audio_levels: Some(audio_levels),
        }
    }
}

/// Body of `POST /v1/rooms/{room}/move`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveRoom {
    /// To which node.
    pub to: NodeId,
    /// From this node only; absent: from all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NodeId>,
}

/// A room's move that has begun. It is over when `GET /v1/rooms/{room}/peers` says that the clients
/// are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RoomMoving {
    /// Which.
    pub room: RoomId,
    /// To which node.
    pub to: NodeId,
    /// From these.
    pub nodes: Vec<NodeMoving>,
}

/// What of a room leaves a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeMoving {
    /// Which.
    pub node: NodeId,
    /// Clients that are asked to go.
    pub clients: usize,
    /// Sessions that cannot be: programs', and those that are coming or leaving.
    pub others: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let mut policy = RoomPolicy { max_peers: 9, last_n: 4, ..RoomPolicy::default() };
        let change: PolicyChange = serde_json::from_str(r#"{"mode":"spread","lastN":0}"#).unwrap();
        change.onto(&mut policy);
        let expected =
            RoomPolicy { max_peers: 9, mode: PolicyMode::Spread, ..RoomPolicy::default() };
        assert_eq!(policy, expected);
        let mut other = RoomPolicy { regions: vec!["eu".into()], ..RoomPolicy::default() };
        PolicyChange::from(policy.clone()).onto(&mut other);
        assert_eq!(other, policy);
    }

    #[test]
    fn a_change_with_a_misspelt_name_is_refused() {
        assert!(serde_json::from_str::<PolicyChange>(r#"{"pinnedNode":["a"]}"#).is_err());
    }

    #[test]
    fn a_policy_of_an_older_release_is_balanced() {
        let policy: RoomPolicy = serde_json::from_str(r#"{"maxPeers":3}"#).unwrap();
        assert_eq!((policy.mode, policy.max_peers), (PolicyMode::Balance, 3));
    }
}
