//! What happens in a cluster, told once: the stream of events, webhooks and logs share this.

use serde::{Deserialize, Serialize};

use crate::{
    ConsumerId, MediaKind, NodeId, PeerId, ProducerId, RecordingId, RoomId, WebhookId,
    time::Timestamp,
};

/// One event. Each is told by one node, of those that know it the one nearest to it; while nodes do
/// not see each other two may tell the same, under two ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Event {
    /// No other event has it: `<node>.<life of the node>.<number>`. What is told again, after a
    /// reconnection or a failed delivery, is told under the same one.
    #[cfg_attr(feature = "schema", schema(example = "node-1.1796011506789000.42"))]
    pub id: String,
    /// When, by the clock of the node that tells.
    #[cfg_attr(
        feature = "schema",
        schema(value_type = String, format = DateTime, example = "2026-11-30T04:05:06.789Z")
    )]
    pub at: Timestamp,
    /// The node that tells.
    pub by: NodeId,
    /// What, by its `type`.
    #[serde(flatten)]
    pub what: Happening,
}

/// The name of a kind of event, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType {
    /// As in `type`.
    pub name: &'static str,
    /// For people.
    pub about: &'static [&'static str],
}

// Fragments are tokens, for those who read attributes do not see through `literal` and `meta`.
macro_rules! events {
    ($(
        $(#[doc = $about:tt])*
        $name:ident = $text:tt { $($(#[$($meta:tt)*])* $field:ident: $kind:ty,)* }
    )*) => {
        /// What happened. Kinds and fields are only ever added.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(tag = "type")]
        pub enum Happening {
            $(
                $(#[doc = $about])*
                #[serde(rename = $text, rename_all = "camelCase")]
                $name { $($(#[$($meta)*])* $field: $kind,)* },
            )*
        }

        impl Happening {
            /// All kinds.
            pub const TYPES: &'static [EventType] =
                &[$(EventType { name: $text, about: &[$($about),*] },)*];

            /// Its kind, as in `type`.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $text,)* }
            }
        }
    };
}

events! {
    /// A room has its first peer.
    RoomStarted = "room.started" {
        /// Which.
        room: RoomId,
    }
    /// Nobody is in a room any more, or an operator deleted it.
    RoomEnded = "room.ended" {
        /// Which.
        room: RoomId,
        /// It was deleted.
        deleted: bool,
    }
    /// Who the floor belongs to in a room is another, or nobody.
    SpeakerChanged = "speaker.changed" {
        /// Where.
        room: RoomId,
        /// Who; absent: nobody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<PeerId>,
    }
    /// Somebody wants to join a room. Told to the admission hook alone, which may refuse.
    AdmissionRequested = "admission.requested" {
        /// Which.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Through which node.
        node: NodeId,
        /// From which address.
        address: String,
    }
    /// An operator tries a webhook. Told to that one alone.
    WebhookTried = "webhook.tried" {
        /// Which.
        webhook: WebhookId,
    }
    /// A peer joined a room.
    PeerJoined = "peer.joined" {
        /// Which.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Through which node.
        node: NodeId,
        /// For people.
        display_name: String,
    }
    /// A peer is gone, and what it published was unpublished before.
    PeerLeft = "peer.left" {
        /// Which room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Where it was.
        node: NodeId,
    }
    /// A peer went on with a newer session, on another node or on the same.
    PeerMoved = "peer.moved" {
        /// Which room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// From which node.
        from: NodeId,
        /// To which.
        to: NodeId,
    }
    /// A peer produces.
    TrackPublished = "track.published" {
        /// Which room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// On which node.
        node: NodeId,
        /// What.
        producer: ProducerId,
        /// Audio or video.
        kind: MediaKind,
        /// Which of the peer's sources.
        source: String,
        /// Codec of its first encoding.
        mime_type: String,
        /// It starts paused.
        paused: bool,
        /// The producer of the same source that it takes the place of, after a move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<ProducerId>,
    }
    /// A producer ended.
    TrackUnpublished = "track.unpublished" {
        /// Which room.
        room: RoomId,
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
    }
    /// Nothing of a producer is forwarded until it goes on.
    TrackPaused = "track.paused" {
        /// Which room.
        room: RoomId,
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
    }
    /// A paused producer goes on.
    TrackResumed = "track.resumed" {
        /// Which room.
        room: RoomId,
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
    }
    /// What a consumer gets has become bad: its score, of 0 to 10, fell below 5.
    SubscriberDegraded = "subscriber.degraded" {
        /// Which room.
        room: RoomId,
        /// Who gets it.
        peer: PeerId,
        /// Which.
        consumer: ConsumerId,
        /// Of what.
        producer: ProducerId,
        /// Now.
        score: u8,
    }
    /// What a consumer gets is good again: its score is 7 or more.
    SubscriberRecovered = "subscriber.recovered" {
        /// Which room.
        room: RoomId,
        /// Who gets it.
        peer: PeerId,
        /// Which.
        consumer: ConsumerId,
        /// Of what.
        producer: ProducerId,
        /// Now.
        score: u8,
    }
    /// A node is there. It tells so itself.
    NodeJoined = "node.joined" {
        /// Which.
        node: NodeId,
    }
    /// A node takes no new peers, and those that are there stay.
    NodeCordoned = "node.cordoned" {
        /// Which.
        node: NodeId,
    }
    /// A node's peers are being moved to other nodes.
    NodeDraining = "node.draining" {
        /// Which.
        node: NodeId,
        /// All at once.
        emergency: bool,
    }
    /// A node takes new peers again.
    NodeUndrained = "node.undrained" {
        /// Which.
        node: NodeId,
    }
    /// A node is gone without having said so; what it had not told yet is lost. The first, by id,
    /// of those that are left tells.
    NodeLost = "node.lost" {
        /// Which.
        node: NodeId,
    }
    /// A node has ended as it should.
    NodeLeft = "node.left" {
        /// Which.
        node: NodeId,
    }
    /// The link of two nodes is up. The first of the two, by id, tells.
    LinkUp = "link.up" {
        /// One.
        from: NodeId,
        /// The other.
        to: NodeId,
    }
    /// It is down: cut, or its node ended. The first of the two, by id, tells, if it is still
    /// there.
    LinkDown = "link.down" {
        /// One.
        from: NodeId,
        /// The other.
        to: NodeId,
    }
    /// A producer comes from a node to another.
    PipeUp = "pipe.up" {
        /// Which room.
        room: RoomId,
        /// What.
        producer: ProducerId,
        /// From.
        from: NodeId,
        /// To.
        to: NodeId,
    }
    /// It comes by that way no more: nobody wants it, it ended, or it comes by another.
    PipeDown = "pipe.down" {
        /// Which room.
        room: RoomId,
        /// What.
        producer: ProducerId,
        /// From.
        from: NodeId,
        /// To.
        to: NodeId,
    }
    /// A node records a room, or some of it.
    RecordingStarted = "recording.started" {
        /// What it is called.
        recording: RecordingId,
        /// Which room.
        room: RoomId,
        /// Which node.
        node: NodeId,
    }
    /// A recording is over, and its files are whole.
    RecordingEnded = "recording.ended" {
        /// Which.
        recording: RecordingId,
        /// Of which room.
        room: RoomId,
        /// On which node.
        node: NodeId,
        /// Why.
        reason: String,
        /// What its files take.
        bytes: u64,
    }
    /// A recording ended before it should.
    RecordingFailed = "recording.failed" {
        /// Which.
        recording: RecordingId,
        /// Of which room.
        room: RoomId,
        /// On which node.
        node: NodeId,
        /// Why.
        reason: String,
        /// Its node died; it tells so when it is back.
        lost: bool,
    }
}

impl Happening {
    /// Whether it is of a kind, or of all kinds of a thing, as in `peer.*`.
    pub fn is_of(&self, wish: &str) -> bool {
        is_named(self.name(), wish)
    }

    /// Which room it is about, if it is about one.
    pub const fn room(&self) -> Option<&RoomId> {
        match self {
            Self::RoomStarted { room }
            | Self::RoomEnded { room, .. }
            | Self::SpeakerChanged { room, .. }
            | Self::AdmissionRequested { room, .. }
            | Self::PeerJoined { room, .. }
            | Self::PeerLeft { room, .. }
            | Self::PeerMoved { room, .. }
            | Self::TrackPublished { room, .. }
            | Self::TrackUnpublished { room, .. }
            | Self::TrackPaused { room, .. }
            | Self::TrackResumed { room, .. }
            | Self::SubscriberDegraded { room, .. }
            | Self::SubscriberRecovered { room, .. }
            | Self::RecordingStarted { room, .. }
            | Self::RecordingEnded { room, .. }
            | Self::RecordingFailed { room, .. }
            | Self::PipeUp { room, .. }
            | Self::PipeDown { room, .. } => Some(room),
            Self::WebhookTried { .. }
            | Self::NodeJoined { .. }
            | Self::NodeCordoned { .. }
            | Self::NodeDraining { .. }
            | Self::NodeUndrained { .. }
            | Self::NodeLost { .. }
            | Self::NodeLeft { .. }
            | Self::LinkUp { .. }
            | Self::LinkDown { .. } => None,
        }
    }
}

/// Whether a kind is what somebody wishes for: its name, or its thing's and `.*`.
pub fn is_named(kind: &str, wish: &str) -> bool {
    let thing = wish.strip_suffix(".*");
    kind == wish
        || thing.is_some_and(|thing| kind.split_once('.').is_some_and(|(it, _)| it == thing))
}

/// What of a stream of events was not told: more happened than a node keeps. What the reader knew
/// of the cluster is to be read anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventGap {
    /// Of which node.
    pub node: NodeId,
    /// Nothing before this is missing, unless it was said before.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
    /// Nor is anything after this.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub until: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_flat_object_with_a_type() {
        let event = Event {
            id: "node-1.7.42".into(),
            at: Timestamp { unix_ms: 1_796_011_506_789 },
            by: "node-1".parse().unwrap(),
            what: Happening::PeerJoined {
                room: "stand-up".parse().unwrap(),
                peer: "ada".parse().unwrap(),
                node: "node-1".parse().unwrap(),
                display_name: "Ada".into(),
            },
        };
        let told = json!({
            "id": "node-1.7.42", "at": "2026-11-30T04:05:06.789Z", "by": "node-1",
            "type": "peer.joined", "room": "stand-up", "peer": "ada", "node": "node-1",
            "displayName": "Ada",
        });
        assert_eq!(serde_json::to_value(&event).unwrap(), told);
        assert_eq!(serde_json::from_value::<Event>(told).unwrap(), event);
        assert_eq!(event.what.name(), "peer.joined");
        assert_eq!(event.what.room().unwrap().to_string(), "stand-up");
    }

    #[test]
    fn kinds_are_wished_for_one_by_one_or_by_what_they_are_about() {
        for (wish, is) in [
            ("peer.joined", true),
            ("peer.*", true),
            ("peer.left", false),
            ("peer", false),
            ("pee.*", false),
            ("*", false),
            (".*", false),
        ] {
            assert_eq!(is_named("peer.joined", wish), is, "{wish}");
        }
    }

    #[test]
    fn every_kind_is_named_as_a_thing_and_what_befell_it_and_explained() {
        for EventType { name, about } in Happening::TYPES {
            let (thing, what) = name.split_once('.').unwrap();
            assert!(!thing.is_empty() && !what.is_empty() && !about.is_empty(), "{name}");
        }
    }
}
