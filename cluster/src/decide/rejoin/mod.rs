//! How a client keeps its place in a room while nodes die, drain and refuse: a pure machine. The
//! load generator and the simulation run this one, `@starling/client` a mirror of it in TypeScript;
//! `cluster/fixtures/rejoin` holds both to the same answers.
//!
//! ```text
//!                 ┌───────────────┐ ── Connect ─▶ socket, transports, join
//! what happened ─▶│ ClientSession │ ── Use ─────▶ send from there, listen there
//!        now, dice│               │ ── Ask ─────▶ a request that costs nothing
//!                 └───────────────┘ ── Drop, End
//! ```
//! A *seat* is one try to be in the room on one node, from the first packet of its WebSocket on.
//! There is one at a time, but for a move: there the old one is left when the new one works.
//!
//! Never does: open a socket, read a clock, know what is sent.

mod pulse;
mod route;
mod said;

use std::time::{Duration, Instant};

use pulse::{Beat, Pulse};
use route::Route;
pub use said::{Closed, End, Input, Offer, Output, SeatId};

/// Longest wait for a WebSocket to open in the first round: TCP, TLS and upgrade at 250 ms each. A
/// node that is stopped or cut off costs this much; in later rounds it doubles, up to [`OPEN_MAX`].
pub const OPEN: Duration = Duration::from_secs(1);
/// See [`OPEN`]: beyond, nobody would talk anyway.
pub const OPEN_MAX: Duration = Duration::from_secs(4);
/// Longest wait from an open WebSocket to the answer to `join`: four round trips of a bad network.
pub const JOIN: Duration = Duration::from_secs(4);
/// After a move the old node is left at the latest after this, even if not all that it sent has
/// come from the new one yet.
pub const OVERLAP: Duration = Duration::from_millis(2_500);
/// A seat that was lost sooner than this was none: the back-off goes on where it was.
pub const STABLE: Duration = Duration::from_secs(5);
/// A client that was never in gives up after this: somebody waits for it and can be told.
pub const FIRST: Duration = Duration::from_secs(30);
/// A client that was in gives up after this: as long as a cluster takes to be started anew.
pub const AGAIN: Duration = Duration::from_secs(300);
/// Rounds over all the nodes of a `moveTo` before the client stays until it is told again: half a
/// minute.
pub const MOVE_ROUNDS: u32 = 10;
/// Longest `retryAfterMs` that is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Longest time over which a `moveTo` spreads its clients.
pub const WITHIN_MAX: Duration = Duration::from_secs(30);

/// Close code: for good. protoo-client does not come back after it either.
pub const FOR_GOOD: u16 = 4000;
/// Close code, ours: go to another node.
pub const ELSEWHERE: u16 = 4001;
/// Close code: not now (RFC 6455's registry).
pub const NOT_NOW: u16 = 1013;
/// Close code: the node lost the session, but lives.
pub const LOST_SESSION: u16 = 1011;
/// Close code: a frame was too large.
pub const TOO_LARGE: u16 = 1009;

/// The seat that counts.
#[derive(Clone, Debug)]
struct Own {
    seat: SeatId,
    url: String,
    since: Instant,
    standby: Vec<String>,
    pulse: Pulse,
}

/// A seat that is being taken.
#[derive(Clone, Debug)]
struct Trying {
    seat: SeatId,
    url: String,
    until: Instant,
    resumes: bool,
}

/// One client's way through the nodes of a cluster.
#[derive(Clone, Debug)]
pub struct ClientSession {
    /// Where it came in: the last resort, as a load balancer knows of nodes that nobody named.
    start: Vec<String>,
    ticket: Option<String>,
    route: Route,
    own: Option<Own>,
    /// Left for [`Self::own`], at the latest then.
    old: Option<(SeatId, Instant)>,
    trying: Option<Trying>,
    /// When the next node is tried.
    due: Option<Instant>,
    /// Since when it has been nowhere.
    nowhere: Instant,
    was_in: bool,
    seats: SeatId,
    over: bool,
    out: Vec<Output>,
}

impl ClientSession {
    /// A client that has yet to come in.
    pub fn new(now: Instant) -> Self {
        Self {
            start: Vec::new(),
            ticket: None,
            route: Route::default(),
            own: None,
            old: None,
            trying: None,
            due: None,
            nowhere: now,
            was_in: false,
            seats: 0,
            over: false,
            out: Vec::new(),
        }
    }

    /// The seat that counts, if there is one.
    pub fn seated(&self) -> Option<SeatId> {
        self.own.as_ref().map(|own| own.seat)
    }

