//! Logs go to stderr, as text or as one JSON object per line. Never does: choose what is logged.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// The `dtls` crate warns of every extension that it does not know, and each browser sends three;
/// `sctp-proto` of every packet that is not one.
const QUIET: &str = "dtls=error,sctp_proto=off";

/// Starts logging. A second call does nothing.
pub fn init(log: &Log) {
    let named = log.filter.contains("dtls");
    let filter = if named { log.filter.clone() } else { format!("{},{QUIET}", log.filter) };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let _ = if log.json { builder.json().try_init() } else { builder.try_init() };
}
