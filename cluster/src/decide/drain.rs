//! How a node empties itself: which of its clients are asked to move, when, and when it is over.
//! Pure: told who is still here, it says whom to ask now. Never names the node somebody goes to
//! (`placement`), and never sends.
//!
//! A client that was asked goes by itself, make before break, and is gone from the next list. One
//! that is still here after a while is asked again, for another node. Calm: the biggest rooms
//! first, because they take longest, and no faster than the other nodes take people in, unless the
//! deadline wants more. Emergency: everybody at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use starling_proto::{NodeId, PeerId, RoomId};

/// How often [`Drain::step`] is to be called: a tenth of what a move takes.
pub const STEP: Duration = Duration::from_millis(100);
/// Moves a second that each other node is given: a third of the joins that one core takes (150 a
/// second, DESIGN §10), so that those who come by themselves find the door open.
const PER_TARGET: f64 = 50.0;
/// Of the time until the deadline, the part in which all are to be asked: the rest is for those who
/// have to be asked twice.
const ASK_WITHIN: f64 = 0.5;
/// Seconds' worth of moves that may be asked for at once after a pause.
const BURST: f64 = 0.2;
/// Asked and still here, per other node: what it may be busy with at once.
const ON_THE_WAY: usize = 64;
/// Who is still here after this is asked again: a seat takes a second, and a client gives a node
/// that does not answer four.
const AGAIN: Duration = Duration::from_secs(6);
/// The same in an emergency, which ends within [`EMERGENCY`].
const AGAIN_EMERGENCY: Duration = Duration::from_secs(4);
/// How often somebody is asked. Who has not gone by then does not understand the message.
const TRIES: u32 = 4;
/// Joins a second that a node of one worker lets in (`joins_per_second`).
const ADMITTED: f64 = 100.0;
/// Longest spread of an emergency: there is time to ask the last of them again.
const SPREAD: Duration = Duration::from_secs(10);
/// Longest emergency: spot instances get 30 s, of which 5 are for the way out, and one is for who
/// is cut at its end to hear it within 25 s.
pub const EMERGENCY: Duration = Duration::from_secs(24);

/// Who is here, by room: clients that can be told to move.
pub type Here = BTreeMap<RoomId, BTreeSet<PeerId>>;

/// Ask this client to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where it is.
    pub room: RoomId,
    /// Who.
    pub peer: PeerId,
    /// Nodes that it was sent to before and did not get to.
    pub avoid: BTreeSet<NodeId>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Under way.
    Going,
    /// Nobody is here any more.
    Empty,
    /// The deadline has passed; whoever is here is to be cut.
    Late,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// These, in this order.
    pub ask: Vec<Ask>,
    /// Over how long they are to spread, each client at a time of its own.
    pub within: Duration,
    /// How far it is.
    pub stage: Stage,
}

/// Counts of a drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Clients seen here since it began.
    pub total: usize,
    /// Gone.
    pub moved: usize,
    /// Asked, and still here.
    pub on_the_way: usize,
    /// Asked more than once.
    pub retried: usize,
}

/// Somebody who was asked.
#[derive(Clone, Debug)]
struct Asked {
    at: Instant,
    tries: u32,
    sent_to: BTreeSet<NodeId>,
}

/// A drain under way.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Until then everybody is to have been asked once.
    ask_by: Instant,
    deadline: Instant,
    emergency: bool,
    /// Moves that may be asked for, and when that was counted.
    credit: f64,
    counted: Option<Instant>,
    asked: BTreeMap<(RoomId, PeerId), Asked>,
    seen: BTreeSet<(RoomId, PeerId)>,
    here: usize,
    retried: usize,
}

impl Drain {
    /// Begins now. An emergency ends after [`EMERGENCY`] at the latest.
    pub fn new(now: Instant, within: Duration, emergency: bool) -> Self {
        let within = if emergency { within.min(EMERGENCY) } else { within };
        Self {
            ask_by: now + within.mul_f64(ASK_WITHIN),
            deadline: now + within,
            emergency,
            credit: 0.0,
            counted: None,
            asked: BTreeMap::new(),
            seen: BTreeSet::new(),
            here: 0,
            retried: 0,
        }
    }

