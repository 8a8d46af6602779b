//! The program itself, as an operator runs it: its settings from files and the environment, its
//! signals, and all that it prints.

#![expect(clippy::unwrap_used, reason = "where a test cannot go on, it fails")]

mod descriptors;
mod harness;
mod reload;
mod secrets;
