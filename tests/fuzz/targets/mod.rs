//! What is fuzzed: one target per parser of bytes that come from a network.

mod bandwidth;
mod cluster;
mod codec;
mod data;
mod framing;
mod hello;
mod layers;
mod plane;
mod rtcp;
mod rtp;
mod sctp;
mod sdp;
mod signal;
mod srtp;
mod stun;
mod traceparent;

use std::hash::{DefaultHasher, Hash, Hasher};

/// Takes inputs.
pub(crate) trait Target {
    /// Runs one; a panic is a failure. Inputs with another result behaved in another way, as far as
    /// the target can tell cheaply.
    fn run(&mut self, input: &[u8]) -> u64;
}

/// A target, before it runs.
pub(crate) struct Kind {
    /// On the command line and in the report.
    pub name: &'static str,
    /// What it tests.
    pub about: &'static str,
    /// How many cheap inputs one of its own costs.
    pub cost: u64,
    /// Longest input, in bytes.
    pub max_len: usize,
    /// What its format is made of.
    pub words: &'static [&'static [u8]],
    /// Valid inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// A fresh one.
    pub make: fn() -> Box<dyn Target>,
}

/// Beyond it a target keeps something from input to input, or does a lot with each.
const CHEAP: u64 = 4;

impl Kind {
    /// Whether ten million inputs take seconds.
    pub(crate) const fn is_cheap(&self) -> bool {
        self.cost <= CHEAP
    }
}

/// Longest datagram a socket gives: what an Ethernet carries.
const DATAGRAM: usize = 1_500;

/// All of them.
pub(crate) const TARGETS: &[Kind] = &[
    stun::KIND,
    rtp::KIND,
    rtcp::RTCP,
    rtcp::TWCC,
    codec::VP8,
    codec::VP9,
    codec::DEPENDENCY,
    codec::H264_OPUS,
    layers::KIND,
    srtp::SRTP,
    srtp::SRTCP,
    hello::KIND,
    traceparent::KIND,
    framing::KIND,
    data::MESSAGE,
    sctp::KIND,
    cluster::FLOW,
    cluster::LINK,
    cluster::RECORDS,
    signal::SIGNAL,
    signal::NEGOTIATION,
    signal::TOKEN,
    sdp::KIND,
    plane::KIND,
    bandwidth::KIND,
];

/// Tells behaviours apart.
fn behaviour(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// How large something is, coarsely.
fn size(of: usize) -> u32 {
    usize::BITS - of.leading_zeros()
}
