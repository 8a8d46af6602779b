//! What a run consists of: machines, clients, and what happens when. A plan is data: a seed makes
//! one, JSON keeps one, and any action may be left out without making another one senseless.

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};
use starling_proto::link::{VERSION_MAX, VERSION_MIN};

use super::fault::Fault;

/// Clients come within this.
const ARRIVALS: u64 = 4_000;
/// Faults begin after this and end before [`HEAL`].
const TROUBLE: u64 = 5_000;
/// The least that etcd is slow for: in less, when no room opens or closes, nobody may ask it
/// anything. Leases are kept alive every third of their 5 s.
const SLOW_ETCD: u64 = 2_000;
/// Everything is mended.
pub const HEAL: u64 = 35_000;
/// How long after that all must be well: a client that gave up a node comes back after at most 4 s
/// of back-off and 4 s of a slow connection, a link is dialled again within 2 s and up within 3,
/// and a lost lease is noticed and taken again within 4.
pub const WELL: u64 = 15_000;
/// Then people are moved while nothing breaks, and it is looked at for so long who hears whom: a
/// room that is left by its last peer lingers for 3 s, and a tree is moved to 2 s after a change.
pub const CALM: u64 = 8_000;
/// Everybody leaves; then the longest memory of a peer is 15 s, and that of a room
/// without anybody 3 s of lingering, 5 s of a lease and 5 s until its record is tidied up.
pub const GONE: u64 = 35_000;

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Where it is.
    pub region: u8,
    /// How wrong its wall clock is, in microseconds.
    pub skew_us: i64,
    /// The newest link protocol that it speaks.
    pub speaks: u16,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientPlan {
    /// Which room.
    pub room: u8,
    /// Under which name; a clone has somebody else's.
    pub name: String,
    /// Publishes audio, or audio and video, or nothing.
    pub sources: u8,
    /// Milliseconds to any node.
    pub reach_ms: u64,
    /// It takes an id that somebody else has.
    pub clone: bool,
}

/// What a directed path does to datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weather {
    /// Share lost.
    pub loss: f64,
    /// Up to so many milliseconds late.
    pub jitter_ms: u64,
    /// Share that comes twice.
    pub duplicate: f64,
    /// Share that is overtaken.
    pub reorder: f64,
    /// Large ones are lost.
    pub hole: bool,
}

impl Weather {
    /// The kinds of faults it has.
    pub fn faults(&self) -> Vec<Fault> {
        let kinds = [
            (self.loss > 0.0, Fault::Loss),
            (self.jitter_ms > 0, Fault::Delay),
            (self.duplicate > 0.0, Fault::Duplication),
            (self.reorder > 0.0, Fault::Reordering),
            (self.hole, Fault::MtuHole),
        ];
        kinds.into_iter().filter(|(is, _)| *is).map(|(_, fault)| fault).collect()
    }

    /// How much of it a datagram meets.
    pub(super) fn share(&self, fault: Fault) -> f64 {
        match fault {
            Fault::Loss => self.loss,
            Fault::Duplication => self.duplicate,
            Fault::Reordering => self.reorder,
            _ => 0.0,
        }
    }
}

/// Something that happens to the cluster. Each that breaks something has one that mends it; mending
/// what is whole does nothing. Machines and people are named by their number.
#[allow(missing_docs, reason = "each field is a number of what the variant's sentence speaks of")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A client comes, through this node first.
    Join { client: usize, node: usize },
    /// It leaves.
    Leave { client: usize },
    /// It watches another layer.
    Layer { client: usize, layer: u8 },
    /// It ends a source and starts it again.
    Republish { client: usize, source: u8 },
    /// It is gone without a word.
    Vanish { client: usize },
    /// A process dies.
    Crash { node: usize },
    /// A machine dies.
    PowerLoss { node: usize },
    /// The process is started again.
    Restart { node: usize },
    /// SIGSTOP.
    Pause { node: usize },
    /// SIGCONT.
    Resume { node: usize },
    /// Takes no peers and sends its own away within so many milliseconds, or as fast as can be.
    Drain { node: usize, within_ms: u64, emergency: bool },
    /// Takes peers again.
    Undrain { node: usize },
    /// An operator sends a client to this node.
    Move { client: usize, node: usize },
    /// Nothing comes from one node to another.
    Cut { from: usize, to: usize },
    /// The way back of [`Action::Cut`].
    Mend { from: usize, to: usize },
    /// Nothing comes through between two nodes.
    Part { a: usize, b: usize },
    /// They find each other again.
    Unite { a: usize, b: usize },
    /// A node reaches nobody.
    Isolate { node: usize },
    /// It does again.
    Readmit { node: usize },
    /// A path's weather.
    Weather { from: usize, to: usize, weather: Weather },
    /// A node takes so many milliseconds longer for all it sends and hears; 0: it does not.
    Slow { node: usize, by_ms: u64 },
    /// A client loses the node it is on.
    CutClient { client: usize },
    /// It reaches all nodes.
    MendClient { client: usize },
    /// A node's wall clock jumps.
    ClockJump { node: usize, by_us: i64 },
    /// The registry is away.
    EtcdDown,
    /// It is back.
    EtcdUp,
    /// It is slow, or is not.
    EtcdSlow { slow: bool },
    /// A node does not reach it.
    EtcdCut { node: usize },
    /// It does.
    EtcdMend { node: usize },
    /// A backup is made.
    EtcdSave,
    /// The backup is put back.
    EtcdRestore,
    /// All is forgotten.
    EtcdWipe,
    /// What nobody needs any more is forgotten; who is behind needs it.
    EtcdCompact,
}

