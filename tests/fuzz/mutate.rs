//! Makes an input from one that is known: the way bytes of a protocol go wrong. Never knows which
//! protocol.

use rand::{Rng, rngs::SmallRng};

/// Numbers at which parsers go wrong: ends of ranges, RTP's and DTLS's first bytes.
const INTERESTING: [u8; 16] =
    [0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x3f, 0x40, 0x7f, 0x80, 0xbe, 0xfe, 0xff];

/// What inputs are made from.
pub(crate) struct Mutator<'a> {
    /// Texts that the target knows: method names, attribute numbers.
    pub words: &'a [&'a [u8]],
    /// Longer inputs are cut.
    pub max_len: usize,
}

impl Mutator<'_> {
    /// Writes over `out` what became of `base`; `other` lends parts.
    pub(crate) fn mutate(&self, rng: &mut SmallRng, base: &[u8], other: &[u8], out: &mut Vec<u8>) {
        out.clear();
        if rng.random_ratio(1, 20) {
            let len = rng.random_range(0..=self.max_len.min(200));
            out.extend((0..len).map(|_| rng.random::<u8>()));
            return;
        }
        out.extend_from_slice(base);
        // Few changes leave most of a packet's checks passed; many get to odd corners.
        let steps = 1 << rng.random_range(0..4u32);
        for _ in 0..rng.random_range(1..=steps) {
            self.step(rng, other, out);
        }
        out.truncate(self.max_len);
    }

    fn step(&self, rng: &mut SmallRng, other: &[u8], out: &mut Vec<u8>) {
        if out.is_empty() {
            out.extend_from_slice(&other[..other.len().min(16)]);
            out.push(rng.random());
            return;
        }
        let at = rng.random_range(0..out.len());
        match rng.random_range(0..13) {
            0 => out[at] ^= 1 << rng.random_range(0..8),
            1 => out[at] = INTERESTING[rng.random_range(0..INTERESTING.len())],
            2 => out[at] = rng.random(),
            3 => out[at] = out[at].wrapping_add(rng.random_range(1..=4)),
            4 => out[at] = out[at].wrapping_sub(rng.random_range(1..=4)),
            5 => out.truncate(at),
            6 => drop(out.drain(at..(at + rng.random_range(1..=16)).min(out.len()))),
            7 => repeat(rng, at, out),
            8 => length(rng, at, out),
            9 => insert(at, &[rng.random(), rng.random()][..rng.random_range(1..=2)], out),
            10 if !self.words.is_empty() => {
                insert(at, self.words[rng.random_range(0..self.words.len())], out);
            }
            11 if !self.words.is_empty() => {
                let word = self.words[rng.random_range(0..self.words.len())];
                for (to, from) in out[at..].iter_mut().zip(word) {
                    *to = *from;
                }
            }
            _ => splice(rng, at, other, out),
        }
    }
}

/// The same bytes once more, as a repeated attribute or element is.
fn repeat(rng: &mut SmallRng, at: usize, out: &mut Vec<u8>) {
    let part = out[at..(at + rng.random_range(1..=32)).min(out.len())].to_vec();
    let to = rng.random_range(0..=out.len());
    insert(to, &part, out);
}

/// A length field that is right, or just wrong, or as large as it gets.
fn length(rng: &mut SmallRng, at: usize, out: &mut [u8]) {
    let rest = out.len() - at;
    let value = match rng.random_range(0..4) {
        0 => rest,
        1 => rest.saturating_sub(rng.random_range(0..=8)),
        2 => rest + rng.random_range(0..=8),
        _ => usize::MAX,
    };
    let bytes = value.to_be_bytes();
    let width = [1, 2, 3, 4][rng.random_range(0..4)];
    for (to, from) in out[at..].iter_mut().zip(&bytes[bytes.len() - width..]) {
        *to = *from;
    }
}

fn splice(rng: &mut SmallRng, at: usize, other: &[u8], out: &mut Vec<u8>) {
    if other.is_empty() {
        return;
    }
    let from = rng.random_range(0..other.len());
    let to = rng.random_range(from..=other.len());
    if rng.random() {
        out.truncate(at);
        out.extend_from_slice(&other[from..]);
    } else {
        insert(at, &other[from..to], out);
    }
}

fn insert(at: usize, bytes: &[u8], out: &mut Vec<u8>) {
    out.splice(at..at, bytes.iter().copied());
}
