//! The program: config, REST, signalling, CLI, console, metrics.
//!
//! Everything a person or another program touches. Decides nothing about rooms, layers or
//! placement: it asks `starling_actors::Node` and says what that answered.
#![forbid(unsafe_code)]

mod admission;
mod announce;
pub mod auth;
pub mod cli;
pub mod config;
pub mod dev;
mod entrance;
mod events;
mod hooks;
pub mod http;
pub mod ice;
pub mod limit;
pub mod logs;
pub mod metrics;
mod notify;
pub mod recording;
pub mod registry;
pub mod reload;
pub mod run;
pub mod sdp;
pub mod signal;
#[cfg(test)]
mod testing;
pub mod tls;
mod traces;
pub mod whip;

/// How nodes ask each other.
pub use starling_client::http as client;