/// When, in milliseconds, and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Since the beginning.
    pub at: u64,
    /// What.
    pub action: Action,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of the plan, and of all chance during the run.
    pub seed: u64,
    /// Machines.
    pub nodes: Vec<NodePlan>,
    /// Nodes that one serves a producer to: few, so that a handful have relays.
    pub fan_out: usize,
    /// People.
    pub clients: Vec<ClientPlan>,
    /// In order of time.
    pub actions: Vec<Timed>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x5712_1176);
        let regions = rng.random_range(1..=3);
        let node = |rng: &mut SmallRng| NodePlan {
            region: rng.random_range(0..regions),
            skew_us: rng.random_range(-3_000_000..=3_000_000),
            speaks: VERSION_MAX,
        };
        let mut nodes: Vec<_> = (0..rng.random_range(3..=6)).map(|_| node(&mut rng)).collect();
        let rooms = rng.random_range(1..=3);
        let mut clients: Vec<_> = (0..rng.random_range(4..=12))
            .map(|at| ClientPlan {
                room: rng.random_range(0..rooms),
                name: format!("p{at}"),
                sources: rng.random_range(0..=2),
                reach_ms: rng.random_range(2..=40),
                clone: false,
            })
            .collect();
        let mut actions = Vec::new();
        for client in 0..clients.len() {
            let at = rng.random_range(500..ARRIVALS);
            let node = rng.random_range(0..nodes.len());
            actions.push(Timed { at, action: Action::Join { client, node } });
        }
        for _ in 0..rng.random_range(4..=14) {
            let at = rng.random_range(TROUBLE..HEAL);
            actions.push(Timed { at, action: wish(&mut rng, clients.len()) });
        }
        for _ in 0..rng.random_range(3..=10) {
            trouble(&mut rng, nodes.len(), clients.len(), &mut actions);
        }
        if rng.random_bool(0.3) {
            impostor(&mut rng, nodes.len(), &mut clients, &mut actions);
        }
        actions.push(Timed { at: TROUBLE, action: Action::EtcdSave });
        actions.sort_by_key(|timed| timed.at);
        let fan_out = rng.random_range(1..=3);
        // While a cluster is brought to a new release, some nodes have the old one.
        if rng.random_bool(0.2) {
            let old = rng.random_range(0..nodes.len());
            nodes[old].speaks = VERSION_MIN;
        }
        moves(&mut rng, nodes.len(), clients.len(), &mut actions);
        Self { seed, nodes, fan_out, clients, actions }
    }
}

/// People are moved one by one, right after each other.
fn moves(rng: &mut SmallRng, nodes: usize, clients: usize, actions: &mut Vec<Timed>) {
    let mut at = HEAL + WELL;
    for _ in 0..rng.random_range(1..=6) {
        at += rng.random_range(10..200);
        let (client, node) = (rng.random_range(0..clients), rng.random_range(0..nodes));
        actions.push(Timed { at, action: Action::Move { client, node } });
    }
}

/// What a client does of itself.
fn wish(rng: &mut SmallRng, clients: usize) -> Action {
    let client = rng.random_range(0..clients);
    match rng.random_range(0..10) {
        0..=4 => Action::Layer { client, layer: rng.random_range(0..3) },
        5..=7 => Action::Republish { client, source: rng.random_range(0..2) },
        8 => Action::Leave { client },
        _ => Action::Vanish { client },
    }
}

