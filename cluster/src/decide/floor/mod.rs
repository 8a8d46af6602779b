//! Who has the floor in a room that spans nodes. Each node measures its own microphones and tells
//! the others what it hears; the floor is taken by the node whose microphone wins the contest, and
//! the latest taking is true everywhere. Never reads a clock, never sends.
//!
//! ```text
//! hear (own microphones) ─→ contest with who has it ─→ turn + 1, told ─→ told() of the others
//! ```
//!
//! Only a challenger's own node can take the floor for it, so that no two nodes hold different
//! opinions and stay silent about them: who takes, speaks, and what is said has the turn with it.

mod contest;
#[cfg(test)]
mod convergence;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contest::Scores;
use starling_proto::{
    NodeId, ProducerId,
    voice::{MAX_VOICES, Speech, Turn, Voice, Voices},
};

/// Least time between two messages of a room, unless the floor is taken: planes measure three times
/// a second, and a node may have several.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// What was not said again for so long is silence: three of a plane's intervals, a link's jitter.
const STALE: Duration = Duration::from_millis(1_200);
/// Speakers remembered: as many as anybody shows at once.
const SPOKE: usize = 64;
/// Voices of another node kept, and of this one: those of a room of 300 that all talk at once.
const MAX_HEARD: usize = 512;

/// What a call leaves to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "the room's nodes and peers are to be told"]
pub struct Outcome {
    /// Somebody else has the floor now, or nobody.
    pub changed: bool,
    /// For the room's other nodes.
    pub tell: Option<Voices>,
}

#[derive(Clone, Debug)]
struct Heard {
    voice: Voice,
    /// Another node's, or this one's.
    node: Option<NodeId>,
    at: Instant,
}

/// See the module. One per room and node.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    heard: BTreeMap<ProducerId, Heard>,
    turn: Option<Turn>,
    /// The highest count seen, also when nobody has the floor.
    count: u64,
    /// Who had it, newest first, each once.
    spoke: Vec<ProducerId>,
    told_at: Option<Instant>,
    /// The last message had voices in it.
    told_voices: bool,
}

impl Floor {
    /// Who has the floor.
    pub fn speaker(&self) -> Option<&ProducerId> {
        self.turn.as_ref().map(|turn| &turn.producer)
    }

    /// Who had it, newest first.
    pub fn recent(&self) -> &[ProducerId] {
        &self.spoke
    }

    /// What is heard in the whole room, loudest first: no more than `most`, at least `threshold`
    /// dBov loud (mediasoup's AudioLevelObserver).
    pub fn volumes(&self, now: Instant, most: usize, threshold: i8) -> Vec<(ProducerId, i8)> {
        let fresh = self.heard.values().filter(|heard| !is_stale(now, heard));
        let loud = fresh.filter(|heard| heard.voice.volume >= threshold);
        let mut all: Vec<_> =
            loud.map(|heard| (heard.voice.producer.clone(), heard.voice.volume)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(most);
        all
    }

    /// Own microphones, as just measured; those in `silent` have fallen silent.
    pub fn hear(&mut self, now: Instant, voices: Vec<Voice>, silent: &[ProducerId]) -> Outcome {
        for producer in silent {
            self.heard.remove(producer);
        }
        self.keep(now, None, voices);
        let changed = self.contend(now);
        Outcome { changed, tell: self.tell(now, changed) }
    }

    /// What another node says of its microphones and of the floor.
    pub fn told(&mut self, now: Instant, node: &NodeId, said: Voices) -> Outcome {
        self.heard.retain(|_, heard| heard.node.as_ref() != Some(node));
        let voices = said.voices.into_iter().take(MAX_VOICES).collect();
        self.keep(now, Some(node.clone()), voices);
        let changed = said.turn.is_some_and(|turn| self.adopt(turn));
        Outcome { changed, tell: None }
    }

    /// A producer ended: it has the floor no more.
    pub fn forget(&mut self, producer: &ProducerId) -> Outcome {
        self.heard.remove(producer);
        self.spoke.retain(|spoke| spoke != producer);
        let had = self.speaker() == Some(producer);
        if had {
            self.turn = None;
        }
        Outcome { changed: had, tell: None }
    }

    /// A producer goes on under another id: what it had it keeps.
    pub fn rename(&mut self, old: &ProducerId, new: &ProducerId) {
        self.heard.remove(old);
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.producer == *old) {
            turn.producer = new.clone();
        }
        for spoke in self.spoke.iter_mut().filter(|spoke| *spoke == old) {
            spoke.clone_from(new);
        }
    }

