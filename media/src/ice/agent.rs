//! One transport's ICE-lite agent (mediasoup's `IceServer`). Owns its credentials, valid tuples,
//! the selected one and their consent. Never touches a socket; answers only requests that prove the
//! password, so that nobody else learns that it is there.
//!
//! ```text
//!   new ──check──▶ connected ──nomination──▶ completed
//!    └──────────nomination─────────────────────▲ │
//!             connected/completed ◀──check── disconnected ◀── consent ended on every tuple
//! ```

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Tuple,
    stun::{IntegrityKey, StunMessage, TransactionId, write_error, write_success},
};
use crate::{command::IceCredentials, event::IceState};

/// Valid tuples kept; a client pairs each of its few interfaces with one of ours (mediasoup's
/// number).
pub const MAX_TUPLES: usize = 8;

/// Shortest consent: four of libwebrtc's checks of a stable pair, 2.5 s apart (mediasoup's number).
pub const MIN_CONSENT: Duration = Duration::from_secs(10);

/// Longest consent (mediasoup's number; RFC 7675 §5.1 says 30 s).
pub const MAX_CONSENT: Duration = Duration::from_secs(60);

/// Transactions remembered to tell a captured request from a new one: what a client with two pairs
/// sends in 80 s, for 3 KiB.
const MAX_TRANSACTIONS: usize = 64;

const BAD_REQUEST: u16 = 400;
const ROLE_CONFLICT: u16 = 487;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proved the password and keeps or makes its tuple valid. Answered.
    Accepted,
    /// Proved the password, but asks for what a lite agent does not do. Answered with this code.
    Refused(u16),
    /// Proved the password with a request already seen from elsewhere. Not answered.
    Replayed,
    /// Did not prove the password. Not answered.
    Forged,
    /// For a ufrag that is not (or no more) ours. Not answered.
    UnknownUser,
    /// No Binding request. Not answered.
    Ignored,
}

/// What a request changed. The reply, if there is one, is in the caller's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub verdict: Verdict,
    /// This tuple is valid from now on.
    pub admitted: Option<Tuple>,
    /// This one had to make room.
    pub evicted: Option<Tuple>,
    /// The new state.
    pub state: Option<IceState>,
    /// The new selected tuple.
    pub selected: Option<Tuple>,
    /// This ufrag is not ours any more: the client uses the new credentials.
    pub retired_ufrag: Option<String>,
}

/// What the end of consent changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Not valid any more.
    pub removed: Vec<Tuple>,
    /// The new state.
    pub state: Option<IceState>,
    /// The new selected tuple, if another one took over.
    pub selected: Option<Tuple>,
}

/// One transport's agent.
#[derive(Debug)]
pub struct Agent {
    current: Login,
    /// Until the first request with `current` (RFC 8445 §9, mediasoup's `RestartIce`).
    previous: Option<Login>,
    /// A request has proved `current`.
    confirmed: bool,
    /// None: never ends.
    consent: Option<Duration>,
    state: IceState,
    tuples: Vec<Path>,
    selected: Option<Tuple>,
    nomination: u32,
    transactions: VecDeque<(TransactionId, Tuple)>,
}

#[derive(Debug)]
struct Login {
    ufrag: String,
    key: IntegrityKey,
}

#[derive(Debug)]
struct Path {
    tuple: Tuple,
    checked: Instant,
}

impl Agent {
    /// Waiting for its first check. `consent` goes to [`MIN_CONSENT`] to [`MAX_CONSENT`]; zero
    /// means that it never ends.
    pub fn new(credentials: &IceCredentials, consent: Duration) -> Self {
        Self {
            current: Login::new(credentials),
            previous: None,
            confirmed: false,
            consent: (!consent.is_zero()).then(|| consent.clamp(MIN_CONSENT, MAX_CONSENT)),
            state: IceState::New,
            tuples: Vec::new(),
            selected: None,
            nomination: 0,
            transactions: VecDeque::new(),
        }
    }