    /// It ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// When [`Input::Tick`] is due.
    pub fn next(&self) -> Option<Instant> {
        let own = self.own.as_ref().map(|own| own.pulse.next());
        let trying = self.trying.as_ref().map(|trying| trying.until);
        let old = self.old.as_ref().map(|(_, until)| *until);
        [own, trying, old, self.due].into_iter().flatten().min().filter(|_| !self.over)
    }

    /// Takes what happened; `random` is at least 0 and below 1, another one each time.
    pub fn handle(&mut self, now: Instant, input: Input, random: f64) -> Vec<Output> {
        if self.over {
            return Vec::new();
        }
        match input {
            Input::Start { urls } => self.start(now, urls),
            Input::Opened { seat } => {
                if let Some(trying) = self.trying.as_mut().filter(|it| it.seat == seat) {
                    trying.until = now + JOIN;
                }
            }
            Input::Joined { seat, url, offer } => self.joined(now, seat, url, offer),
            Input::Offered { seat, offer } => self.offered(seat, offer),
            Input::Heard { seat } => self.pulse(seat).into_iter().for_each(|it| it.heard(now)),
            Input::Media { seat } => self.pulse(seat).into_iter().for_each(|it| it.media(now)),
            Input::Closed { seat, closed } => self.closed(now, seat, closed, random),
            Input::MoveTo { seat, nodes, within_ms } => {
                let within = Duration::from_millis(within_ms.into()).min(WITHIN_MAX);
                self.move_to(now, seat, nodes, within.mul_f64(random));
            }
            Input::Settled { seat } => {
                if self.seated() == Some(seat) {
                    self.drop_old();
                }
            }
            Input::Leave => self.end(End::Left),
            Input::Tick => self.tick(now, random),
        }
        std::mem::take(&mut self.out)
    }

    fn start(&mut self, now: Instant, urls: Vec<String>) {
        if self.start.is_empty() && !urls.is_empty() {
            self.start.clone_from(&urls);
            self.route.begin(urls);
            self.nowhere = now;
            self.due = Some(now);
            self.tick(now, 0.0);
        }
    }

    fn joined(&mut self, now: Instant, seat: SeatId, url: String, offer: Offer) {
        let Some(tried) = self.trying.take_if(|trying| trying.seat == seat) else { return };
        self.drop_old();
        self.old = self.own.take().map(|own| (own.seat, now + OVERLAP));
        let url = if url.is_empty() { tried.url } else { url };
        self.ticket = Some(offer.ticket);
        let standby = offer.standby;
        self.own = Some(Own { seat, url, since: now, standby, pulse: Pulse::new(now) });
        self.due = None;
        self.was_in = true;
        self.out.push(Output::Use { seat });
    }

    fn offered(&mut self, seat: SeatId, offer: Offer) {
        if let Some(own) = self.own.as_mut().filter(|own| own.seat == seat) {
            own.standby = offer.standby;
            self.ticket = Some(offer.ticket);
        }
    }

    fn pulse(&mut self, seat: SeatId) -> Option<&mut Pulse> {
        self.own.as_mut().filter(|own| own.seat == seat).map(|own| &mut own.pulse)
    }

    fn closed(&mut self, now: Instant, seat: SeatId, closed: Closed, random: f64) {
        self.old.take_if(|(old, _)| *old == seat);
        if let Some(tried) = self.trying.take_if(|trying| trying.seat == seat) {
            self.turned_away(now, &tried, closed, random);
        } else if self.seated() == Some(seat) {
            // While it moves, this may be the new session's doing.
            if closed.code == FOR_GOOD && self.trying.is_none() {
                self.own = None;
                return self.end(End::Refused);
            }
            self.lost(now, closed, random);
        }
    }

    /// A node did not take it in.
    fn turned_away(&mut self, now: Instant, tried: &Trying, closed: Closed, random: f64) {
        match closed.code {
            // Another secret, or a day later: without the ticket it is a new session.
            FOR_GOOD if tried.resumes && closed.refusal == "unauthorized" => {
                self.ticket = None;
                self.route.untry(&tried.url);
            }
            // Where it is now it may stay.
            FOR_GOOD if self.own.is_some() => {}
            FOR_GOOD => return self.end(End::Refused),
            ELSEWHERE | NOT_NOW => {
                let wait = Duration::from_millis(closed.retry_after_ms.into());
                self.route.refused(&tried.url, now + wait.min(RETRY_AFTER_MAX));
                let own = self.own.as_ref().map(|own| own.url.clone());
                let nodes = closed.nodes.into_iter().filter(|url| Some(url) != own.as_ref());
                self.route.redirect(nodes.collect());
            }
            LOST_SESSION | TOO_LARGE => {}
            _ => self.route.failed(now, &tried.url),
        }
        self.due = Some(self.route.when(now, random));
    }

