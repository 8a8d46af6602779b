//! When a recording ends, and what of its tracks goes on. Pure.

use std::time::{Duration, Instant};

use starling_proto::{ConsumerId, ProducerId, rest::DrainStage};

/// A room in which nobody has been for so long is over. Longer than a client takes to come back
/// from a node that died.
const EMPTY: Duration = Duration::from_secs(10);
/// As long may it take until the first comes: whoever records a meeting begins a little early.
const WAITS: Duration = Duration::from_secs(600);

/// How a recording ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Ended(&'static str),
    /// As it should not.
    Failed(String),
}

/// What there is to judge by.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// When it began.
    pub(super) began: Instant,
    /// How long it may take.
    pub(super) longest: Duration,
    /// When somebody else was last in the room, once somebody was.
    pub(super) somebody: Option<Instant>,
    /// The room has its peer, which an operator may remove.
    pub(super) has_peer: bool,
    /// How far the node is with leaving.
    pub(super) stage: DrainStage,
    /// What all recordings of this node take, and may take.
    pub(super) bytes: (u64, u64),
}

/// Whether it is over.
pub(super) fn judge(now: Instant, seen: &Seen) -> Option<End> {
    let Seen { began, longest, somebody, has_peer, stage, bytes: (used, most) } = seen;
    if !has_peer {
        return Some(End::Ended("its peer was removed, or the room was deleted"));
    }
    let alone = match somebody {
        Some(last) => now.duration_since(*last) >= EMPTY,
        None => now.duration_since(*began) >= WAITS,
    };
    if alone {
        return Some(End::Ended("nobody is in the room any more"));
    }
    if now.duration_since(*began) >= *longest {
        return Some(End::Ended("it was to be no longer"));
    }
    if !matches!(stage, DrainStage::Up | DrainStage::Cordoned) {
        return Some(End::Ended("the node leaves: begin another on another node"));
    }
    if used >= most {
        return Some(End::Failed(format!(
            "the recordings of this node take {used} bytes, and recordings_max_mb allows {most}"
        )));
    }
    None
}

/// What a track that is recorded gets now: the producer that its consumer is of, which may be the
/// successor of the one that it began with; nothing, if the consumer has ended.
pub(super) fn now_of<'a>(
    consumer: &ConsumerId,
    consumers: &'a [(ConsumerId, ProducerId)],
) -> Option<&'a ProducerId> {
    consumers.iter().find(|(id, _)| id == consumer).map(|(_, producer)| producer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(now: Instant) -> Seen {
        Seen {
            began: now,
            longest: Duration::from_secs(60),
            somebody: Some(now),
            has_peer: true,
            stage: DrainStage::Up,
            bytes: (0, 10),
        }
    }

    #[test]
    fn it_goes_on_until_there_is_a_reason() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(judge(now, &seen(now)), None);
        assert_eq!(judge(at(9), &seen(now)), None);
        assert!(
            matches!(judge(at(10), &seen(now)), Some(End::Ended(why)) if why.contains("nobody"))
        );
        let people = Seen { somebody: Some(at(59)), ..seen(now) };
        assert_eq!(judge(at(59), &people), None);
        assert!(matches!(judge(at(60), &people), Some(End::Ended(why)) if why.contains("longer")));
        let nobody = Seen { somebody: None, longest: Duration::from_secs(900), ..seen(now) };
        assert_eq!(judge(at(599), &nobody), None, "people are a little late");
        assert!(matches!(judge(at(600), &nobody), Some(End::Ended(_))));
        let gone = Seen { has_peer: false, ..seen(now) };
        assert!(matches!(judge(now, &gone), Some(End::Ended(_))));
        let cordoned = Seen { stage: DrainStage::Cordoned, ..seen(now) };
        assert_eq!(judge(now, &cordoned), None);
        let leaves = Seen { stage: DrainStage::Draining, ..seen(now) };
        assert!(matches!(judge(now, &leaves), Some(End::Ended(why)) if why.contains("leaves")));
        let full = Seen { bytes: (10, 10), ..seen(now) };
        assert!(matches!(judge(now, &full), Some(End::Failed(why)) if why.contains("10 bytes")));
    }

    #[test]
    fn a_track_follows_its_consumer() {
        let id = |text: &str| text.parse().unwrap();
        let (c, p): (ConsumerId, ProducerId) = (id("c"), "p2".parse().unwrap());
        let all = [(c.clone(), p.clone())];
        assert_eq!(now_of(&c, &all), Some(&p));
        assert_eq!(now_of(&id("d"), &all), None);
    }
}
