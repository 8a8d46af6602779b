//! When a plane wants to be called, and what it then does. One wheel for all transports; what is
//! due sooner is in lists that are empty when nothing is missing and nothing arrives.

use std::time::{Duration, Instant};

use rand::RngCore;

use super::{Plane, wheel::Wheel};

/// Nothing soon is due more often: NACKs wait 10 ms for reordering, and feedback 50.
const SOON: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Timers {
    pub wheel: Wheel,
    /// Streams with packets missing: producer, encoding.
    pub missing: Vec<(u32, u8)>,
    /// Transports with feedback to send.
    pub feedback: Vec<u32>,
    /// Transports that send something bit by bit.
    pub paced: Vec<u32>,
    /// Consumers that catch up from the buffer.
    pub replaying: Vec<u32>,
    /// Transports whose receiver's bandwidth is looked after each tenth of a second.
    pub estimated: Vec<u32>,
    /// Producers looked after each tenth of a second.
    pub watched: Vec<u32>,
    /// Producers that ask for a key frame, or let a layer go, at a moment of their own.
    pub reminders: Vec<u32>,
    /// Producers that are heard.
    pub voices: Vec<u32>,
    /// When they are told of.
    pub voices_at: Option<Instant>,
    soon: Option<Instant>,
    due: Vec<u32>,
}

impl Timers {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            wheel: Wheel::new(start),
            missing: Vec::new(),
            feedback: Vec::new(),
            paced: Vec::new(),
            replaying: Vec::new(),
            estimated: Vec::new(),
            watched: Vec::new(),
            reminders: Vec::new(),
            voices: Vec::new(),
            voices_at: None,
            soon: None,
            due: Vec::new(),
        }
    }

    /// Something that is due sooner than a visit is due at `at`.
    pub(super) fn arm(&mut self, at: Instant) {
        self.soon = Some(self.soon.map_or(at, |soon| soon.min(at)));
    }

    pub(super) fn next(&self) -> Option<(Instant, &'static str)> {
        let wheel = self.wheel.next().map(|at| (at, "reports and upkeep"));
        let soon = self.soon.map(|at| (at, "nack, feedback and requests"));
        let voices = self.voices_at.map(|at| (at, "voices"));
        wheel.into_iter().chain(soon).chain(voices).min_by_key(|(at, _)| *at)
    }

    pub(super) fn forget_transport(&mut self, place: u32) {
        self.wheel.remove(place);
        self.feedback.retain(|due| *due != place);
        self.paced.retain(|due| *due != place);
        self.estimated.retain(|due| *due != place);
    }

    pub(super) fn forget_consumer(&mut self, place: u32) {
        self.replaying.retain(|consumer| *consumer != place);
    }

    pub(super) fn forget_producer(&mut self, place: u32) {
        self.missing.retain(|(producer, _)| *producer != place);
        self.watched.retain(|producer| *producer != place);
        self.reminders.retain(|producer| *producer != place);
        self.voices.retain(|producer| *producer != place);
    }
}

impl Plane {
    pub(super) fn run_timers(&mut self, now: Instant) {
        if self.timers.soon.is_some_and(|at| at <= now) {
            self.run_soon(now);
        }
        if self.timers.wheel.next().is_some_and(|at| at <= now) {
            self.run_wheel(now);
        }
        if self.timers.voices_at.is_some_and(|at| at <= now) {
            self.tell_voices(now);
        }
    }

    fn run_soon(&mut self, now: Instant) {
        let mut next: Option<Instant> = None;
        // What is armed from here on counts as well.
        self.timers.soon = None;
        let mut keep = |at: Option<Instant>| {
            next = at.map_or(next, |at| Some(next.map_or(at, |next| next.min(at))));
            at.is_some()
        };
        let mut missing = std::mem::take(&mut self.timers.missing);
        missing.retain(|(producer, encoding)| {
            keep(self.ask_for_missing(now, *producer as usize, usize::from(*encoding)))
        });
        self.timers.missing = missing;
        let mut feedback = std::mem::take(&mut self.timers.feedback);
        feedback.retain(|place| {
            let more = keep(self.send_feedback(now, *place as usize));
            self.transports[*place as usize].twcc_armed = more;
            more
        });
        self.timers.feedback = feedback;
        let mut paced = std::mem::take(&mut self.timers.paced);
        paced.retain(|place| {
            let more = keep(self.pace(now, *place as usize));
            self.transports[*place as usize].paced = more;
            more
        });
        self.timers.paced = paced;
        let mut replaying = std::mem::take(&mut self.timers.replaying);
        replaying.retain(|consumer| keep(self.catch_up(now, *consumer as usize)));
        // Those that began meanwhile.
        for consumer in std::mem::take(&mut self.timers.replaying) {
            if !replaying.contains(&consumer) {
                replaying.push(consumer);
            }
        }
        self.timers.replaying = replaying;
        let mut reminders = std::mem::take(&mut self.timers.reminders);
        reminders.retain(|producer| {
            let more = keep(self.see_to(now, *producer as usize));
            self.producers[*producer as usize].reminded = more;
            more
        });
        reminders.append(&mut self.timers.reminders);
        self.timers.reminders = reminders;
        let soon = next.into_iter().chain(self.timers.soon).min();
        self.timers.soon = soon.map(|at| at.max(now + SOON));
    }

    fn run_wheel(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.timers.due);
        due.clear();
        self.timers.wheel.due(now, &mut due);
        for &place in &due {
            self.visit(now, place as usize);
            let random = self.rng.next_u64();
            self.timers.wheel.add(now, place, random);
        }
        self.timers.due = due;
        for position in 0..self.timers.estimated.len() {
            self.attend(now, self.timers.estimated[position] as usize);
        }
        let mut watched = std::mem::take(&mut self.timers.watched);
        watched.retain(|producer| {
            let more = self.look_after(now, *producer as usize);
            self.producers[*producer as usize].watched = more;
            more
        });
        // Those that were watched anew meanwhile.
        watched.append(&mut self.timers.watched);
        self.timers.watched = watched;
    }

    /// Once a second for each transport.
    fn visit(&mut self, now: Instant, place: usize) {
        self.check_consent(now, place);
        self.transports[place].trim_queue();
        for position in 0..self.transports[place].producers.len() {
            let producer = self.transports[place].producers[position] as usize;
            let mut changed = false;
            for stream in self.producers[producer].streams.iter_mut().flatten() {
                changed |= stream.update_score();
            }
            if changed {
                self.tell_scores(producer);
            }
        }
        self.ask_for_waiting(now, place);
        self.report(now, place);
    }
}
