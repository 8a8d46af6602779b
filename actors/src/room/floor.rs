//! Who speaks in the room: `cluster::decide::floor` decides, here the nodes and peers are told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use starling_cluster::decide::floor::Outcome;
use starling_proto::{
    NodeId, PeerId, ProducerId,
    link::LinkMessage,
    observer::Happened,
    registry::AudioLevels,
    signal::{PeerVolume, ServerNotification},
    voice::Voices,
};

use super::{Heard, RoomState, TICK};

/// Least and most time between two `speakingPeers`: the room's tick, and mediasoup's limit.
const INTERVALS: (u16, u16) = (500, 5_000);
/// Peers named in one `speakingPeers`, whatever the room's policy says.
const MAX_VOLUMES: u16 = 64;

impl RoomState {
    pub(super) fn heard(&mut self, heard: Heard) {
        // What has just ended may still have been measured.
        let known = |id: &ProducerId| self.replica.producer(id).is_some();
        let voices = heard.voices.into_iter().filter(|voice| known(&voice.producer)).collect();
        let outcome = self.floor.hear(Instant::now(), voices, &heard.silent);
        self.after_floor(outcome);
    }

    pub(super) fn remote_voices(&mut self, node: &NodeId, voices: Voices) {
        if self.links.contains_key(node) {
            let outcome = self.floor.told(Instant::now(), node, voices);
            self.after_floor(outcome);
        }
    }

    pub(super) fn floor_ended(&mut self, producer: &ProducerId) {
        let outcome = self.floor.forget(producer);
        self.after_floor(outcome);
    }

    /// Tells a node that has just come who has the floor.
    pub(super) fn greet(&self, node: &NodeId) {
        if let (Some(voices), Some(port)) = (self.floor.greeting(), self.links.get(node)) {
            let room = self.args.id.clone();
            port.link.send(LinkMessage::Voices { room, voices });
        }
    }

    /// The peer who has the floor.
    pub(super) fn active_speaker(&self) -> Option<PeerId> {
        self.peer_of(self.floor.speaker()?)
    }

    /// For a peer that has just joined.
    pub(super) fn speaker_notification(&self) -> Option<ServerNotification> {
        let peer_id = Some(self.active_speaker()?);
        Some(ServerNotification::ActiveSpeaker { peer_id })
    }

    /// Each interval of the room's policy while somebody is heard, and once when nobody is.
    pub(super) fn tell_volumes(&mut self, now: Instant) {
        let AudioLevels { max_entries, threshold, interval } = self.args.record.policy.audio_levels;
        let interval = Duration::from_millis(interval.clamp(INTERVALS.0, INTERVALS.1).into());
        // A tick may be late, and the next one is then early.
        let due = self.volumes_told.is_none_or(|at| now + TICK / 2 >= at + interval);
        if !due {
            return;
        }
        self.volumes_told = Some(now);
        // Of a peer with several microphones one is named.
        let loud = self.floor.volumes(now, usize::MAX, threshold);
        let mut peer_volumes: Vec<PeerVolume> = Vec::new();
        for (producer, volume) in loud {
            let Some(peer_id) = self.peer_of(&producer) else { continue };
            // Of a peer's microphones the loudest, which comes first.
            if !peer_volumes.iter().any(|named| named.peer_id == peer_id) {
                peer_volumes.push(PeerVolume { peer_id, volume });
            }
        }
        peer_volumes.truncate(max_entries.clamp(1, MAX_VOLUMES).into());
        let told = std::mem::replace(&mut self.voices_told, !peer_volumes.is_empty());
        if told || self.voices_told {
            let event = if self.voices_told { Happened::Volumes } else { Happened::Silence };
            let (feed, room) = (&self.args.shared.feed, Some(&self.args.id));
            feed.tell_of_room(event, room, || match self.voices_told {
                true => json!({ "peerVolumes": peer_volumes }),
                false => Value::Null,
            });
            self.tell_all(&ServerNotification::SpeakingPeers { peer_volumes });
        }
    }

    fn after_floor(&mut self, outcome: Outcome) {
        if let Some(voices) = outcome.tell {
            for port in self.exchange.members().filter_map(|node| self.links.get(node)) {
                let (room, voices) = (self.args.id.clone(), voices.clone());
                port.link.send(LinkMessage::Voices { room, voices });
                self.args.shared.speakers.count_told();
            }
        }
        if outcome.changed {
            self.args.shared.speakers.count_change();
            let peer_id = self.active_speaker();
            let (feed, room) = (&self.args.shared.feed, Some(&self.args.id));
            feed.tell_of_room(Happened::DominantSpeaker, room, || json!({ "peerId": peer_id }));
            self.tell_speaker(peer_id.as_ref());
            self.tell_all(&ServerNotification::ActiveSpeaker { peer_id });
            self.show_all();
        }
    }

    fn peer_of(&self, producer: &ProducerId) -> Option<PeerId> {
        self.replica.producer(producer).map(|(owner, _)| owner.entry.id.clone())
    }
}
