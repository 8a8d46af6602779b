//! Signalling between a client and its node: protoo frames (protoo 4.0.8) around the newest
//! generation of mediasoup-demo's methods, and our own additions for nodes, standby and resume.
//! Never does: act on one.

mod client;
mod frame;
mod server;

pub use client::{ClientNotification, ClientRequest, Consume, Join, Produce, ProduceData, Source};
pub use frame::{Frame, FrameError, MAX_FRAME};
pub use server::{
    JoinAnswer, NewConsumer, NewDataConsumer, NodeHint, PeerSummary, PeerVolume, ProducerSummary,
    ResumeOffer, ServerNotification, ServerRequest, VideoOrientation,
};
