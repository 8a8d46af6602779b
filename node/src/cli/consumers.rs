//! `starling consumers`: what peers get.

use std::str::FromStr;

use clap::Subcommand;
use starling_client::{Client, Object};
use starling_proto::{
    ConsumerId, MediaKind, ProducerId, TransportId,
    rest::{ChangeConsumer, ConsumerCreated, CreateConsumer},
    rtp::ConsumerLayers,
};

use super::{
    done::Done,
    look::Look,
    objects::{self, Whose},
    output::{self, Failure, Line},
    remote::Remote,
};

/// What peers get.
#[derive(Debug, clap::Args)]
pub(super) struct Consumers {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What a peer gets.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        look: Look,
    },
    /// What the node holds of one, or with `--stats` counts, as JSON.
    Get {
        #[command(flatten)]
        whose: Whose,
        /// The consumer.
        id: ConsumerId,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Sends a track of the room, of whichever node, on a program's transport.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        transport: TransportId,
        /// The track.
        track: ProducerId,
        #[command(flatten)]
        how: How,
    },
    /// Sends nothing on it until it is resumed.
    Pause {
        #[command(flatten)]
        whose: Whose,
        /// The consumer.
        id: ConsumerId,
    },
    /// Sends on it again, or for the first time.
    Resume {
        #[command(flatten)]
        whose: Whose,
        /// The consumer.
        id: ConsumerId,
    },
    /// Changes the layers that are wanted, and the weight among the videos of its transport.
    Set {
        #[command(flatten)]
        whose: Whose,
        /// The consumer.
        id: ConsumerId,
        /// The highest layers: 2, or 2:1 with a temporal one.
        #[arg(long, required_unless_present = "priority", value_name = "SPATIAL[:TEMPORAL]")]
        layers: Option<Layers>,
        /// 1 to 255.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
        priority: Option<u8>,
    },
    /// Asks the sender for a key frame.
    Keyframe {
        #[command(flatten)]
        whose: Whose,
        /// The consumer.
        id: ConsumerId,
    },
    /// Ends it. Its client is told.
    Close {
        #[command(flatten)]
        whose: Whose,
        /// The consumer.
        id: ConsumerId,
    },
}

/// What most consumers do not need.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct How {
    /// Begins when it is resumed.
    #[arg(long)]
    paused: bool,
    /// The receiver's RTP capabilities, as JSON; `-` for stdin. Needed on a WebRTC transport.
    #[arg(long, value_name = "FILE")]
    capabilities: Option<String>,
    /// The highest layers: 2, or 2:1 with a temporal one.
    #[arg(long, value_name = "SPATIAL[:TEMPORAL]")]
    layers: Option<Layers>,
    /// Prints nothing but the SDP, for `ffmpeg -i`.
    #[arg(long)]
    sdp: bool,
}

/// As `2:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layers(ConsumerLayers);

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (spatial, temporal) = match text.split_once(':') {
            None => (text, None),
            Some((spatial, temporal)) => (spatial, Some(temporal)),
        };
        let read = |text: &str| {
            text.parse::<u8>().map_err(|_| "write it as 2, or as 2:1 with a temporal layer")
        };
        let temporal_layer = temporal.map(read).transpose()?;
        Ok(Self(ConsumerLayers { spatial_layer: read(spatial)?, temporal_layer }))
    }
}

impl Line for ConsumerCreated {
    const HEAD: &'static [&'static str] = &["consumer", "of", "track", "kind", "paused"];

    fn name(&self) -> String {
        self.consumer_id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let kind = match self.kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        let paused = if self.producer_paused { "by its sender" } else { "no" };
        let (of, track) = (self.peer_id.to_string(), self.producer_id.to_string());
        vec![self.name(), of, track, kind.to_owned(), paused.to_owned()]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Consumers { verb, remote }: Consumers) -> Result<(), Failure> {
    let client = remote.client()?;
    let done = |Whose { room, peer }: &Whose, id: &ConsumerId, did, word| {
        let to: [(_, &dyn ToString); 3] = [("room", room), ("peer", peer), ("consumer", id)];
        remote.done(&Done::new(did, &to, format!("consumer {id} of {peer} {word}")))
    };
    match verb {
        Verb::List { whose: Whose { room, peer }, look } => {
            let fetch = async || Ok(client.peer(&room, &peer).await?.consumers);
            look.all(remote.output, fetch).await
        }
        Verb::Get { whose, id, stats } => {
            objects::seen(&remote, &client, &whose, &Object::Consumer(id), stats).await
        }
        Verb::Create { whose, transport, track, how } => {
            create(&remote, &client, &whose, &transport, track, how).await
        }
        Verb::Pause { whose, id } => {
            let change = ChangeConsumer { paused: Some(true), ..ChangeConsumer::default() };
            client.change_consumer(&whose.room, &whose.peer, &id, &change).await?;
            done(&whose, &id, "pause", "is paused")
        }
        Verb::Resume { whose, id } => {
            client.resume_consumer(&whose.room, &whose.peer, &id).await?;
            done(&whose, &id, "resume", "goes on")
        }
        Verb::Set { whose, id, layers, priority } => {
            let preferred_layers = layers.map(|Layers(layers)| layers);
            let change = ChangeConsumer { preferred_layers, priority, paused: None };
            client.change_consumer(&whose.room, &whose.peer, &id, &change).await?;
            done(&whose, &id, "set", "is changed")
        }
        Verb::Keyframe { whose, id } => {
            client.request_key_frame(&whose.room, &whose.peer, &id).await?;
            done(&whose, &id, "keyframe", "is to get a key frame")
        }
        Verb::Close { whose, id } => {
            client.close(&whose.room, &whose.peer, &Object::Consumer(id.clone())).await?;
            done(&whose, &id, "close", "is closed")
        }
    }
}

async fn create(
    remote: &Remote,
    client: &Client,
    Whose { room, peer }: &Whose,
    transport: &TransportId,
    producer_id: ProducerId,
    how: How,
) -> Result<(), Failure> {
    let wish = CreateConsumer {
        producer_id,
        rtp_capabilities: how.capabilities.as_deref().map(objects::body).transpose()?,
        paused: how.paused,
        ignore_dtx: false,
        preferred_layers: how.layers.map(|Layers(layers)| layers),
        enable_rtx: None,
        mid: None,
    };
    let made = client.consume(room, peer, transport, &wish).await?;
    match made.sdp.as_deref().filter(|_| how.sdp) {
        Some(sdp) => output::print(sdp),
        None => remote.show(&made),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_a_spatial_one_and_perhaps_a_temporal_one() {
        let layers = |spatial_layer, temporal_layer| {
            Ok(Layers(ConsumerLayers { spatial_layer, temporal_layer }))
        };
        assert_eq!("2".parse(), layers(2, None));
        assert_eq!("0:1".parse(), layers(0, Some(1)));
        for bad in ["", ":", "2:", ":1", "256", "a:b"] {
            assert!(bad.parse::<Layers>().is_err(), "{bad:?}");
        }
    }
}
