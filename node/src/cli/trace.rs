//! `starling trace`: what passes a peer's transports, tracks and consumers, one by one; and
//! `starling nodes observe`: what happens to a node's objects.

use serde::Serialize;
use serde_json::Value;
use starling_client::{Client, Events, Object, ServerEvent};
use starling_proto::{
    NodeId, RoomId,
    observer::Observed,
    rest::PeerObjects,
    time::Timestamp,
    trace::{TraceDirection, TraceEvent, TraceType},
};
use tokio::sync::mpsc;

use super::{
    events::pairs,
    objects::{Kind, Whose},
    output::{Failure, Format, Line, note, or_dash},
    remote::Remote,
    until::Until,
};

/// Most objects of a peer that are traced at once: each is a connection, and a peer who sees
/// everybody in a big room has hundreds of consumers.
const MOST: usize = 64;
/// Lines that wait for stdout.
const WAITING: usize = 256;

/// Shows what passes a peer's transports, tracks and consumers: packets lost, key frames asked for,
/// bandwidth estimated.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Types: rtp (every packet), keyframe, nack, pli, fir, sr of tracks; the same \
                  without sr of consumers; probation, bwe of transports. Without --types all but \
                  rtp and probation are shown."
)]
pub(super) struct Trace {
    #[command(flatten)]
    whose: Whose,
    /// Only this: transport, producer or consumer …
    #[arg(requires = "id")]
    kind: Option<Kind>,
    /// … with this id.
    id: Option<String>,
    /// Only these.
    #[arg(long, value_delimiter = ',', value_name = "TYPE,…", value_parser = trace_type)]
    types: Vec<TraceType>,
    #[command(flatten)]
    until: Until,
    #[command(flatten)]
    remote: Remote,
}

fn trace_type(text: &str) -> Result<TraceType, String> {
    TraceType::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names: Vec<_> = TraceType::ALL.iter().map(|kind| kind.name()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// Something that passed an object.
#[derive(Debug, Serialize)]
struct Passed {
    object: &'static str,
    id: String,
    #[serde(flatten)]
    event: TraceEvent,
}

impl Line for Passed {
    const HEAD: &'static [&'static str] = &["time", "object", "id", "way", "type", "info"];

    fn name(&self) -> String {
        self.id.clone()
    }

    fn cells(&self) -> Vec<String> {
        let TraceEvent { kind, timestamp, direction, info } = &self.event;
        let way = match direction {
            TraceDirection::In => "in",
            TraceDirection::Out => "out",
        };
        let time = time_of_day(u64::try_from(*timestamp).unwrap_or_default());
        let words = [self.object, &self.id, way, kind.name()].map(str::to_owned);
        std::iter::once(time).chain(words).chain([or_dash(fields(info))]).collect()
    }
}

impl Line for Observed {
    const HEAD: &'static [&'static str] =
        &["time", "event", "room", "peer", "object", "id", "info"];

    fn name(&self) -> String {
        object(self).1
    }

    fn cells(&self) -> Vec<String> {
        let event = serde_json::json!(self.event);
        let event = event.as_str().unwrap_or_default().to_owned();
        let text = |id: Option<String>| or_dash(id.unwrap_or_default());
        let room = text(self.room_id.as_ref().map(ToString::to_string));
        let peer = text(self.peer_id.as_ref().map(ToString::to_string));
        let (what, id) = object(self);
        let info = or_dash(fields(&self.info));
        vec![time_of_day(self.timestamp), event, room, peer, what.to_owned(), id, info]
    }
}

/// The object is the last of the ids that are there.
fn object(of: &Observed) -> (&'static str, String) {
    let ids = [
        ("consumer", of.consumer_id.as_ref().map(ToString::to_string)),
        ("producer", of.producer_id.as_ref().map(ToString::to_string)),
        ("transport", of.transport_id.as_ref().map(ToString::to_string)),
    ];
    let found = ids.into_iter().find_map(|(what, id)| Some((what, id?)));
    found.unwrap_or(("-", "-".to_owned()))
}

fn time_of_day(unix_ms: u64) -> String {
    let text = Timestamp { unix_ms }.to_string();
    text.get(11..23).unwrap_or(&text).to_owned()
}

