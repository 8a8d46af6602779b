//! When what a consumer gets is bad, and when it is good again: between the two bounds it is as it
//! was, so that nobody is told every second.

use serde_json::Value;
use starling_proto::{ConsumerId, rest::Happening};

use super::PeerState;

/// Scores are 0 to 10, ten being a stream without a loss (mediasoup's `RtpStreamSend`). Below this
/// half of what is sent is lost or sent again.
const BAD: u8 = 5;
/// From this on it is fine.
const GOOD: u8 = 7;

/// Whether what a consumer gets is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quality {
    bad: bool,
}

impl Quality {
    /// Takes a score in; says what has become of it, if that is another than before.
    fn note(&mut self, score: u8) -> Option<Turn> {
        let turn = match self.bad {
            false if score < BAD => Turn::Bad,
            true if score >= GOOD => Turn::Good,
            _ => return None,
        };
        self.bad = turn == Turn::Bad;
        Some(turn)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Bad,
    Good,
}

impl PeerState {
    /// A consumer's `{score, …}`.
    pub(super) fn note_score(&mut self, id: &ConsumerId, told: &Value) {
        let score = told["score"].as_u64().and_then(|score| u8::try_from(score).ok());
        let (Some(score), Some(of)) = (score, self.consumers.get_mut(id)) else { return };
        let Some(turn) = of.quality.note(score) else { return };
        let (room, peer) = (self.args.room_id.clone(), self.args.id.clone());
        let (consumer, producer) = (id.clone(), of.producer.clone());
        self.args.shared.journal.tell(match turn {
            Turn::Bad => Happening::SubscriberDegraded { room, peer, consumer, producer, score },
            Turn::Good => Happening::SubscriberRecovered { room, peer, consumer, producer, score },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_is_told_once_and_nothing_between_the_bounds() {
        let mut quality = Quality::default();
        let told = [10, 5, 4, 3, 5, 6, 7, 6, 5, 4].map(|score| quality.note(score));
        let (bad, good) = (Some(Turn::Bad), Some(Turn::Good));
        assert_eq!(told, [None, None, bad, None, None, None, good, None, None, bad]);
    }
}
