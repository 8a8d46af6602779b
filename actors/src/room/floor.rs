//! Who speaks in the room: `cluster::decide::floor` decides, here the nodes and peers are told.

use std::time::Instant;

use starling_cluster::decide::floor::Outcome;
use starling_proto::{
    NodeId, PeerId, ProducerId,
    link::LinkMessage,
    signal::{PeerVolume, ServerNotification},
    voice::Voices,
};

use super::{Heard, RoomState};

/// Peers named in one `speakingPeers`: those a person could tell apart, twice over.
const MAX_VOLUMES: usize = 16;
/// Quieter ones are not named, in dBov: mediasoup's threshold of an AudioLevelObserver.
const THRESHOLD: i8 = -80;

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

    /// Once a second while somebody is heard, and once when nobody is.
    pub(super) fn tell_volumes(&mut self, now: Instant) {
        let loud = self.floor.volumes(now, MAX_VOLUMES, THRESHOLD);
        let mut peer_volumes: Vec<PeerVolume> = Vec::new();
        for (producer, volume) in loud {
            let Some(peer_id) = self.peer_of(&producer) else { continue };
            // Of a peer's microphones the loudest, which comes first.
            if !peer_volumes.iter().any(|named| named.peer_id == peer_id) {
                peer_volumes.push(PeerVolume { peer_id, volume });
            }
        }
        let told = std::mem::replace(&mut self.voices_told, !peer_volumes.is_empty());
        if told || self.voices_told {
            self.tell_all(&ServerNotification::SpeakingPeers { peer_volumes });
        }
    }

    fn after_floor(&mut self, outcome: Outcome) {
        if let Some(voices) = outcome.tell {
            for port in self.members.iter().filter_map(|node| self.links.get(node)) {
                let (room, voices) = (self.args.id.clone(), voices.clone());
                port.link.send(LinkMessage::Voices { room, voices });
                self.args.shared.speakers.count_told();
            }
        }
        if outcome.changed {
            self.args.shared.speakers.count_change();
            let peer_id = self.active_speaker();
            self.tell_all(&ServerNotification::ActiveSpeaker { peer_id });
            self.show_all();
        }
    }

    fn peer_of(&self, producer: &ProducerId) -> Option<PeerId> {
        self.replica.producer(producer).map(|(owner, _)| owner.entry.id.clone())
    }
}
