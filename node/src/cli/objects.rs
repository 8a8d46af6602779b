//! What the nouns about a peer's objects have in common: whose they are, what they are, bodies from
//! files, and the lists of them. Never does: change one.

use std::io::Read;

use clap::ValueEnum;
use clap_complete::engine::ArgValueCompleter;
use serde::{Serialize, de::DeserializeOwned};
use starling_client::{Client, Object};
use starling_proto::{
    Id, IdError, PeerId, RoomId,
    rest::{
        ConsumerObject, DataConsumerObject, DataProducerObject, PeerObjects, TransportKind,
        TransportObject,
    },
};

use super::{
    live,
    output::{self, Failure, Line, or_dash},
    remote::Remote,
};

/// Whose.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct Whose {
    /// The room.
    #[arg(add = ArgValueCompleter::new(live::rooms))]
    pub(super) room: RoomId,
    /// The peer.
    pub(super) peer: PeerId,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Transport,
    Producer,
    Consumer,
    DataProducer,
    DataConsumer,
}

impl Kind {
    /// The object of this kind with this id.
    ///
    /// # Errors
    /// [`Failure::Usage`] for what is no id.
    pub(super) fn of(self, id: &str) -> Result<Object, Failure> {
        let object = match self {
            Self::Transport => Id::parse(id).map(Object::Transport),
            Self::Producer => Id::parse(id).map(Object::Producer),
            Self::Consumer => Id::parse(id).map(Object::Consumer),
            Self::DataProducer => Id::parse(id).map(Object::DataProducer),
            Self::DataConsumer => Id::parse(id).map(Object::DataConsumer),
        };
        object.map_err(|error: IdError| Failure::Usage(vec![format!("{id:?}: {error}")]))
    }
}

/// Prints what the node holds or counts of an object.
///
/// # Errors
/// What the node said.
pub(super) async fn seen(
    remote: &Remote,
    client: &Client,
    Whose { room, peer }: &Whose,
    of: &Object,
    stats: bool,
) -> Result<(), Failure> {
    let told = if stats {
        client.stats(room, peer, of).await?
    } else {
        client.dump(room, peer, of).await?
    };
    output::value(remote.output, &told)
}

/// A body from a file, or from stdin as `-`.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn body<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(vec![format!("{path}: {error}")]);
    let text = if path == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    serde_json::from_str(&text.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))
}

impl Line for TransportObject {
    const HEAD: &'static [&'static str] = &["transport", "type"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), kind(self.kind).to_owned()]
    }
}

impl Line for ConsumerObject {
    const HEAD: &'static [&'static str] = &["consumer", "on transport", "of producer"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.transport_id.to_string(), self.producer_id.to_string()]
    }
}

impl Line for DataProducerObject {
    const HEAD: &'static [&'static str] = &["data producer", "on transport", "label"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.transport_id.to_string(), or_dash(self.label.as_str())]
    }
}

impl Line for DataConsumerObject {
    const HEAD: &'static [&'static str] =
        &["data consumer", "on transport", "of data producer", "label"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let (on, of) = (self.transport_id.to_string(), self.data_producer_id.to_string());
        vec![self.name(), on, of, or_dash(self.label.as_str())]
    }
}

const fn kind(kind: TransportKind) -> &'static str {
    match kind {
        TransportKind::Webrtc => "webrtc",
        TransportKind::Plain => "plain",
        TransportKind::Direct => "direct",
    }
}

/// One of a peer's objects, in a list of all.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    what: &'static str,
    id: String,
    transport: String,
    of: String,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &["what", "id", "on transport", "of"];

    fn name(&self) -> String {
        self.id.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.what.to_owned(), self.name(), self.transport.clone(), self.of.clone()]
    }
}

/// All that a peer has.
pub(super) fn rows(objects: &PeerObjects) -> Vec<Row> {
    let row = |what, id: &dyn ToString, transport: &dyn ToString, of: String| {
        let (id, transport) = (id.to_string(), transport.to_string());
        Row { what, id, transport, of: or_dash(of) }
    };
    let transports = objects.transports.iter().map(|it| {
        let what = match it.kind {
            TransportKind::Webrtc => "webrtc transport",
            TransportKind::Plain => "plain transport",
            TransportKind::Direct => "direct transport",
        };
        row(what, &it.id, &"-", String::new())
    });
    let producers = objects.producers.iter();
    let producers =
        producers.map(|it| row("producer", &it.id, &it.transport_id, it.source.clone()));
    let consumers = objects.consumers.iter();
    let consumers =
        consumers.map(|it| row("consumer", &it.id, &it.transport_id, it.producer_id.to_string()));
    let sent = objects.data_producers.iter();
    let sent = sent.map(|it| row("data producer", &it.id, &it.transport_id, it.label.clone()));
    let got = objects
        .data_consumers
        .iter()
        .map(|it| row("data consumer", &it.id, &it.transport_id, it.data_producer_id.to_string()));
    transports.chain(producers).chain(consumers).chain(sent).chain(got).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_kind_and_id() {
        let path = |kind: Kind| kind.of("a-1").unwrap().to_string();
        assert_eq!(path(Kind::Transport), "transports/a-1");
        assert_eq!(path(Kind::DataConsumer), "data-consumers/a-1");
        assert!(matches!(Kind::Producer.of("a/b"), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_body_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let wrong = |path: &std::path::Path| match body::<Vec<u8>>(path.to_str().unwrap()) {
            Err(Failure::Usage(lines)) => lines.join("\n"),
            other => panic!("{other:?}"),
        };
        assert!(wrong(&path).contains("x.json: No such file"));
        std::fs::write(&path, "[1, 2").unwrap();
        assert!(wrong(&path).contains("x.json: EOF"), "{}", wrong(&path));
        std::fs::write(&path, "[1, 2]").unwrap();
        assert_eq!(body::<Vec<u8>>(path.to_str().unwrap()).unwrap(), [1, 2]);
    }
}
