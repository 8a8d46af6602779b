//! No cause writes more than ten lines a second, whatever is done to a node (T-X04 of the attack
//! list): the rest is counted, and told in a line of its own a second later. A cause is a place in
//! the code, so there are only so many. Never does: choose what is logged.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Event, Metadata, callsite::Identifier};
use tracing_subscriber::layer::{Context, Filter};

/// Lines of a cause in a second: enough to see what happens and to whom, and a flood of all causes
/// there are is still a few megabytes an hour.
const LINES: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);
/// What lines about held-back lines are logged as.
const TARGET: &str = "starling_node::logs::held_back";
/// What changes by people with a token are logged as, each of them.
pub(crate) const AUDIT: &str = "audit";
/// Lines of the cluster's events, for those who ask for them.
pub(crate) const EVENTS: &str = "events";

/// What a cause may still write. Pure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Budget {
    /// When the second began, by a clock of the limit's own.
    since: Duration,
    lines: u32,
    held: u64,
}

impl Budget {
    fn admit(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.since) >= SECOND {
            (self.since, self.lines) = (now, 0);
        }
        let admitted = self.lines < LINES;
        if admitted {
            self.lines += 1;
        } else {
            self.held += 1;
        }
        admitted
    }
}

/// The limit of a process. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    causes: Mutex<Causes>,
    /// Something was held back.
    held: Condvar,
}

#[derive(Debug, Default)]
struct Causes {
    budgets: HashMap<Identifier, (&'static Metadata<'static>, Budget)>,
    /// Of these some have something held back.
    held: bool,
}

impl Limit {
    pub(super) fn new() -> Self {
        let inner = Inner { start: Instant::now(), causes: Mutex::default(), held: Condvar::new() };
        Self(Arc::new(inner))
    }

    /// Tells what was held back, in a thread that sleeps while nothing is.
    pub(super) fn tell(&self) {
        let limit = self.clone();
        let told = std::thread::Builder::new().name("log-limit".into()).spawn(move || {
            loop {
                limit.wait();
                std::thread::sleep(SECOND);
                for (place, held) in limit.take() {
                    let (of, line) = (place.target(), place.line().unwrap_or_default());
                    tracing::warn!(target: TARGET, held, of, line, "lines were held back");
                }
            }
        });
        if let Err(error) = told {
            tracing::warn!(%error, "lines that are held back are not told of");
        }
    }

    fn wait(&self) {
        let held = self.0.held.wait_while(self.causes(), |causes| !causes.held);
        drop(held.unwrap_or_else(PoisonError::into_inner));
    }

    /// What was held back since the last call, and where.
    fn take(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut causes = self.causes();
        causes.held = false;
        let held = causes.budgets.values_mut().filter(|(_, budget)| budget.held > 0);
        held.map(|(place, budget)| (*place, std::mem::take(&mut budget.held))).collect()
    }

    fn admit(&self, place: &'static Metadata<'static>, now: Duration) -> bool {
        // Who has no token cannot make lines of the audit log, which is none if some are missing;
        // nor is a log of events.
        if [TARGET, AUDIT, EVENTS].contains(&place.target()) {
            return true;
        }
        let mut causes = self.causes();
        let (_, budget) =
            causes.budgets.entry(place.callsite()).or_insert_with(|| (place, Budget::default()));
        let admitted = budget.admit(now);
        if !admitted && !std::mem::replace(&mut causes.held, true) {
            self.0.held.notify_one();
        }
        admitted
    }

    fn causes(&self) -> MutexGuard<'_, Causes> {
        self.0.causes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for Limit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admit(event.metadata(), self.0.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::{Layer, fmt, layer::SubscriberExt};

    use super::*;

    #[test]
    fn a_cause_has_ten_lines_a_second() {
        let mut budget = Budget::default();
        let at = Duration::from_millis;
        assert_eq!((0..100).filter(|ms| budget.admit(at(*ms))).count(), 10);
        assert_eq!((100..1_000).filter(|ms| budget.admit(at(*ms))).count(), 0);
        assert_eq!(budget.held, 990);
        assert_eq!((1_000..2_000).filter(|ms| budget.admit(at(*ms))).count(), 10);
    }

    /// What is written, for a test to read.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut page = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
            page.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_one_cause_hides_no_other_and_is_counted() {
        let (page, limit) = (Page::default(), Limit::new());
        let writer = page.clone();
        let layer = fmt::layer().with_writer(move || writer.clone()).with_filter(limit.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for n in 0..500 {
                tracing::warn!(n, "a flood");
            }
            tracing::warn!("something else");
            for n in 0..50 {
                tracing::info!(target: AUDIT, n, "asked");
            }
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let floods = text.lines().filter(|line| line.contains("a flood")).count();
        // The second may turn in the middle of it.
        assert!(floods == 10 || floods == 20, "{floods}");
        assert_eq!(text.lines().filter(|line| line.contains("something else")).count(), 1);
        assert_eq!(text.lines().filter(|line| line.contains("asked")).count(), 50);
        let held = limit.take();
        let [(place, held)] = held[..] else { panic!("{held:?}") };
        assert_eq!((place.target(), held), (module_path!(), 500 - floods as u64));
        assert!(limit.take().is_empty(), "told once");
    }
}
