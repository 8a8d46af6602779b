//! Whole nodes in one process, with clients that speak signalling only: what peers are told, what
//! survives a dead node, and what a panic ends.

mod call;
mod channel_client;
mod channel_flow;
mod channels;
mod cores;
mod direct;
mod direct_data;
#[path = "../../../tests/src/etcd.rs"]
#[allow(dead_code, reason = "other crates' tests do more with it")]
#[expect(unreachable_pub, reason = "shared with the crate of whole-cluster tests")]
mod etcd;
mod failpoints;
mod faults;
mod fields;
mod grants;
mod inspect;
mod journal;
mod leaks;
mod leaving;
mod lives;
mod media;
mod moves;
mod mute;
mod observe;
mod placement;
mod program;
mod races;
mod registry;
mod relays;
mod rtp;
mod shown;
mod speakers;
mod steer;
mod tickets;
mod traced;
mod transports;
mod versions;
#[path = "../../../cluster/src/link/tests/wire.rs"]
#[allow(dead_code, reason = "other crates' tests do more with it")]
mod wire;
mod world;
