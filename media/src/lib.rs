//! One core's packets: ICE-lite, SRTP, RTP and RTCP, layers, repair. Sans-IO: datagrams, commands
//! and `now` in; datagrams, events and the next deadline out.
//!
//! Knows no socket, thread, clock, actor or cluster. [`plane::Plane`] is the door; everything else
//! is a machine it is made of. A pipe to another core or another node is one more source or sink.
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "a test is the outside: it starts the clock")
)]

pub mod bandwidth;
pub mod codec;
pub mod command;
pub mod consumer;
#[cfg(test)]
mod counting;
pub mod data;
pub mod dtls;
pub mod event;
pub mod ice;
pub mod ingress;
pub mod negotiation;
pub mod observer;
pub mod plane;
pub mod producer;
pub mod rtcp;
pub mod rtp;
pub mod sctp;
pub mod srtp;
pub mod trace;

pub use command::{Command, ConsumerKey, PipeKey, ProducerKey, SocketId, TransportKey};
pub use event::{Event, Flight, Run};
pub use plane::{Plane, PlaneConfig, PlaneCounters};
