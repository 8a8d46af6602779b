//! Logs go to stderr, as text or as one JSON object per line, and no cause floods them (`limit`).
//! Never does: choose what is logged.

mod limit;

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use starling_proto::{Code, Refusal};
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use self::limit::Limit;
pub(crate) use self::limit::{AUDIT, EVENTS};
use crate::config::Log;

/// The `dtls` crate warns of every extension that it does not know, and each browser sends three;
/// `sctp-proto` of every packet that is not one.
const QUIET: &str = "dtls=error,sctp_proto=off";
/// The library of WebSockets logs frames whole, with tokens and tickets in them, and nobody is to
/// keep those: whatever the filter says, it tells no more than this.
const SECRET: &str = "tungstenite=info";
/// Longest filter, in bytes: a level for every module there is.
const MAX_FILTER: usize = 4_096;

/// Puts another filter in the place of the one that logging started with.
type Change = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// Logging is the process's, however many nodes are in it.
static CHANGE: OnceLock<Change> = OnceLock::new();

/// Starts logging. A second call does nothing.
pub fn init(log: &Log) {
    let filter = read(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let limit = Limit::new();
    // Where a full disk takes no line, it takes no complaint about that either: `eprintln!` would
    // panic, and end the node.
    let lines = fmt::layer().log_internal_errors(false).with_writer(io::stderr);
    let lines = lines.with_ansi(io::stderr().is_terminal());
    let lines = if log.json { lines.json().boxed() } else { lines.boxed() };
    let lines = lines.with_filter(limit.clone());
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    if started.is_ok() {
        let _ = CHANGE.set(Box::new(move |filter| handle.reload(filter).is_ok()));
        limit.tell();
    }
}

/// Logs by another filter from now on (mediasoup's `worker.updateSettings`).
///
/// # Errors
/// `bad_request` for a filter that cannot be read, `wrong_state` if this process does not log.
pub fn set(filter: &str) -> Result<(), Refusal> {
    if filter.len() > MAX_FILTER {
        let message = format!("a filter has at most {MAX_FILTER} bytes");
        return Err(Refusal::new(Code::TooLarge, message));
    }
    let filter = read(filter).map_err(|error| {
        Refusal::new(Code::BadRequest, format!("the filter cannot be read: {error}"))
            .hint("as RUST_LOG: a level, or module=level separated by commas")
    })?;
    let changed = CHANGE.get().is_some_and(|change| change(filter));
    let silent = || Refusal::new(Code::WrongState, "this process does not log");
    if changed { Ok(()) } else { Err(silent()) }
}

fn read(filter: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let named = filter.contains("dtls");
    let quiet = if named { SECRET.to_owned() } else { format!("{QUIET},{SECRET}") };
    EnvFilter::try_new(format!("{filter},{quiet}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_changes_while_the_process_lives() {
        let code = |filter: &str| set(filter).map_err(|refusal| refusal.code);
        assert_eq!(code("debug"), Err(Code::WrongState), "nothing is logged yet");
        init(&Log { filter: "warn".into(), json: true });
        assert!(!tracing::enabled!(tracing::Level::INFO));
        assert_eq!(code("info"), Ok(()));
        assert!(tracing::enabled!(tracing::Level::INFO));
        assert_eq!(code("starling_node=loud"), Err(Code::BadRequest));
        assert_eq!(code(&"x".repeat(5_000)), Err(Code::TooLarge));
        assert!(tracing::enabled!(tracing::Level::INFO), "it stays as it was");
        assert_eq!(code("error"), Ok(()));
        assert!(!tracing::enabled!(tracing::Level::INFO));
    }
}