    /// The seat that counted is gone.
    fn lost(&mut self, now: Instant, closed: Closed, random: f64) {
        let Some(own) = self.own.take() else { return };
        self.drop_old();
        self.nowhere = now;
        if now.saturating_duration_since(own.since) >= STABLE {
            self.route.rest();
        } else {
            self.route.tire();
        }
        let lives = matches!(closed.code, LOST_SESSION | TOO_LARGE);
        if !lives {
            self.route.failed(now, &own.url);
        }
        let first = if lives { vec![own.url.clone()] } else { closed.nodes };
        let start = self.start.iter().cloned();
        let urls = first.into_iter().chain(own.standby).chain([own.url]).chain(start).collect();
        // It was moving: it is on its way already.
        if self.trying.is_some() {
            return self.route.extend(urls);
        }
        self.route.begin(urls);
        // Nobody else goes there because of a death that only this client has seen; what a node
        // tells its clients, it tells all of them.
        let told = lives || closed.code == ELSEWHERE;
        self.due = Some(self.route.first(now, told, random));
        self.tick(now, random);
    }

    /// Make before break: the seat stays until another one is taken.
    fn move_to(&mut self, now: Instant, seat: SeatId, nodes: Vec<String>, wait: Duration) {
        let Some(own) = self.own.as_ref().filter(|own| own.seat == seat) else { return };
        let nodes: Vec<_> = nodes.into_iter().filter(|url| *url != own.url).collect();
        if nodes.is_empty() {
            return self.stay();
        }
        if self.trying.is_some() {
            return;
        }
        self.drop_old();
        self.route.rest();
        self.route.trust(&nodes);
        self.route.begin(nodes);
        self.due = Some(now + wait);
        self.tick(now, 0.0);
    }

    /// It need not move after all.
    fn stay(&mut self) {
        self.due = None;
        let trying = self.trying.take().map(|trying| Output::Drop { seat: trying.seat });
        self.out.extend(trying);
    }

    fn tick(&mut self, now: Instant, random: f64) {
        match self.own.as_mut().and_then(|own| Some((own.seat, own.pulse.tick(now)?))) {
            Some((seat, Beat::Ask)) => self.out.push(Output::Ask { seat }),
            Some((seat, Beat::Gone)) => {
                self.out.push(Output::Drop { seat });
                self.lost(now, Closed::default(), random);
            }
            None => {}
        }
        if self.old.is_some_and(|(_, until)| until <= now) {
            self.drop_old();
        }
        if let Some(late) = self.trying.take_if(|trying| trying.until <= now) {
            self.out.push(Output::Drop { seat: late.seat });
            self.route.failed(now, &late.url);
            self.due = Some(self.route.when(now, random));
        }
        if self.due.is_some_and(|due| due <= now) {
            self.try_next(now, random);
        }
    }

    fn try_next(&mut self, now: Instant, random: f64) {
        let patience = if self.was_in { AGAIN } else { FIRST };
        if self.own.is_none() && now.saturating_duration_since(self.nowhere) >= patience {
            return self.end(End::Nowhere);
        }
        if self.own.is_some() && self.route.round() >= MOVE_ROUNDS {
            return self.stay();
        }
        let Some(url) = self.route.pick(now) else {
            self.due = Some(self.route.when(now, random));
            return;
        };
        self.due = None;
        self.seats += 1;
        let (seat, ticket) = (self.seats, self.ticket.clone());
        let open = (OPEN * 2_u32.pow(self.route.round().min(2))).min(OPEN_MAX);
        let resumes = ticket.is_some();
        self.trying = Some(Trying { seat, url: url.clone(), until: now + open, resumes });
        self.out.push(Output::Connect { seat, url, ticket });
    }

    fn drop_old(&mut self) {
        let old = self.old.take().map(|(seat, _)| Output::Drop { seat });
        self.out.extend(old);
    }

    fn end(&mut self, why: End) {
        self.drop_old();
        let (own, trying) = (self.own.take(), self.trying.take());
        let seats = own.map(|own| own.seat).into_iter().chain(trying.map(|it| it.seat));
        self.out.extend(seats.map(|seat| Output::Drop { seat }));
        self.out.push(Output::End { why });
        self.over = true;
    }
}

#[cfg(test)]
mod tests;