    /// When whoever is left is cut.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// `here` are the clients of this node, `others` is how many people and programs it has that
    /// cannot be asked, `targets` how many nodes there are to go to.
    pub fn step(&mut self, now: Instant, here: &Here, others: usize, targets: usize) -> Step {
        let of = |(room, peers): (&RoomId, &BTreeSet<PeerId>)| {
            peers.iter().map(|peer| (room.clone(), peer.clone())).collect::<Vec<_>>()
        };
        let all: BTreeSet<_> = here.iter().flat_map(of).collect();
        self.asked.retain(|who, _| all.contains(who));
        self.here = all.len();
        self.seen.extend(all);
        let ask = if targets == 0 { Vec::new() } else { self.choose(now, here, targets) };
        let within = if self.emergency { spread(ask.len(), targets) } else { Duration::ZERO };
        let stage = match self.here + others {
            0 => Stage::Empty,
            _ if now >= self.deadline => Stage::Late,
            _ => Stage::Going,
        };
        Step { ask, within, stage }
    }

    /// Somebody was asked to go to this node.
    pub fn sent(&mut self, ask: &Ask, to: NodeId) {
        if let Some(asked) = self.asked.get_mut(&(ask.room.clone(), ask.peer.clone())) {
            asked.sent_to.insert(to);
        }
    }

    /// Counts, as of the last step.
    pub fn progress(&self) -> Progress {
        let total = self.seen.len();
        Progress {
            total,
            moved: total.saturating_sub(self.here),
            on_the_way: self.asked.len(),
            retried: self.retried,
        }
    }

    fn choose(&mut self, now: Instant, here: &Here, targets: usize) -> Vec<Ask> {
        let mut rooms: Vec<_> = here.iter().collect();
        // Equals in the order of their names: the same on every try.
        rooms.sort_by_key(|(_, peers)| std::cmp::Reverse(peers.len()));
        let everybody =
            rooms.into_iter().flat_map(|(room, peers)| peers.iter().map(move |p| (room, p)));
        let due: Vec<_> = everybody.filter(|(room, peer)| self.is_due(now, room, peer)).collect();
        let most = self.most(now, due.len(), targets);
        due.into_iter().take(most).map(|(room, peer)| self.ask(now, room, peer)).collect()
    }

    fn is_due(&self, now: Instant, room: &RoomId, peer: &PeerId) -> bool {
        let again = if self.emergency { AGAIN_EMERGENCY } else { AGAIN };
        self.asked.get(&(room.clone(), peer.clone())).is_none_or(|asked| {
            asked.tries < TRIES && now.saturating_duration_since(asked.at) >= again
        })
    }

    /// How many may be asked now.
    fn most(&mut self, now: Instant, due: usize, targets: usize) -> usize {
        if self.emergency || now >= self.deadline {
            return due;
        }
        let time = self.ask_by.saturating_duration_since(now).max(STEP);
        let needed = due as f64 / time.as_secs_f64();
        let pace = (PER_TARGET * targets as f64).max(needed);
        let since = self.counted.map_or(STEP, |counted| now.saturating_duration_since(counted));
        self.counted = Some(now);
        self.credit = (self.credit + pace * since.as_secs_f64()).min((pace * BURST).max(1.0));
        let room = (ON_THE_WAY * targets).saturating_sub(self.asked.len());
        // A deadline that wants more than the others are given has it.
        let room = if needed > PER_TARGET * targets as f64 { due } else { room };
        let most = (self.credit as usize).min(room).min(due);
        self.credit -= most as f64;
        most
    }

    fn ask(&mut self, now: Instant, room: &RoomId, peer: &PeerId) -> Ask {
        let who = (room.clone(), peer.clone());
        let fresh = || Asked { at: now, tries: 0, sent_to: BTreeSet::new() };
        let asked = self.asked.entry(who).or_insert_with(fresh);
        (asked.at, asked.tries) = (now, asked.tries + 1);
        self.retried += usize::from(asked.tries == 2);
        Ask { room: room.clone(), peer: peer.clone(), avoid: asked.sent_to.clone() }
    }
}

