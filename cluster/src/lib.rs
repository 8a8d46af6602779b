//! What nodes agree on, and the links between them.
//!
//! `decide/` is pure: views in, decisions out, `now` and randomness as arguments. Beside it the
//! I/O: `registry/` (memory, etcd) and `link/` (QUIC). Knows no SDP, no RTP internals, no HTTP.
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "a test is the outside: it starts the clock"
    )
)]
#![forbid(unsafe_code)]

pub mod decide;
pub mod link;
pub mod registry;