fn fields(info: &Value) -> String {
    match info {
        Value::Null => String::new(),
        Value::Object(fields) => pairs(fields),
        other => other.to_string(),
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(trace: Trace) -> Result<(), Failure> {
    let Trace { whose, kind, id, types, until, remote } = trace;
    let client = remote.client()?;
    let of = match kind.zip(id) {
        Some((kind, id)) => vec![kind.of(&id)?],
        None => all(&client.peer(&whose.room, &whose.peer).await?),
    };
    if of.len() > MOST {
        note(&format!("{} objects; the first {MOST} are traced", of.len()));
    }
    let (tell, mut told) = mpsc::channel(WAITING);
    let mut asked = 0;
    for object in of.iter().take(MOST) {
        let Some((what, wanted)) = wanted(object, &types) else { continue };
        let events = client.trace(&whose.room, &whose.peer, object, &wanted).await?;
        asked += 1;
        tokio::spawn(pass_on(events, what, object.clone(), tell.clone()));
    }
    drop(tell);
    if asked == 0 {
        let message = "there is nothing of that kind to trace: `starling peers get` shows what is";
        return Err(Failure::Usage(vec![message.to_owned()]));
    }
    until.tell(remote.output, async || Ok(told.recv().await)).await
}

fn all(of: &PeerObjects) -> Vec<Object> {
    let transports = of.transports.iter().map(|it| Object::Transport(it.id.clone()));
    let producers = of.producers.iter().map(|it| Object::Producer(it.id.clone()));
    let consumers = of.consumers.iter().map(|it| Object::Consumer(it.id.clone()));
    transports.chain(producers).chain(consumers).collect()
}

/// What an object is called, and which of the types it has are wanted; nothing if none are.
fn wanted(of: &Object, types: &[TraceType]) -> Option<(&'static str, Vec<&'static str>)> {
    let (what, has) = match of {
        Object::Transport(_) => ("transport", TraceType::OF_TRANSPORT),
        Object::Producer(_) => ("producer", TraceType::OF_PRODUCER),
        Object::Consumer(_) => ("consumer", TraceType::OF_CONSUMER),
        Object::DataProducer(_) | Object::DataConsumer(_) => return None,
    };
    let rare = |kind: TraceType| !matches!(kind, TraceType::Rtp | TraceType::Probation);
    let chosen = |kind: &TraceType| {
        if types.is_empty() { rare(*kind) } else { types.contains(kind) }
    };
    let names: Vec<_> = has.iter().filter(|kind| chosen(kind)).map(|kind| kind.name()).collect();
    (!names.is_empty()).then_some((what, names))
}

/// Until the object ends, or nobody listens.
async fn pass_on(mut events: Events, object: &'static str, of: Object, tell: mpsc::Sender<Passed>) {
    let path = of.to_string();
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    while let Ok(Some(ServerEvent { event, data, .. })) = events.next().await {
        match serde_json::from_str(&data) {
            Ok(event) => {
                if tell.send(Passed { object, id: id.clone(), event }).await.is_err() {
                    return;
                }
            }
            Err(_) if event == "lost" => note(&format!("{object} {id}: {data} were too fast")),
            Err(error) => note(&format!("{object} {id}: {error}")),
        }
    }
}

/// Shows what happens to a node's objects.
///
/// # Errors
/// What the node said.
pub(super) async fn observe(
    client: &Client,
    node: &NodeId,
    room: Option<&RoomId>,
    format: Format,
    until: Until,
) -> Result<(), Failure> {
    let mut events = client.observe(node, room).await?;
    let next = async || {
        loop {
            let Some(ServerEvent { event, data, .. }) = events.next().await? else {
                return Ok(None);
            };
            match serde_json::from_str::<Observed>(&data) {
                Ok(observed) => return Ok(Some(observed)),
                Err(_) if event == "lost" => note(&format!("{data} were too fast")),
                Err(error) => return Err(Failure::Failed(error.to_string())),
            }
        }
    };
    until.tell(format, next).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_is_asked_for_what_it_has() {
        let track = Kind::Producer.of("p").unwrap();
        let transport = Kind::Transport.of("t").unwrap();
        assert_eq!(
            wanted(&track, &[]),
            Some(("producer", vec!["keyframe", "nack", "pli", "fir", "sr"]))
        );
        assert_eq!(wanted(&transport, &[]), Some(("transport", vec!["bwe"])));
        assert_eq!(wanted(&transport, &[TraceType::Rtp]), None);
        assert_eq!(wanted(&track, &[TraceType::Rtp]), Some(("producer", vec!["rtp"])));
        assert_eq!(wanted(&Kind::DataProducer.of("d").unwrap(), &[]), None);
        assert!(trace_type("rtcp").unwrap_err().contains("keyframe"));
    }

    #[test]
    fn what_passed_is_a_line() {
        let event = json!({
            "type": "nack", "timestamp": 86_399_999, "direction": "in", "info": {"count": 2}
        });
        let event = serde_json::from_value(event).unwrap();
        let passed = Passed { object: "producer", id: "p".into(), event };
        assert_eq!(passed.cells().join("|"), "23:59:59.999|producer|p|in|nack|count=2");
    }

    #[test]
    fn what_was_observed_is_of_the_innermost_object() {
        let observed: Observed = serde_json::from_value(json!({
            "event": "newproducer", "timestamp": 0, "roomId": "demo", "peerId": "ada",
            "transportId": "t", "producerId": "p", "info": {"kind": "audio"}
        }))
        .unwrap();
        let line = "00:00:00.000|newproducer|demo|ada|producer|p|kind=audio";
        assert_eq!(observed.cells().join("|"), line);
    }
}
