//! How well a stream arrives, 0 to 10 (ST5 to ST7, mediasoup `RtpStream.cpp`). Never looks at
//! packets: it gets counts.

/// Counts of one report interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreInterval {
    /// Packets that should have passed: expected when receiving, sent when sending.
    pub expected: u64,
    /// Packets that did; when sending, the same as `expected`.
    pub received: u64,
    /// Packets lost, before repair.
    pub lost: u64,
    /// Lost packets that came after all.
    pub repaired: u64,
    /// Retransmissions seen or made.
    pub retransmitted: u64,
}

impl ScoreInterval {
    /// Of a stream we receive.
    pub const fn receiving(expected: u64, received: u64, repaired: u64, again: u64) -> Self {
        let lost = expected.saturating_sub(received);
        Self { expected, received, lost, repaired, retransmitted: again }
    }

    /// Of a stream we send; `lost` by the receiver's report.
    pub const fn sending(sent: u64, lost: u64, repaired: u64, again: u64) -> Self {
        Self { expected: sent, received: sent, lost, repaired, retransmitted: again }
    }

    /// The raw score: delivered share to the fourth power, where repaired losses count the less
    /// the more of them there are.
    pub fn score(&self) -> u8 {
        if self.expected == 0 {
            return 10;
        }
        if self.received == 0 {
            return 0;
        }
        let received = self.received as f64;
        let lost = self.lost.min(self.received) as f64;
        let repaired = (self.repaired as f64).min(lost);
        let mut weight = (1.0 / (repaired / received + 1.0)).powi(4);
        if self.retransmitted > 0 {
            weight *= (repaired / self.retransmitted as f64).min(1.0);
        }
        let delivered = (received - (lost - repaired * weight)) / received;
        (delivered.clamp(0.0, 1.0).powi(4) * 10.0).round() as u8
    }
}

/// Raw scores looked back at (ST7): half a minute at one per second.
const HISTORY: usize = 24;

/// Smooths raw scores: newer ones weigh more.
#[derive(Clone, Debug)]
pub struct ScoreWindow {
    /// Oldest first.
    raw: [u8; HISTORY],
    len: usize,
    score: u8,
}

impl Default for ScoreWindow {
    fn default() -> Self {
        Self { raw: [0; HISTORY], len: 0, score: 10 }
    }
}

impl ScoreWindow {
    /// Adds a raw score; the smoothed one if it is another now.
    pub fn push(&mut self, raw: u8) -> Option<u8> {
        if self.len == HISTORY {
            self.raw.rotate_left(1);
            self.len -= 1;
        }
        self.raw[self.len] = raw.min(10);
        self.len += 1;
        let (mut sum, mut weights) = (0, 0);
        for (weight, raw) in (1u32..).zip(&self.raw[..self.len]) {
            sum += weight * u32::from(*raw);
            weights += weight;
        }
        self.change((f64::from(sum) / f64::from(weights)).round() as u8)
    }

    /// Sets the score at once and forgets the past: a stream fell silent (0) or came back.
    pub fn reset(&mut self, score: u8) -> Option<u8> {
        self.len = 0;
        self.change(score.min(10))
    }

    /// The smoothed score; 10 before the first one.
    pub const fn score(&self) -> u8 {
        self.score
    }

    fn change(&mut self, score: u8) -> Option<u8> {
        (std::mem::replace(&mut self.score, score) != score).then_some(score)
    }
}

#[cfg(test)]
mod tests;
