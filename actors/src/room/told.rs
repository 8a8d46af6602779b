//! Which of a room's events this node tells of: what its own peers do, and of peers whose node is
//! gone that they left.

use starling_cluster::decide::roster::Fact;
use starling_proto::{NodeId, PeerId, ProducerId, rest::Happening, roster::ProducerEntry};

use super::RoomState;
use crate::node::is_first;

impl RoomState {
    fn tell_event(&self, what: Happening) {
        self.args.shared.journal.tell(what);
    }

    /// To be called before the fact is acted on, which forgets what ended.
    pub(super) fn tell_fact(&self, fact: &Fact) {
        let own = &self.args.shared.config.id;
        let room = || self.args.id.clone();
        match fact {
            Fact::PeerJoined { peer, node, display_name, .. } if node == own => {
                let (peer, node, display_name) = (peer.clone(), node.clone(), display_name.clone());
                self.tell_event(Happening::PeerJoined { room: room(), peer, node, display_name });
            }
            Fact::PeerMoved { peer, from, to } if to == own => {
                let (peer, from, to) = (peer.clone(), from.clone(), to.clone());
                self.tell_event(Happening::PeerMoved { room: room(), peer, from, to });
            }
            Fact::PeerLeft { peer, node } if node == own || self.speaks_for(node) => {
                let (peer, node) = (peer.clone(), node.clone());
                self.tell_event(Happening::PeerLeft { room: room(), peer, node });
            }
            Fact::ProducerAdded { peer, node, producer } if node == own => {
                self.tell_published(peer, producer, None);
            }
            Fact::ProducerReplaced { peer, node, old, producer } if node == own => {
                self.tell_published(peer, producer, Some(old.clone()));
            }
            Fact::ProducerClosed { peer, producer } if self.own.contains_key(producer) => {
                let (peer, producer) = (peer.clone(), producer.clone());
                self.tell_event(Happening::TrackUnpublished { room: room(), peer, producer });
            }
            Fact::ProducerPaused { peer, producer, paused } if self.own.contains_key(producer) => {
                let (room, peer, producer) = (room(), peer.clone(), producer.clone());
                self.tell_event(match paused {
                    true => Happening::TrackPaused { room, peer, producer },
                    false => Happening::TrackResumed { room, peer, producer },
                });
            }
            _ => {}
        }
    }

    /// That node is gone, and of the room's nodes that are left this one is the first.
    fn speaks_for(&self, node: &NodeId) -> bool {
        !self.links.contains_key(node) && self.is_first()
    }

    /// Of the nodes with peers of the room that there are links to.
    fn is_first(&self) -> bool {
        let linked = self.exchange.members().filter(|node| self.links.contains_key(*node));
        is_first(&self.args.shared.config.id, linked)
    }

    fn tell_published(&self, peer: &PeerId, entry: &ProducerEntry, replaces: Option<ProducerId>) {
        let codec = entry.consumable.0.codecs.first();
        self.tell_event(Happening::TrackPublished {
            room: self.args.id.clone(),
            peer: peer.clone(),
            node: self.args.shared.config.id.clone(),
            producer: entry.id.clone(),
            kind: entry.kind,
            source: entry.source.clone(),
            mime_type: codec.map(|codec| codec.mime_type.clone()).unwrap_or_default(),
            paused: entry.paused,
            replaces,
        });
    }

    /// The node of whoever has the floor tells; that nobody has it, the first.
    pub(super) fn tell_speaker(&self, speaker: Option<&PeerId>) {
        let own = &self.args.shared.config.id;
        let here = match speaker.and_then(|peer| self.replica.peer(peer)) {
            Some(view) => view.node == own,
            None => self.is_first(),
        };
        if here {
            let (room, peer) = (self.args.id.clone(), speaker.cloned());
            self.tell_event(Happening::SpeakerChanged { room, peer });
        }
    }

    /// By which way a producer comes here now, if it comes from another node.
    pub(super) fn tell_pipe(&mut self, producer: &ProducerId, now: Option<&NodeId>) {
        let before = match now {
            Some(node) => self.pipes.from.insert(producer.clone(), node.clone()),
            None => self.pipes.from.remove(producer),
        };
        if before.as_ref() == now {
            return;
        }
        let (to, producer) = (&self.args.shared.config.id, producer);
        let ids = || (self.args.id.clone(), producer.clone(), to.clone());
        if let Some(from) = before {
            let (room, producer, to) = ids();
            self.tell_event(Happening::PipeDown { room, producer, from, to });
        }
        if let Some(from) = now.cloned() {
            let (room, producer, to) = ids();
            self.tell_event(Happening::PipeUp { room, producer, from, to });
        }
    }
}
