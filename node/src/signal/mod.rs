//! Signalling over WebSocket. Never does: decide what a request means.

pub mod adaptor;
pub mod generation;
pub mod socket;

#[cfg(test)]
mod admission_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
