//! Who gets how much of an estimate: a pure function (mediasoup `Transport.cpp`
//! `DistributeAvailableOutgoingBitrate`, and each consumer's `IncreaseLayer`). Audio is not here:
//! it is subtracted before, and always flows.
//!
//! Every video climbs a ladder of its layers. First all get their lowest step, in order of
//! priority; then, in rounds, each climbs as many steps as its priority is times the lowest one,
//! while there is room. mediasoup's rounds have as many steps as the priority is, so that of
//! several with 100 the first takes its highest layer before the next takes its second step; here
//! equals take turns, and twice the priority climbs twice as fast. A step that is held already
//! needs less room than a new one, so that what is near the limit stays what it is.

use starling_proto::rtp::ConsumerLayers;

/// Steps of a ladder: eight spatial layers of four temporal ones.
const STEPS: usize = 32;
/// Share of the budget that steps held already may fill: what is measured of them moves about.
const HELD: f64 = 1.05;
/// The same for the lowest step: a picture that comes and goes is worse than a poor one.
const HELD_BASE: f64 = 1.2;
/// The same for new steps.
const NEW: f64 = 0.95;

/// One step: layers, and bits per second of all that is forwarded with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Cumulative.
    pub bitrate: u32,
}

impl Step {
    fn rank(&self) -> (u8, u8) {
        (self.spatial, self.temporal)
    }
}

/// What a video can be forwarded at, from the lowest layers up to what is wished for.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    steps: [Step; STEPS],
    len: usize,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { steps: [Step::default(); STEPS], len: 0 }
    }
}

impl Ladder {
    /// The next step up. A layer that costs less than one below it counts as much.
    pub fn push(&mut self, spatial: u8, temporal: u8, bitrate: u64) {
        if self.len == STEPS {
            return;
        }
        let below = self.top().map_or(0, |top| top.bitrate);
        let bitrate = u32::try_from(bitrate).unwrap_or(u32::MAX).max(below);
        self.steps[self.len] = Step { spatial, temporal, bitrate };
        self.len += 1;
    }

    /// From the lowest up.
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.len]
    }

    /// The highest.
    pub fn top(&self) -> Option<&Step> {
        self.steps().last()
    }

    /// Takes away spatial layers above `spatial`, but never all.
    pub fn cap(&mut self, spatial: u8) {
        let kept = self.steps().iter().filter(|step| step.spatial <= spatial).count();
        let lowest = self.steps.first().map_or(0, |step| step.spatial);
        self.len = if kept > 0 {
            kept
        } else {
            self.steps().iter().filter(|step| step.spatial == lowest).count()
        };
    }
}

/// What one video consumer would take.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Up to its wish.
    pub ladder: Ladder,
    /// 1 to 255; mediasoup's default is 1.
    pub priority: u8,
    /// What it was granted last.
    pub held: Option<(u8, u8)>,
}

/// What one gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// The step of its ladder; nothing if not even the lowest fits.
    pub step: Option<usize>,
    /// The turn it climbed there.
    turn: u32,
}

/// Shares `budget` bits per second. `grants` are left as long as `demands`. Returns what is used.
pub fn allocate(budget: u64, demands: &[Demand], grants: &mut Vec<Granted>) -> u64 {
    grants.clear();
    grants.resize(demands.len(), Granted::default());
    let mut sharing = Sharing { budget: budget as f64, used: 0, turn: 0, demands, grants };
    // Equal priorities take turns in the order given: it does not change from one time to the next.
    for priority in levels(demands) {
        sharing.climb(priority);
    }
    let lowest = demands.iter().map(|demand| demand.priority).min().unwrap_or(1).max(1);
    let mut more = true;
    while std::mem::take(&mut more) {
        for priority in levels(demands) {
            for _ in 0..priority.div_ceil(lowest) {
                if !sharing.climb(priority) {
                    break;
                }
                more = true;
            }
        }
    }
    sharing.used
}

/// Priorities there are, from the highest down.
fn levels(demands: &[Demand]) -> impl Iterator<Item = u8> {
    let below = |level: Option<u8>| {
        let all = demands.iter().map(|demand| demand.priority);
        all.filter(|next| level.is_none_or(|level| *next < level)).max()
    };
    std::iter::successors(below(None), move |level| below(Some(*level)))
}

struct Sharing<'a> {
    budget: f64,
    used: u64,
    turn: u32,
    demands: &'a [Demand],
    grants: &'a mut Vec<Granted>,
}

impl Sharing<'_> {
    /// A turn: one step for each of that priority, those that hold theirs first. False if there
    /// was no room for any.
    fn climb(&mut self, priority: u8) -> bool {
        self.turn += 1;
        let held = self.climb_those(priority, true);
        self.climb_those(priority, false) || held
    }

    fn climb_those(&mut self, priority: u8, held: bool) -> bool {
        let mut climbed = false;
        for (index, demand) in self.demands.iter().enumerate() {
            let Granted { step, turn } = self.grants[index];
            if demand.priority != priority || turn == self.turn {
                continue;
            }
            let next = step.map_or(0, |step| step + 1);
            let Some(above) = demand.ladder.steps().get(next) else { continue };
            let holds = demand.held.is_some_and(|held| above.rank() <= held);
            if holds != held {
                continue;
            }
            let before = step.map_or(0, |step| demand.ladder.steps()[step].bitrate);
            let needed = u64::from(above.bitrate - before);
            let share = match (holds, next) {
                (true, 0) => HELD_BASE,
                (true, _) => HELD,
                (false, _) => NEW,
            };
            if (self.used + needed) as f64 <= self.budget * share {
                self.used += needed;
                self.grants[index] = Granted { step: Some(next), turn: self.turn };
                climbed = true;
            }
        }
        climbed
    }
}

/// Layers of a step, as consumers are told.
impl From<Step> for ConsumerLayers {
    fn from(step: Step) -> Self {
        Self { spatial_layer: step.spatial, temporal_layer: Some(step.temporal) }
    }
}

#[cfg(test)]
mod tests;
