//! `starling dev`: several real nodes in one process, on loopback, with QUIC links between them and
//! one registry in memory. Each has a tokio runtime of its own, so that it can be killed: its
//! tasks, sockets and threads go, and nobody is told. Never does: keep anything.

mod cluster;
mod settings;

pub use cluster::{DevCluster, DevError};
pub use settings::{DevArgs, Secrets};

#[cfg(test)]
mod tests;
