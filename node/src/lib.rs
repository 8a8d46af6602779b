//! The program: config, REST, signalling, CLI, console, metrics.
//!
//! Everything a person or another program touches. Decides nothing about rooms, layers or placement:
//! it asks `starling_actors::Node` and says what that answered.
#![forbid(unsafe_code)]

pub mod auth;
pub mod config;
pub mod limit;
