//! Which node is tried next, and when. A node that failed is left alone for a while, one that named
//! a time until then; nobody is asked in step with all the others.

use std::time::{Duration, Instant};

/// Between two nodes of a round, at most: who was turned away together does not come together.
pub(super) const STEP: Duration = Duration::from_millis(100);
/// The pause after the first round over all nodes; it doubles up to [`PAUSE_MAX`], and half of it
/// is left to chance (Brooker 2015, "Exponential backoff and jitter").
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// See [`PAUSE`]: a person waits for it.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(4);
/// A node that failed is not tried while there is another, for so long: as a node takes to be
/// started anew and to be believed.
pub(super) const SHUN: Duration = Duration::from_secs(30);
/// Redirects of a round that are followed: nodes whose views differ send clients around.
pub(super) const REDIRECTS: u32 = 4;
/// Nodes of which something is remembered, and which are tried: a room's node and its standbys,
/// many times over.
pub(super) const KNOWN: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    urls: Vec<String>,
    tried: Vec<String>,
    round: u32,
    redirects: u32,
    known: Vec<Known>,
}

/// What is remembered of a node.
#[derive(Clone, Debug)]
struct Known {
    url: String,
    /// It failed: until then others come first.
    shunned: Option<Instant>,
    /// It said so itself: not before.
    busy: Option<Instant>,
}

impl Route {
    /// A new list, best first.
    pub(super) fn begin(&mut self, urls: Vec<String>) {
        self.urls.clear();
        self.tried.clear();
        self.redirects = 0;
        self.extend(urls);
    }

    /// More nodes, after those of the list.
    pub(super) fn extend(&mut self, urls: Vec<String>) {
        for url in urls {
            if !url.is_empty() && !self.urls.contains(&url) && self.urls.len() < KNOWN {
                self.urls.push(url);
            }
        }
    }

    /// A node named better ones.
    pub(super) fn redirect(&mut self, nodes: Vec<String>) {
        if nodes.is_empty() || self.redirects >= REDIRECTS {
            return;
        }
        self.redirects += 1;
        self.tried.retain(|url| !nodes.contains(url));
        let rest = std::mem::take(&mut self.urls);
        self.extend(nodes);
        self.extend(rest);
    }

    pub(super) fn failed(&mut self, now: Instant, url: &str) {
        self.known(url).shunned = Some(now + SHUN);
    }

    pub(super) fn refused(&mut self, url: &str, until: Instant) {
        self.known(url).busy = Some(until);
    }

    /// A node that lives vouches for these, whatever they did before.
    pub(super) fn trust(&mut self, urls: &[String]) {
        let named = self.known.iter_mut().filter(|known| urls.contains(&known.url));
        named.for_each(|known| known.shunned = None);
    }

    /// It may be tried again in this round.
    pub(super) fn untry(&mut self, url: &str) {
        self.tried.retain(|tried| tried != url);
    }

    /// All is well: the next failure is a first one.
    pub(super) fn rest(&mut self) {
        self.round = 0;
    }

    /// What was found did not last: as if a round had found nobody.
    pub(super) fn tire(&mut self) {
        self.round = self.round.saturating_add(1);
    }

    /// Rounds over all nodes that found nobody.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// The node to try now.
    pub(super) fn pick(&mut self, now: Instant) -> Option<String> {
        let url = self.untried(now).find(|url| self.busy(url) <= Some(now))?.clone();
        self.tried.push(url.clone());
        Some(url)
    }

    /// When to try the first node of a new list.
    pub(super) fn first(&self, now: Instant, told: bool, random: f64) -> Instant {
        match (self.round, told) {
            (0, false) => now,
            (0, true) => now + STEP.mul_f64(random),
            _ => now + pause(self.round, random),
        }
    }

    /// When to try the next one: soon, or after a pause if the round is over.
    pub(super) fn when(&mut self, now: Instant, random: f64) -> Instant {
        if self.untried(now).any(|url| self.busy(url) <= Some(now)) {
            return now + STEP.mul_f64(random);
        }
        self.tried.clear();
        self.redirects = 0;
        self.tire();
        let free = self.untried(now).filter_map(|url| self.busy(url)).min();
        // Who is told the same time does not come at the same time.
        let free = free.filter(|_| self.untried(now).all(|url| self.busy(url) > Some(now)));
        let free = free.map(|at| at + at.saturating_duration_since(now).mul_f64(random / 2.0));
        free.unwrap_or(now).max(now + pause(self.round, random))
    }

    /// Those of the list that come into question: not tried yet, and not shunned unless all are.
    fn untried(&self, now: Instant) -> impl Iterator<Item = &String> {
        let shunned = move |url: &String| self.of(url).and_then(|it| it.shunned) > Some(now);
        let all = self.urls.iter().all(shunned);
        self.urls
            .iter()
            .filter(move |url| all || !shunned(url))
            .filter(|url| !self.tried.contains(url))
    }

    fn busy(&self, url: &str) -> Option<Instant> {
        self.of(url).and_then(|known| known.busy)
    }

    fn of(&self, url: &str) -> Option<&Known> {
        self.known.iter().find(|known| known.url == url)
    }

    /// The newest is the last; the oldest is forgotten.
    fn known(&mut self, url: &str) -> &mut Known {
        let known = match self.known.iter().position(|known| known.url == url) {
            Some(at) => self.known.remove(at),
            None => Known { url: url.to_owned(), shunned: None, busy: None },
        };
        if self.known.len() >= KNOWN {
            self.known.remove(0);
        }
        self.known.push(known);
        self.known.last_mut().expect("it was just pushed")
    }
}

fn pause(round: u32, random: f64) -> Duration {
    let doubled = PAUSE * 2_u32.pow(round.saturating_sub(1).min(8));
    let most = doubled.min(PAUSE_MAX);
    most / 2 + (most / 2).mul_f64(random)
}
