//! Names that exist now, for completion. Asks as the environment and the current context say, and
//! stays silent about what does not work: nobody completes to read errors.

use std::{ffi::OsStr, time::Duration};

use clap_complete::engine::CompletionCandidate;
use starling_client::{Client, Error};

use super::{context::Contexts, remote::Remote};

/// A person who pressed Tab waits no longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Names offered: more are no help, and shells become slow.
const MOST: usize = 500;

/// Nodes.
pub(super) fn nodes(current: &OsStr) -> Vec<CompletionCandidate> {
    offer(
        current,
        asked(async |client| {
            Ok(client.nodes().await?.into_iter().map(|node| node.id.to_string()).collect())
        }),
    )
}

/// Rooms.
pub(super) fn rooms(current: &OsStr) -> Vec<CompletionCandidate> {
    offer(
        current,
        asked(async |client| {
            Ok(client.rooms().await?.into_iter().map(|room| room.id.to_string()).collect())
        }),
    )
}

/// Contexts.
pub(super) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    let known = Contexts::load().unwrap_or_default();
    offer(current, known.contexts.into_keys().collect())
}

fn asked(names: impl AsyncFnOnce(&Client) -> Result<Vec<String>, Error>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let client = Remote::of_environment().client_within(PATIENCE);
    let (Ok(runtime), Ok(client)) = (runtime, client) else { return Vec::new() };
    runtime.block_on(names(&client)).unwrap_or_default()
}

fn offer(current: &OsStr, mut names: Vec<String>) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    names.retain(|name| name.starts_with(&*begun));
    names.sort_unstable();
    names.truncate(MOST);
    names.into_iter().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_completed_in_order_and_not_without_end() {
        let names: Vec<_> = (0..2_000).rev().map(|n| format!("room-{n:04}")).collect();
        let offered = |begun: &str| {
            let all = offer(OsStr::new(begun), names.clone());
            all.iter().map(|it| it.get_value().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(offered("room-000").len(), 10);
        assert_eq!(offered("room-000")[..2], ["room-0000", "room-0001"]);
        assert_eq!(offered("").len(), MOST);
        assert!(offered("x").is_empty());
    }
}
