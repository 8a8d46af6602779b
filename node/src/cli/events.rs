//! `starling events`: what happens in the cluster, and what of it is still known.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use serde_json::{Map, Value, json};
use starling_client::{EventsWish, Follow, Followed};
use starling_proto::{RoomId, rest::Event, time::Timestamp};

use super::{
    live,
    output::{Failure, Format, Line, Shown, note, or_dash},
    remote::Remote,
    until::Until,
};
use crate::config::value;

/// Without --follow: it has all that is known once nothing has come for so long. Nodes tell at once
/// what they know, and others' in a round trip.
const QUIET: Duration = Duration::from_secs(1);
/// Most that are shown without --follow: what 16 nodes keep, and 20 MB.
const MOST: usize = 65_536;

/// Tells what happened in the cluster, as far as nodes still know it, or goes on with --follow.
#[derive(Debug, clap::Args)]
#[command(after_help = "Kinds: room.started, peer.joined, track.published, node.lost and others; \
                  `peer.*` for all that begin so. docs/events.md has them all.")]
pub(super) struct Events {
    /// Goes on until Ctrl-C, and begins now unless --since says otherwise.
    #[arg(short, long)]
    follow: bool,
    /// Only what is about this room.
    #[arg(long, add = ArgValueCompleter::new(live::rooms))]
    room: Option<RoomId>,
    /// Only these kinds.
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    types: Vec<String>,
    /// From so long ago, as 10m, or from this moment, as 2026-11-30T04:05:06.789Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    #[command(flatten)]
    until: Until,
    #[command(flatten)]
    remote: Remote,
}

/// A moment, said in one of two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(ago) = value::duration(text) {
            return Ok(Self::Ago(ago));
        }
        let at = text.parse().map(Self::At);
        at.map_err(|error| format!("write it as 10m or 2h; or {error}"))
    }
}

impl Since {
    fn read(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
                Timestamp { unix_ms: now.unix_ms.saturating_sub(ago) }
            }
        }
    }
}

/// A line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Told {
    Event(Box<Event>),
    /// What nodes no longer keep.
    Gap(Value),
}

impl Told {
    /// What is in its columns: when, what, where, and the rest.
    fn parts(&self) -> (String, String, String, String) {
        let Value::Object(mut fields) = json!(self) else { return Default::default() };
        let mut take = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let (at, what, room) = (take("at"), take("type"), take("room"));
        for own in ["id", "by"] {
            take(own);
        }
        (time_of_day(&at).to_owned(), what, room, pairs(&fields))
    }
}

/// Of RFC 3339's `2026-11-30T04:05:06.789Z`.
fn time_of_day(at: &str) -> &str {
    at.get(11..23).unwrap_or(at)
}

/// `peer=ada node=node-1`.
pub(super) fn pairs(fields: &Map<String, Value>) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let said = fields.iter().filter(|(_, value)| **value != "");
    let all = said.map(|(name, value)| format!("{name}={}", text(value)));
    all.collect::<Vec<_>>().join(" ")
}

impl Line for Told {
    const HEAD: &'static [&'static str] = &["time", "event", "room", "what"];
    const WIDE: &'static [&'static str] = &["by", "id"];

    fn name(&self) -> String {
        match self {
            Self::Event(event) => event.id.clone(),
            Self::Gap(_) => "-".to_owned(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let (at, what, room, rest) = self.parts();
        vec![at, what, or_dash(room), or_dash(rest)]
    }

    fn wide(&self) -> Vec<String> {
        match self {
            Self::Event(event) => vec![event.by.to_string(), event.id.clone()],
            Self::Gap(_) => vec!["-".to_owned(), "-".to_owned()],
        }
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(events: Events) -> Result<(), Failure> {
    let Events { follow, room, types, since, until, remote } = events;
    let since = match (since, follow) {
        (Some(since), _) => Some(since.read(now())),
        (None, true) => None,
        // All that is known.
        (None, false) => Some(Timestamp::default()),
    };
    let client = remote.client()?;
    let mut stream = client.follow(EventsWish { room, types, since }).await?;
    if follow {
        return until.tell(remote.output, async || next(&mut stream).await.map(Some)).await;
    }
    known(&mut stream, remote.output, until).await
}

/// The next line; that a stream broke is told beside it.
async fn next(stream: &mut Follow) -> Result<Told, Failure> {
    loop {
        match stream.next().await? {
            Followed::Event(event) => return Ok(Told::Event(event)),
            Followed::Gap(gap) => return Ok(gap_of(&json!(gap))),
            Followed::Broken(why) => note(&format!("{why}; trying again")),
        }
    }
}

fn gap_of(gap: &Value) -> Told {
    Told::Gap(
        json!({"type": "gap", "at": gap["until"], "node": gap["node"], "since": gap["since"]}),
    )
}

/// What is known until now. What happens meanwhile belongs to whoever follows.
async fn known(stream: &mut Follow, format: Format, until: Until) -> Result<(), Failure> {
    let begun = now();
    let mut all = Vec::new();
    while all.len() < until.most().min(MOST) {
        let told = match tokio::time::timeout(QUIET, stream.next()).await {
            Err(_) => break,
            Ok(told) => told?,
        };
        match told {
            // From another clock: what is a little late is shown, and an end is found anyway.
            Followed::Event(event) if event.at.unix_ms > begun.unix_ms + 1_000 => break,
            Followed::Event(event) => all.push(Told::Event(event)),
            // That the beginning is not kept is no news to who asks for all that is.
            Followed::Gap(_) => {}
            Followed::Broken(why) => return Err(Failure::Failed(why)),
        }
    }
    // Each node tells in order; between them only their clocks know.
    all.sort_by_cached_key(|told| match told {
        Told::Event(event) => event.at,
        Told::Gap(_) => Timestamp::default(),
    });
    Shown::All(&all).print(format)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_with_all_that_it_says() {
        let event: Event = serde_json::from_value(json!({
            "id": "node-1.7.42", "at": "2026-11-30T04:05:06.789Z", "by": "node-1",
            "type": "peer.moved", "room": "demo", "peer": "ada", "from": "node-1", "to": "node-2"
        }))
        .unwrap();
        let told = Told::Event(Box::new(event));
        let line = "04:05:06.789|peer.moved|demo|from=node-1 peer=ada to=node-2";
        assert_eq!(told.cells().join("|"), line);
        assert_eq!(told.wide(), ["node-1", "node-1.7.42"]);
        let gap = gap_of(&json!({"node": "n", "since": "x", "until": "2026-11-30T04:05:06.789Z"}));
        assert_eq!(gap.cells().join("|"), "04:05:06.789|gap|-|node=n since=x");
    }

    #[test]
    fn since_is_a_moment_or_so_long_ago() {
        let now = Timestamp { unix_ms: 700_000 };
        let read = |text: &str| text.parse::<Since>().map(|since| since.read(now).unix_ms);
        assert_eq!(read("10m"), Ok(100_000));
        assert_eq!(read("1h"), Ok(0));
        assert_eq!(read("1970-01-01T00:00:09.000Z"), Ok(9_000));
        assert!(read("yesterday").unwrap_err().starts_with("write it as 10m"));
    }
}
