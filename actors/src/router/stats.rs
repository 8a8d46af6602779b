//! Statistics asked of the worker, and given to whoever asked.

use serde_json::Value;
use starling_media::{Command, command::StatsOf};

use super::{RouterState, StatsWish};
use crate::node::Reply;

/// Most statistics questions without an answer; a plane answers in a turn, so more means it is
/// stuck.
const MAX_PENDING_STATS: usize = 256;

impl RouterState {
    pub(super) fn ask_stats(&mut self, wish: StatsWish, reply: Reply<Value>) {
        let of = match &wish {
            StatsWish::Transport(id) => self.transports.get(id).map(|t| StatsOf::Transport(t.key)),
            StatsWish::Producer(id) => self.producers.get(id).map(|p| StatsOf::Producer(p.key)),
            StatsWish::Consumer(id) => self.consumers.get(id).map(|c| StatsOf::Consumer(c.key)),
        };
        let Some(of) = of else {
            let _ = reply.send(Ok(serde_json::json!([])));
            return;
        };
        let token = self.keys.token();
        if self.stats.len() >= MAX_PENDING_STATS {
            self.stats.pop_first();
        }
        self.stats.insert(token, (wish, reply));
        self.command(Command::CollectStats { token, of });
    }
}

/// The plane calls a transport by its key; clients know its id.
pub(super) fn named(mut stats: Value, wish: &StatsWish) -> Value {
    let StatsWish::Transport(id) = wish else { return stats };
    for entry in stats.as_array_mut().into_iter().flatten() {
        if let Some(name) = entry.get_mut("transportId") {
            *name = Value::String(id.to_string());
        }
    }
    stats
}
