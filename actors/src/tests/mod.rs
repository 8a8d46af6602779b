//! Whole nodes in one process, with clients that speak signalling only: what peers are told, what
//! survives a dead node, and what a panic ends.

mod call;
mod channel_client;
mod channel_flow;
mod channels;
mod cores;
mod direct;
mod direct_data;
mod failpoints;
mod fields;
mod inspect;
mod leaks;
mod leaving;
mod media;
mod moves;
mod observe;
mod placement;
mod races;
mod registry;
mod relays;
mod rtp;
mod shown;
mod speakers;
mod steer;
mod tickets;
mod transports;
mod versions;
mod world;