    /// A node is out of reach, or has left the room: what it said is over.
    pub fn lose(&mut self, node: &NodeId) {
        self.heard.retain(|_, heard| heard.node.as_ref() != Some(node));
    }

    /// For a node that has just come.
    pub fn greeting(&self) -> Option<Voices> {
        let turn = self.turn.clone()?;
        Some(Voices { voices: Vec::new(), turn: Some(turn) })
    }

    fn keep(&mut self, now: Instant, node: Option<NodeId>, voices: Vec<Voice>) {
        if self.heard.len() >= MAX_HEARD {
            self.heard.retain(|_, heard| !is_stale(now, heard));
        }
        for voice in voices {
            if self.heard.len() >= MAX_HEARD && !self.heard.contains_key(&voice.producer) {
                return;
            }
            let heard = Heard { node: node.clone(), at: now, voice };
            self.heard.insert(heard.voice.producer.clone(), heard);
        }
    }

    /// The best of this node's microphones takes the floor, if it wins against who has it.
    fn contend(&mut self, now: Instant) -> bool {
        let holder = self.speaker();
        let speech = holder.and_then(|holder| self.heard.get(holder));
        let speech = speech.filter(|heard| !is_stale(now, heard)).map(|heard| heard.voice.speech);
        let holder_scores = Scores::new(speech.unwrap_or_default());
        let challengers = self.heard.values().filter(|heard| {
            let own = heard.node.is_none() && !is_stale(now, heard);
            own && Some(&heard.voice.producer) != holder
        });
        let best = challengers
            .filter_map(|heard| {
                let margin = Scores::new(heard.voice.speech).wins(holder_scores)?;
                Some((margin, &heard.voice.producer))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
        let Some((_, winner)) = best else { return false };
        let turn = Turn { count: self.count + 1, producer: winner.clone() };
        self.adopt(turn)
    }

    /// Takes over a turn that is newer than the one known. True if the speaker is another.
    fn adopt(&mut self, turn: Turn) -> bool {
        // A count that leaps to the end would hold the floor for ever.
        let leap = turn.count > self.count.saturating_add(u64::from(u32::MAX));
        let newer = match &self.turn {
            Some(known) => turn > *known,
            None => turn.count > self.count,
        };
        if leap || !newer {
            return false;
        }
        self.count = turn.count;
        self.spoke.retain(|spoke| *spoke != turn.producer);
        self.spoke.insert(0, turn.producer.clone());
        self.spoke.truncate(SPOKE);
        let before = self.turn.replace(turn);
        before.map(|turn| turn.producer).as_ref() != self.speaker()
    }

    /// At most four times a second while somebody is heard, and once more when nobody is.
    fn tell(&mut self, now: Instant, changed: bool) -> Option<Voices> {
        let early = self.told_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_EVERY);
        if early && !changed {
            return None;
        }
        let own = self.heard.values().filter(|heard| heard.node.is_none());
        let fresh = own.filter(|heard| !is_stale(now, heard)).map(|heard| &heard.voice);
        let mut voices: Vec<_> =
            fresh.filter(|voice| voice.speech != Speech::default()).cloned().collect();
        voices.sort_by(|a, b| b.volume.cmp(&a.volume).then_with(|| a.producer.cmp(&b.producer)));
        voices.truncate(MAX_VOICES);
        let told = std::mem::replace(&mut self.told_voices, !voices.is_empty());
        if voices.is_empty() && !told && !changed {
            return None;
        }
        self.told_at = Some(now);
        Some(Voices { voices, turn: self.turn.clone() })
    }
}

fn is_stale(now: Instant, heard: &Heard) -> bool {
    now.saturating_duration_since(heard.at) >= STALE
}
