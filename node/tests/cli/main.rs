//! The program as people and scripts use it: the binary itself, against nodes that run.

#![expect(clippy::unwrap_used, reason = "where a test cannot go on, it fails")]

mod bench;
mod commands;
mod context;
mod doctor;
mod golden;
mod guest;
mod mask;
mod page;
mod record;
mod screen;
mod tee;
mod terminal;