/// Something that breaks, and what mends it a while later.
fn trouble(rng: &mut SmallRng, nodes: usize, clients: usize, actions: &mut Vec<Timed>) {
    let start = rng.random_range(TROUBLE..HEAL - 4_000);
    // From a hiccup to longer than anybody waits.
    let lasting = *[1_500, 3_000, 6_000, 12_000, 20_000].choose(rng).expect("there are five");
    let end = (start + lasting).min(HEAL - 500);
    let node = rng.random_range(0..nodes);
    let (from, to) = (node, (node + rng.random_range(1..nodes)) % nodes);
    let client = rng.random_range(0..clients);
    let (broken, mended) = match rng.random_range(0..19) {
        0 => (Action::Crash { node }, Action::Restart { node }),
        1 => (Action::PowerLoss { node }, Action::Restart { node }),
        2 | 3 => (Action::Pause { node }, Action::Resume { node }),
        4 => {
            // Of two minds: now and then there is not enough time.
            let (within_ms, emergency) = (lasting * 2 / 3, start % 3 == 0);
            (Action::Drain { node, within_ms, emergency }, Action::Undrain { node })
        }
        5 => (Action::Cut { from, to }, Action::Mend { from, to }),
        6 => (Action::Part { a: from, b: to }, Action::Unite { a: from, b: to }),
        7 => (Action::Isolate { node }, Action::Readmit { node }),
        8..=10 => {
            let clear = Weather::default();
            let weather = weather(rng);
            (Action::Weather { from, to, weather }, Action::Weather { from, to, weather: clear })
        }
        11 => {
            let by_ms = rng.random_range(20..400);
            (Action::Slow { node, by_ms }, Action::Slow { node, by_ms: 0 })
        }
        12 => (Action::CutClient { client }, Action::MendClient { client }),
        13 => {
            let by_us = rng.random_range(-2_000_000..=2_000_000);
            (Action::ClockJump { node, by_us }, Action::ClockJump { node, by_us: -by_us })
        }
        14 => (Action::EtcdDown, Action::EtcdUp),
        15 => (Action::EtcdSlow { slow: true }, Action::EtcdSlow { slow: false }),
        16 => (Action::EtcdCut { node }, Action::EtcdMend { node }),
        17 => (Action::EtcdCompact, Action::EtcdCompact),
        _ if rng.random_bool(0.5) => (Action::EtcdWipe, Action::EtcdCompact),
        _ => (Action::EtcdRestore, Action::EtcdCompact),
    };
    let least = if matches!(broken, Action::EtcdSlow { .. }) { SLOW_ETCD } else { 0 };
    actions.push(Timed { at: start, action: broken });
    actions.push(Timed { at: end.max(start + least), action: mended });
}

fn weather(rng: &mut SmallRng) -> Weather {
    let mut some =
        |most: f64| if rng.random_bool(0.5) { rng.random_range(0.01..most) } else { 0.0 };
    let (loss, duplicate, reorder) = (some(0.3), some(0.3), some(0.3));
    let jitter_ms = if rng.random_bool(0.5) { rng.random_range(5..150) } else { 0 };
    let hole = rng.random_bool(0.3);
    Weather { loss, jitter_ms, duplicate, reorder, hole }
}

/// Somebody takes another's name, while two nodes do not hear each other.
fn impostor(
    rng: &mut SmallRng,
    nodes: usize,
    clients: &mut Vec<ClientPlan>,
    actions: &mut Vec<Timed>,
) {
    let of = clients[rng.random_range(0..clients.len())].clone();
    let client = clients.len();
    clients.push(ClientPlan { clone: true, reach_ms: rng.random_range(2..=40), ..of });
    let at = rng.random_range(TROUBLE..HEAL - 8_000);
    let node = rng.random_range(0..nodes);
    for other in (0..nodes).filter(|other| *other != node) {
        actions.push(Timed { at, action: Action::Part { a: node, b: other } });
        actions.push(Timed { at: at + 6_000, action: Action::Unite { a: node, b: other } });
    }
    actions.push(Timed { at: at + 2_000, action: Action::Join { client, node } });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_plan_and_json_keeps_it() {
        let plan = Plan::of(7);
        assert_eq!(plan, Plan::of(7));
        assert_ne!(plan, Plan::of(8));
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