/// What so many at once take if the others let them in as fast as they can.
fn spread(asked: usize, targets: usize) -> Duration {
    let seconds = asked as f64 / (ADMITTED * targets.max(1) as f64);
    Duration::from_secs_f64(seconds).min(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(sizes: &[(&str, usize)]) -> Here {
        let peers = |room: &str, n: usize| {
            (0..n).map(|i| format!("{room}-{i:03}").parse().unwrap()).collect::<BTreeSet<PeerId>>()
        };
        sizes.iter().map(|(room, n)| (room.parse().unwrap(), peers(room, *n))).collect()
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Everybody who is asked goes after `after`; how many were asked in each step.
    fn run(
        drain: &mut Drain,
        begin: Instant,
        mut here: Here,
        targets: usize,
        after: u64,
    ) -> (Vec<usize>, Stage) {
        let (mut asked, mut going) = (Vec::new(), Vec::new());
        for n in 0..10_000 {
            let now = begin + ms(100) * n;
            going.retain(|(at, ask): &(Instant, Ask)| {
                let stays = now < *at + ms(after);
                if !stays && let Some(peers) = here.get_mut(&ask.room) {
                    peers.remove(&ask.peer);
                }
                stays
            });
            let step = drain.step(now, &here, 0, targets);
            asked.push(step.ask.len());
            going.extend(step.ask.into_iter().map(|ask| (now, ask)));
            if step.stage != Stage::Going {
                return (asked, step.stage);
            }
        }
        (asked, Stage::Going)
    }

    #[test]
    fn the_biggest_rooms_go_first() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(60_000), false);
        let here = rooms(&[("a", 2), ("b", 9), ("c", 1)]);
        let asked = drain.step(begin, &here, 0, 10).ask;
        let order: Vec<_> = asked.iter().map(|ask| ask.room.to_string()).collect();
        assert_eq!(order, ["b", "b", "b", "b", "b", "b", "b", "b", "b", "a", "a", "c"]);
    }

    #[test]
    fn a_calm_drain_goes_no_faster_than_others_take_people_in() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(150_000), false);
        let (asked, stage) = run(&mut drain, begin, rooms(&[("a", 300), ("b", 300)]), 2, 700);
        assert_eq!(stage, Stage::Empty);
        assert!(asked.iter().all(|n| *n <= 20), "{asked:?}");
        // 600 at 100 a second, and the last one's move.
        assert!((60..80).contains(&asked.len()), "{} steps", asked.len());
        let done = Progress { total: 600, moved: 600, on_the_way: 0, retried: 0 };
        assert_eq!(drain.progress(), done);
    }

    #[test]
    fn a_near_deadline_wants_more() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(4_000), false);
        let (asked, stage) = run(&mut drain, begin, rooms(&[("a", 600)]), 1, 700);
        assert_eq!(stage, Stage::Empty);
        assert!(asked.len() < 35, "{} steps", asked.len());
    }

    #[test]
    fn an_emergency_asks_everybody_at_once_and_has_24_seconds() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(600_000), true);
        let here = rooms(&[("a", 500), ("b", 500)]);
        let step = drain.step(begin, &here, 0, 2);
        assert_eq!((step.ask.len(), step.within), (1_000, ms(5_000)));
        assert_eq!(drain.deadline(), begin + ms(24_000));
        assert_eq!(drain.step(begin + ms(24_000), &here, 0, 2).stage, Stage::Late);
    }

    #[test]
    fn who_does_not_go_is_asked_again_for_another_node_and_not_for_ever() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(600_000), false);
        let here = rooms(&[("a", 1)]);
        let mut avoided = Vec::new();
        for second in 0..60 {
            let now = begin + ms(1_000 * second);
            for ask in drain.step(now, &here, 0, 3).ask {
                drain.sent(&ask, format!("n{second}").parse().unwrap());
                avoided.push((second, ask.avoid.len()));
            }
        }
        assert_eq!(avoided, [(0, 0), (6, 1), (12, 2), (18, 3)]);
        assert_eq!(drain.progress().retried, 1);
    }

    #[test]
    fn nobody_is_asked_while_there_is_nowhere_to_go() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(1_000), false);
        let here = rooms(&[("a", 3)]);
        let step = |drain: &mut Drain, at, targets| drain.step(begin + ms(at), &here, 0, targets);
        let nothing = Step { ask: vec![], within: Duration::ZERO, stage: Stage::Going };
        assert_eq!(step(&mut drain, 0, 0), nothing);
        assert_eq!(step(&mut drain, 100, 1).ask.len(), 3);
        assert_eq!(step(&mut drain, 1_000, 1).stage, Stage::Late);
    }

    #[test]
    fn programs_hold_it_until_the_deadline() {
        let begin = Instant::now();
        let mut drain = Drain::new(begin, ms(1_000), false);
        assert_eq!(drain.step(begin, &Here::new(), 1, 1).stage, Stage::Going);
        assert_eq!(drain.step(begin + ms(500), &Here::new(), 0, 1).stage, Stage::Empty);
    }
}
