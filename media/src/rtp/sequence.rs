//! Sequence numbers: comparing, unwrapping, and keeping an output continuous while inputs are
//! dropped or their source changes (mediasoup `SeqManager`). Never sees a packet.

/// A 16-bit number that wraps (RFC 1982 comparison).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// Whether this comes after `other`: 1..=32767 ahead.
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// How far ahead of `other` this is; negative if behind.
    pub const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// `n` further on.
    pub const fn plus(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// `n` before.
    pub const fn minus(self, n: u16) -> Self {
        Self(self.0.wrapping_sub(n))
    }
}

/// Gives wrapping 16-bit numbers a total order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    newest: Option<u64>,
}

impl Unwrapper {
    /// The first number is this far up, so that earlier ones have room below it.
    const FIRST_CYCLE: u64 = 1 << 32;

    /// Unwraps and remembers the newest.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let wide = self.peek(sequence);
        self.newest = Some(self.newest.map_or(wide, |newest| newest.max(wide)));
        wide
    }

    /// Unwraps relative to the newest, and remembers nothing.
    pub fn peek(&self, sequence: u16) -> u64 {
        let Some(newest) = self.newest else { return Self::FIRST_CYCLE + u64::from(sequence) };
        let distance = SeqNo(sequence).distance_from(SeqNo(newest as u16));
        newest.saturating_add_signed(i64::from(distance))
    }

    /// The newest so far.
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }
}

/// Output sequence numbers of a consumer.
pub type SeqManager = Continuity<16>;

/// Output VP8 picture ids of a consumer.
pub type PictureIdManager = Continuity<15>;

/// How many inputs back a late one is still told apart from a dropped one. 1,024 packets are a
/// second of the largest video we forward; what is later than that comes too late to be shown.
const WINDOW: u16 = 1024;
const WORDS: usize = WINDOW as usize / 64;

/// Maps inputs of `BITS` bits to outputs of as many, so that dropped inputs leave no hole, lost
/// ones do (they may still come), and a new source goes on where the old one ended.
#[derive(Clone, Debug)]
pub struct Continuity<const BITS: u32> {
    state: State,
    max_output: u16,
    /// Bit `input % WINDOW`: that input must not be mapped.
    dropped: [u64; WORDS],
}

#[derive(Clone, Copy, Debug)]
enum State {
    Fresh,
    Running {
        max_input: u16,
        /// Output minus input at `max_input`.
        offset: u16,
    },
}

impl<const BITS: u32> Continuity<BITS> {
    const MASK: u16 = (((1u32 << BITS) - 1) & 0xffff) as u16;
    const HALF: u16 = (1u32 << (BITS - 1)) as u16;

    /// The first output will be `first_output`.
    pub const fn new(first_output: u16) -> Self {
        Self {
            state: State::Fresh,
            max_output: first_output.wrapping_sub(1) & Self::MASK,
            dropped: [0; WORDS],
        }
    }

    /// From now on `input + 1` becomes the newest output plus one, and nothing up to and with
    /// `input` is mapped any more.
    pub fn sync(&mut self, input: u16) {
        self.dropped = [u64::MAX; WORDS];
        self.state = State::Running {
            max_input: input & Self::MASK,
            offset: self.max_output.wrapping_sub(input) & Self::MASK,
        };
    }

    /// Leaves `input` out without a hole. Too late if a newer one was seen: then it is only a loss.
    pub fn drop(&mut self, input: u16) {
        let State::Running { max_input, offset } = self.started(input) else { return };
        let ahead = input.wrapping_sub(max_input) & Self::MASK;
        if ahead == 0 || ahead >= Self::HALF {
            return;
        }
        self.forget_until(max_input, ahead);
        self.mark(input);
        let offset = offset.wrapping_sub(1) & Self::MASK;
        self.state = State::Running { max_input: input & Self::MASK, offset };
    }

    /// The output for `input`; the same again for the same input. `None` if it was dropped, belongs
    /// to the time before the last [`sync`](Self::sync), or is too old to know.
    pub fn map(&mut self, input: u16) -> Option<u16> {
        let State::Running { max_input, offset } = self.started(input) else { return None };
        let ahead = input.wrapping_sub(max_input) & Self::MASK;
        if ahead != 0 && ahead < Self::HALF {
            self.forget_until(max_input, ahead);
            self.state = State::Running { max_input: input & Self::MASK, offset };
            let output = input.wrapping_add(offset) & Self::MASK;
            self.max_output = output;
            return Some(output);
        }
        let age = max_input.wrapping_sub(input) & Self::MASK;
        if age >= WINDOW || self.is_marked(input) {
            return None;
        }
        let dropped_since = (0..age).filter(|back| self.is_marked(max_input.wrapping_sub(*back)));
        let dropped_since = dropped_since.count() as u16;
        Some(input.wrapping_add(offset).wrapping_add(dropped_since) & Self::MASK)
    }

    /// Whether `input` comes after all that were mapped, dropped or synced to.
    pub const fn is_ahead(&self, input: u16) -> bool {
        match self.state {
            State::Fresh => true,
            State::Running { max_input, .. } => {
                let ahead = input.wrapping_sub(max_input) & Self::MASK;
                ahead != 0 && ahead < Self::HALF
            }
        }
    }

    /// The newest input mapped, dropped or synced to.
    pub const fn max_input(&self) -> Option<u16> {
        match self.state {
            State::Fresh => None,
            State::Running { max_input, .. } => Some(max_input),
        }
    }

    /// The newest output given; before the first one, the one before it.
    pub const fn max_output(&self) -> u16 {
        self.max_output
    }

    /// The state, begun just before `input` if nothing was seen yet.
    fn started(&mut self, input: u16) -> State {
        if let State::Fresh = self.state {
            self.sync(input.wrapping_sub(1));
        }
        self.state
    }

    fn forget_until(&mut self, max_input: u16, ahead: u16) {
        if ahead >= WINDOW {
            self.dropped = [0; WORDS];
            return;
        }
        for step in 1..=ahead {
            let (word, bit) = place(max_input.wrapping_add(step));
            self.dropped[word] &= !bit;
        }
    }

    fn mark(&mut self, input: u16) {
        let (word, bit) = place(input);
        self.dropped[word] |= bit;
    }

    fn is_marked(&self, input: u16) -> bool {
        let (word, bit) = place(input);
        self.dropped[word] & bit != 0
    }
}

/// `WINDOW` divides 2^15 and 2^16, so the place of a number survives wrapping.
const fn place(input: u16) -> (usize, u64) {
    let at = input % WINDOW;
    (at as usize / 64, 1 << (at % 64))
}

#[cfg(test)]
mod tests;
