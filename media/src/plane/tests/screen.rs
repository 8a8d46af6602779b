//! What a person sees of one stream: whole pictures, in order, and when; and what stands still. As
//! a browser's receiver does it: a hole holds back what follows until it is filled or a whole key
//! frame lies behind it.

use std::collections::BTreeMap;

use crate::rtp::Unwrapper;

/// Pictures are shown so long after they were sent, or as soon as they are whole.
const PLAYOUT_MS: i64 = 100;
/// A hole is waited for so long before a key frame is asked for, and asked for again.
const PATIENCE_MS: i64 = 1_000;
const AGAIN_MS: i64 = 500;
/// Intervals over which one is called long (libwebrtc `video/video_quality_observer2.cc`).
const AVERAGED: usize = 30;

/// What a packet says of itself, in its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub first: bool,
    pub last: bool,
    pub key: bool,
    /// When its picture was sent.
    pub sent: i64,
}

impl Piece {
    /// Behind the payload descriptor and the first byte of VP8.
    const AT: usize = 7;

    pub(super) fn write(self, payload: &mut [u8]) {
        let flags = u8::from(self.first) | u8::from(self.last) << 1 | u8::from(self.key) << 2;
        payload[Self::AT] = flags;
        payload[Self::AT + 1..Self::AT + 9].copy_from_slice(&self.sent.to_be_bytes());
    }

    pub(super) fn read(payload: &[u8]) -> Self {
        let flags = payload[Self::AT];
        let sent = payload[Self::AT + 1..].first_chunk().unwrap();
        Self {
            first: flags & 1 != 0,
            last: flags & 2 != 0,
            key: flags & 4 != 0,
            sent: i64::from_be_bytes(*sent),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Screen {
    unwrapper: Unwrapper,
    waiting: BTreeMap<u64, Piece>,
    next: Option<u64>,
    blocked: Option<i64>,
    asked: Option<i64>,
    intervals: Vec<i64>,
    last: Option<i64>,
    /// When it stood still, until when.
    pub freezes: Vec<(i64, i64)>,
    pub longest: i64,
}

impl Screen {
    pub(super) fn take(&mut self, ms: i64, sequence: u16, piece: Piece) {
        let number = self.unwrapper.unwrap(sequence);
        if self.next.is_some_and(|next| number < next) {
            return;
        }
        self.waiting.insert(number, piece);
        self.skip();
        while let Some(next) = self.next {
            let Some(piece) = self.waiting.remove(&next) else { break };
            self.next = Some(next + 1);
            self.blocked = None;
            if piece.last {
                self.show(ms.max(piece.sent + PLAYOUT_MS));
            }
        }
        if !self.waiting.is_empty() {
            self.blocked.get_or_insert(ms);
        }
    }

    pub(super) fn wants_key_frame(&mut self, ms: i64) -> bool {
        let blocked = self.blocked.is_some_and(|since| ms - since > PATIENCE_MS);
        let due = self.asked.is_none_or(|asked| ms - asked > AGAIN_MS);
        if blocked && due {
            self.asked = Some(ms);
        }
        blocked && due
    }

    /// A whole key frame behind a hole needs nothing of what is before it.
    fn skip(&mut self) {
        if self.next.is_some_and(|next| self.waiting.contains_key(&next)) {
            return;
        }
        let begins = |(_, piece): &(&u64, &Piece)| piece.key && piece.first;
        let Some((&number, _)) = self.waiting.iter().rev().find(begins) else { return };
        let mut whole = self.waiting.range(number..).zip(number..);
        let end = whole.find(|((at, piece), place)| *at != place || piece.last);
        if end.is_some_and(|((at, piece), place)| *at == place && piece.last) {
            self.next = Some(number);
            self.waiting = self.waiting.split_off(&number);
        }
    }

    fn show(&mut self, ms: i64) {
        if let Some(last) = self.last {
            let interval = ms - last;
            let average = self.intervals.iter().sum::<i64>() / self.intervals.len().max(1) as i64;
            if self.intervals.len() == AVERAGED {
                if interval >= (3 * average).max(average + 150) {
                    self.freezes.push((last, ms));
                }
                self.intervals.remove(0);
            }
            self.longest = self.longest.max(interval);
            self.intervals.push(interval);
        }
        self.last = Some(ms);
    }
}