    /// New credentials. Those in use go on working until the client uses the new ones. Gives the
    /// ufrag that stops working now: of an earlier restart the client never took up.
    pub fn restart(&mut self, credentials: &IceCredentials) -> Option<String> {
        if self.current.ufrag == credentials.ufrag {
            return None;
        }
        let replaced = std::mem::replace(&mut self.current, Login::new(credentials));
        let confirmed = std::mem::replace(&mut self.confirmed, false);
        if confirmed || self.previous.is_none() {
            return self.previous.replace(replaced).map(|login| login.ufrag);
        }
        Some(replaced.ufrag)
    }

    /// The ufrags that lead here.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current).chain(&self.previous).map(|login| &*login.ufrag)
    }

    /// Where it is.
    pub fn state(&self) -> IceState {
        self.state
    }

    /// Where to send.
    pub fn selected(&self) -> Option<Tuple> {
        self.selected
    }

    /// Whether `tuple` passed a check and has consent.
    pub fn is_valid_tuple(&self, tuple: Tuple) -> bool {
        self.place(tuple).is_some()
    }

    /// All valid tuples.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.tuples.iter().map(|path| path.tuple)
    }

    /// An authentic SRTP or SRTCP packet came from `tuple`: a client that sends there wants to hear
    /// there (mediasoup's `MayForceSelectedTuple`). True if that changed the selected tuple. Call
    /// it for nothing that could be forged.
    pub fn on_packet_from(&mut self, tuple: Tuple) -> bool {
        let moved = self.selected != Some(tuple) && self.is_valid_tuple(tuple);
        if moved {
            self.selected = Some(tuple);
        }
        moved
    }

    /// Takes one STUN message and writes the reply over `reply`, which stays empty if there is
    /// none.
    pub fn handle_request(
        &mut self,
        now: Instant,
        tuple: Tuple,
        message: &StunMessage<'_>,
        reply: &mut Vec<u8>,
    ) -> Answer {
        reply.clear();
        if !message.is_binding_request() {
            return Answer::of(Verdict::Ignored);
        }
        let Some(login) = self.login(message.local_ufrag()) else {
            return Answer::of(Verdict::UnknownUser);
        };
        if !message.is_authentic(&login.key) {
            return Answer::of(Verdict::Forged);
        }
        if self.is_captured(message.transaction, tuple) {
            return Answer::of(Verdict::Replayed);
        }
        if let Some(code) = refusal(message) {
            write_error(reply, &message.transaction, code, &login.key);
            return Answer::of(Verdict::Refused(code));
        }
        write_success(reply, &message.transaction, tuple.remote, &login.key);
        let is_current = login.ufrag == self.current.ufrag;
        let mut answer = Answer::of(Verdict::Accepted);
        if is_current && !self.confirmed {
            self.confirmed = true;
            self.nomination = 0;
            answer.retired_ufrag = self.previous.take().map(|login| login.ufrag);
        }
        self.remember(message.transaction, tuple);
        self.admit(now, tuple, &mut answer);
        self.decide(tuple, message, &mut answer);
        answer
    }

    /// When consent of some tuple ends, and why that matters.
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        let oldest = self.tuples.iter().map(|path| path.checked).min()?;
        Some((oldest + self.consent?, "ice consent"))
    }

    /// Drops tuples whose last check is as old as consent lasts. Without the selected one another
    /// is selected; without any the transport is disconnected until the next check.
    pub fn handle_timeout(&mut self, now: Instant) -> Expiry {
        let mut expiry = Expiry::default();
        let Some(consent) = self.consent else { return expiry };
        self.tuples.retain(|path| {
            let alive = now.saturating_duration_since(path.checked) < consent;
            if !alive {
                expiry.removed.push(path.tuple);
            }
            alive
        });
        self.reselect(&mut expiry);
        expiry
    }

    /// The tuple cannot be used any more: its TCP connection ended. As when its consent ends.
    pub fn forget(&mut self, tuple: Tuple) -> Expiry {
        let mut expiry = Expiry::default();
        let Some(place) = self.place(tuple) else { return expiry };
        self.tuples.remove(place);
        expiry.removed.push(tuple);
        self.reselect(&mut expiry);
        expiry
    }

    /// Without the selected tuple another is selected, or the transport is disconnected.
    fn reselect(&mut self, expiry: &mut Expiry) {
        if self.selected.is_some_and(|tuple| expiry.removed.contains(&tuple)) {
            self.selected =
                self.tuples.iter().max_by_key(|path| path.checked).map(|path| path.tuple);
            expiry.selected = self.selected;
            if self.selected.is_none() {
                self.nomination = 0;
                expiry.state = self.enter(IceState::Disconnected);
            }
        }
    }

    fn login(&self, ufrag: Option<&str>) -> Option<&Login> {
        let ufrag = ufrag?;
        std::iter::once(&self.current).chain(&self.previous).find(|login| login.ufrag == ufrag)
    }

    fn place(&self, tuple: Tuple) -> Option<usize> {
        self.tuples.iter().position(|path| path.tuple == tuple)
    }

    /// A client sends a transaction on one path only, so whoever repeats it on another has captured
    /// it.
    fn is_captured(&self, transaction: TransactionId, tuple: Tuple) -> bool {
        self.transactions.iter().any(|&(id, from)| id == transaction && from != tuple)
    }

    fn remember(&mut self, transaction: TransactionId, tuple: Tuple) {
        if self.transactions.contains(&(transaction, tuple)) {
            return;
        }
        if self.transactions.len() == MAX_TRANSACTIONS {
            self.transactions.pop_front();
        }
        self.transactions.push_back((transaction, tuple));
    }

    fn admit(&mut self, now: Instant, tuple: Tuple, answer: &mut Answer) {
        if let Some(place) = self.place(tuple) {
            self.tuples[place].checked = now;
            return;
        }
        if self.tuples.len() == MAX_TUPLES {
            answer.evicted = self.evict();
        }
        self.tuples.push(Path { tuple, checked: now });
        answer.admitted = Some(tuple);
    }

    fn evict(&mut self) -> Option<Tuple> {
        let others = self.tuples.iter().filter(|path| Some(path.tuple) != self.selected);
        let oldest = others.min_by_key(|path| path.checked)?.tuple;
        self.tuples.retain(|path| path.tuple != oldest);
        Some(oldest)
    }

    fn decide(&mut self, tuple: Tuple, message: &StunMessage<'_>, answer: &mut Answer) {
        let nominated = match message.nomination {
            Some(value) if value > self.nomination => {
                self.nomination = value;
                true
            }
            Some(_) => false,
            None => message.use_candidate,
        };
        let unselected = matches!(self.state, IceState::New | IceState::Disconnected);
        if nominated {
            answer.state = self.enter(IceState::Completed);
        } else if unselected {
            answer.state = self.enter(IceState::Connected);
        }
        if (nominated || unselected) && self.selected != Some(tuple) {
            self.selected = Some(tuple);
            answer.selected = Some(tuple);
        }
    }

    fn enter(&mut self, state: IceState) -> Option<IceState> {
        (std::mem::replace(&mut self.state, state) != state).then_some(state)
    }
}

impl Login {
    fn new(credentials: &IceCredentials) -> Self {
        Self { ufrag: credentials.ufrag.clone(), key: IntegrityKey::new(&credentials.password) }
    }
}

impl Answer {
    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            admitted: None,
            evicted: None,
            state: None,
            selected: None,
            retired_ufrag: None,
        }
    }
}

/// Why an authentic request is refused: RFC 8445 §7.1 and §7.3, RFC 8489 §7 as mediasoup answers
/// them.
fn refusal(message: &StunMessage<'_>) -> Option<u16> {
    if !message.fingerprint || message.priority.is_none() {
        return Some(BAD_REQUEST);
    }
    message.ice_controlled.map(|_| ROLE_CONFLICT)
}

#[cfg(test)]
mod tests;
