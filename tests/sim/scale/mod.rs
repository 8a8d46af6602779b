//! A cluster of a thousand nodes with a million people in a hundred thousand rooms: what decisions
//! cost, what joins write to the registry, how many links there are and how many are needed, how
//! much a node has to remember, and how evenly people are spread. The decisions are the product's;
//! nothing is sent.
//!
//! One view is held, not a thousand: what a view has of the registry is the same on every node. It
//! answers all joins, so it hears of all of them, as every node does, and decides a thousand times
//! as often as one would. What differs from node to node, who has heard of which placement, is in
//! `crowd`.

mod cluster;
mod crowd;
mod memory;
mod report;
mod watching;

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use starling_cluster::link::peers::Peers;

use self::cluster::Cluster;
pub use self::{report::Report, watching::Watching};

/// Regions of the cluster.
const REGIONS: usize = 5;
/// Joins a second of the whole cluster: a million within two minutes.
const JOINS_PER_SECOND: u64 = 10_000;
/// `actors::limits::LOAD_EVERY`.
const LOAD_EVERY: Duration = Duration::from_millis(500);
/// A person's share of a node that could take 2,000.
const STRESS: f32 = 1.0 / 2_000.0;
/// One join of so many is timed to its end, standby list and all.
const JOINS_PER_ANSWER: usize = 10;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Rooms.
    pub rooms: usize,
    /// People.
    pub peers: usize,
}

impl Size {
    /// The goal's.
    pub const FULL: Self = Self { nodes: 1_000, rooms: 100_000, peers: 1_000_000 };
}

/// Who joins what, from where: the same for the same seed.
struct Joins {
    rng: SmallRng,
    size: Size,
    skew: i32,
    at: usize,
}

impl Joins {
    /// With a skew of 1 all rooms are alike, with 2 the largest has a third of a percent of all
    /// people.
    fn new(size: Size, skew: i32) -> Self {
        Self { rng: SmallRng::seed_from_u64(1), size, skew, at: 0 }
    }
}

impl Iterator for Joins {
    /// A room and a region.
    type Item = (usize, usize);

    /// Every room gets somebody; the rest make some larger than others.
    fn next(&mut self) -> Option<(usize, usize)> {
        let Size { rooms, peers, .. } = self.size;
        let at = self.at;
        if at >= peers {
            return None;
        }
        self.at += 1;
        let skewed = (self.rng.random::<f64>().powi(self.skew) * rooms as f64) as usize;
        let room = if at < rooms { at } else { skewed.min(rooms - 1) };
        let near = room % REGIONS;
        let stays = self.rng.random_bool(0.8);
        Some((room, if stays { near } else { self.rng.random_range(0..REGIONS) }))
    }
}

/// Measures.
pub fn run(size: Size) -> Report {
    let begun = Instant::now();
    let mut cluster = Cluster::new(size);
    let mut report = Report::new(size);
    let step = Duration::from_micros(1_000_000 / JOINS_PER_SECOND);
    let mut told = cluster.now;
    for (at, (room, region)) in Joins::new(size, 2).enumerate() {
        cluster.now += step;
        if cluster.now >= told + LOAD_EVERY {
            told = cluster.now;
            cluster.tell();
        }
        let join = Instant::now();
        let (node, placed) = cluster.place(room, region);
        report.placements.push(placed);
        if at % JOINS_PER_ANSWER == 0 {
            cluster.answer(room, node);
            report.answers.push(join.elapsed());
        }
        let known = cluster.has(room, node);
        let written = cluster.seat(room, node, &mut report.changes);
        report.writes[written.min(3)] += 1;
        report.writes_of_others += if known { written as u64 } else { 0 };
    }
    report.fullest = cluster.fullest();
    report.spread = cluster.spread();
    report.links = cluster.links();
    report.dialling = dialling(&cluster);
    report.watching = watching::watch(&cluster.nodes);
    // In this order: what the larger one leaves behind is not given back.
    let rosters = memory::of(|| cluster.rosters());
    report.memory = (memory::of(|| cluster.replica()), rosters);
    drop(cluster);
    report.crowded = [1, 10].map(|of| crowd::crowded(size, of));
    report.peak = memory::peak();
    report.took = begun.elapsed();
    report.sort();
    report
}

/// A node that has just started is told of all others.
fn dialling(cluster: &Cluster) -> Duration {
    let mut peers = Peers::new(cluster.nodes[0].clone());
    let begun = Instant::now();
    let _ = peers.set_targets(cluster.now, cluster.view.targets());
    while peers.poll_dial(cluster.now).is_some() {}
    begun.elapsed()
}
