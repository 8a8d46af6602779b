//! What of the streams that are wanted over a link passes it: a pure function of what the link
//! takes and of what each pipe would carry. Whole layers go or stay, and nobody's picture ends for
//! another's better one: sound first, then everybody's smallest picture, then screens, then better
//! layers, the cheapest first. Never measures anything.

use starling_proto::flow::FlowId;

/// Encodings, or spatial layers of one, that are told apart: as many as browsers send.
pub const LAYERS: usize = 3;
/// Bits of a pipe's wish that mean something.
const ALL: u32 = (1 << LAYERS) - 1;

/// What one pipe would carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Which.
    pub flow: u64,
    /// It is sound: the rate of its one layer is always granted.
    pub audio: bool,
    /// It is somebody's screen, or who has the floor: it comes before others.
    pub first: bool,
    /// How many look at it behind the link; none known: one.
    pub viewers: u32,
    /// Bit n: layer n is wanted there.
    pub wished: u32,
    /// Bits per second of each layer, with all that a link adds. None of a layer that was not seen
    /// yet: it is guessed from its neighbours.
    pub rates: [Option<u64>; LAYERS],
}

/// The best layer that may pass; none: not even the smallest.
pub type Top = Option<u8>;

/// The layers that a pipe carries if it may have `top` and those below, and those who look want
/// `wished`: what they want of that; what is best of it if they want only better ones.
pub fn layers(wished: u32, top: Top) -> u32 {
    let Some(top) = top else { return 0 };
    let within = (2u32 << top.min(31)).wrapping_sub(1);
    match wished & within {
        0 if wished != 0 => 1 << top,
        some => some,
    }
}

impl Demand {
    /// The rate of a layer, seen or guessed: libwebrtc's ladders have a factor of three to four
    /// (`simulcast.cc`: 150, 500 and 2,500 kb/s).
    fn rate(&self, layer: usize) -> u64 {
        const FACTOR: u64 = 3;
        if let Some(rate) = self.rates[layer] {
            return rate;
        }
        let above = (layer + 1..LAYERS).find_map(|n| Some((n, self.rates[n]?)));
        let below = (0..layer).rev().find_map(|n| Some((n, self.rates[n]?)));
        match (below, above) {
            (Some((n, rate)), _) => rate * FACTOR.pow((layer - n) as u32),
            (None, Some((n, rate))) => rate / FACTOR.pow((n - layer) as u32),
            (None, None) => 0,
        }
    }

    fn cost(&self, top: Top) -> u64 {
        let carried = layers(self.wished & ALL, top);
        (0..LAYERS).filter(|layer| carried & (1 << layer) != 0).map(|layer| self.rate(layer)).sum()
    }

    /// Bits per second of all that is wanted.
    pub fn wanted(&self) -> u64 {
        if self.audio { self.rate(0) } else { self.cost(Some(u8::MAX)) }
    }

    /// The best layer anybody wants.
    fn best(&self) -> Top {
        (self.wished & ALL).checked_ilog2().map(|best| best as u8)
    }
}

/// The best layer of each pipe, in the order of `demands`, so that all together stay within
/// `capacity` bits per second. Deterministic: equals go by the order of their flows.
pub fn share(capacity: u64, demands: &[Demand]) -> Vec<(FlowId, Top)> {
    let sound = demands.iter().filter(|it| it.audio).map(|it| it.rate(0)).sum();
    let mut left = capacity.saturating_sub(sound);
    let mut tops: Vec<Top> =
        demands.iter().map(|it| if it.audio { Some(0) } else { None }).collect();
    let mut order: Vec<usize> = (0..demands.len()).filter(|n| wants(&demands[*n])).collect();
    order.sort_by_key(|n| {
        let it = &demands[*n];
        (!it.first, it.cost(Some(0)) / u64::from(it.viewers.max(1)), it.flow)
    });
    for n in &order {
        let cost = demands[*n].cost(Some(0));
        if cost <= left {
            left -= cost;
            tops[*n] = Some(0);
        }
    }
    while let Some((n, top, more)) = upgrade(left, demands, &tops) {
        left -= more;
        tops[n] = Some(top);
    }
    demands.iter().map(|it| FlowId(it.flow)).zip(tops).collect()
}

fn wants(demand: &Demand) -> bool {
    !demand.audio && demand.wished & ALL != 0
}

/// The best value among the next steps up that fit: which pipe, to which layer, for how much more.
fn upgrade(left: u64, demands: &[Demand], tops: &[Top]) -> Option<(usize, u8, u64)> {
    let steps = demands.iter().enumerate().filter_map(|(n, it)| {
        let (top, best) = (tops[n].filter(|_| wants(it))?, it.best()?);
        let next = (top < best).then_some(top + 1)?;
        // A layer that nobody wants costs nothing and is a step to the next one.
        let more = it.cost(Some(next)).saturating_sub(it.cost(Some(top)));
        (more <= left).then_some((n, next, more))
    });
    steps.min_by_key(|(n, _, more)| {
        let it = &demands[*n];
        (!it.first, more / u64::from(it.viewers.max(1)), it.flow)
    })
}

#[cfg(test)]
mod tests;
