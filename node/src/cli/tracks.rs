//! `starling tracks`: what peers send, mediasoup's producers.

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use serde_json::{Value, json};
use starling_client::{Client, Object};
use starling_proto::{
    NodeId, PeerId, ProducerId, RoomId, TransportId,
    rest::{ChangeProducer, CreateProducer, PeerInfo, ProducerCreated, ProducerInfo},
    rtp::RtpType,
};

use super::{
    done::Done,
    live,
    look::Look,
    objects::{self, Whose},
    output::{Failure, Line},
    remote::Remote,
};

/// What peers send.
#[derive(Debug, clap::Args)]
pub(super) struct Tracks {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What the peers of a room send, or one of them.
    #[command(visible_alias = "ls")]
    List {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// Only this peer's.
        peer: Option<PeerId>,
        #[command(flatten)]
        look: Look,
    },
    /// What the node holds of one, or with `--stats` counts, as JSON.
    Get {
        #[command(flatten)]
        whose: Whose,
        /// The track.
        id: ProducerId,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Begins one on a program's transport: what is sent there goes into the room.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        transport: TransportId,
        #[command(flatten)]
        what: What,
    },
    /// Forwards nothing of it until it is resumed. Its client is not told; those who get it are.
    Pause {
        #[command(flatten)]
        whose: Whose,
        /// The track.
        id: ProducerId,
    },
    /// Forwards it again.
    Resume {
        #[command(flatten)]
        whose: Whose,
        /// The track.
        id: ProducerId,
    },
    /// Ends it.
    Close {
        #[command(flatten)]
        whose: Whose,
        /// The track.
        id: ProducerId,
    },
}

/// What will be sent.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct What {
    /// JSON with kind and rtpParameters, as of `POST …/producers`; `-` for stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["codec", "ssrc", "payload_type"])]
    file: Option<String>,
    /// Or the codec: opus, vp8, vp9, h264, h265, av1, pcmu, pcma or g722.
    #[arg(long, required_unless_present = "file", value_parser = codec)]
    codec: Option<Codec>,
    /// Its SSRC.
    #[arg(long, required_unless_present = "file")]
    ssrc: Option<u32>,
    /// Its payload type.
    #[arg(long, required_unless_present = "file")]
    #[arg(value_parser = clap::value_parser!(u8).range(0..128))]
    payload_type: Option<u8>,
    /// The name of the source, as camera, microphone or screen.
    #[arg(long)]
    source: Option<String>,
}

/// A codec as it is written into RTP parameters, with one encoding and nothing negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Codec {
    mime_type: &'static str,
    clock_rate: u32,
}

const CODECS: [(&str, &str, u32); 9] = [
    ("opus", "audio/opus", 48_000),
    ("vp8", "video/VP8", 90_000),
    ("vp9", "video/VP9", 90_000),
    ("h264", "video/H264", 90_000),
    ("h265", "video/H265", 90_000),
    ("av1", "video/AV1", 90_000),
    ("pcmu", "audio/PCMU", 8_000),
    ("pcma", "audio/PCMA", 8_000),
    ("g722", "audio/G722", 8_000),
];

fn codec(text: &str) -> Result<Codec, String> {
    let known = CODECS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text));
    let (_, mime_type, clock_rate) = known.ok_or_else(|| {
        let names: Vec<_> = CODECS.iter().map(|(name, ..)| *name).collect();
        format!("it is one of {}", names.join(", "))
    })?;
    Ok(Codec { mime_type, clock_rate: *clock_rate })
}

impl What {
    fn read(self) -> Result<CreateProducer, Failure> {
        let Self { file, codec, ssrc, payload_type, source } = self;
        let mut wish: Value = match (file, codec) {
            (Some(file), _) => objects::body(&file)?,
            (None, codec) => parameters(codec, ssrc, payload_type),
        };
        if let Some(source) = source {
            wish["appData"]["source"] = source.into();
        }
        serde_json::from_value(wish).map_err(|error| Failure::Usage(vec![error.to_string()]))
    }
}

fn parameters(codec: Option<Codec>, ssrc: Option<u32>, payload_type: Option<u8>) -> Value {
    let Some(Codec { mime_type, clock_rate }) = codec else { return Value::Null };
    let kind = mime_type.split('/').next().unwrap_or_default();
    let mut codec =
        json!({"mimeType": mime_type, "payloadType": payload_type, "clockRate": clock_rate});
    match mime_type {
        // RFC 7587 §7: always announced as stereo.
        "audio/opus" => codec["channels"] = 2.into(),
        // RFC 6184 §6.2: what every encoder of today sends.
        "video/H264" => codec["parameters"] = json!({"packetization-mode": 1}),
        _ => {}
    }
    json!({
        "kind": kind, "appData": {"source": kind},
        "rtpParameters": {"codecs": [codec], "encodings": [{"ssrc": ssrc}]}
    })
}

/// A track in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Track {
    room: RoomId,
    peer: PeerId,
    node: NodeId,
    /// An operator has silenced it.
    muted: bool,
    #[serde(flatten)]
    producer: ProducerInfo,
}

fn tracks(room: &RoomId, of: PeerInfo) -> Vec<Track> {
    let PeerInfo { id: peer, node, muted, producers, .. } = of;
    let track = |producer: ProducerInfo| Track {
        room: room.clone(),
        peer: peer.clone(),
        node: node.clone(),
        muted: muted.has(producer.kind),
        producer,
    };
    producers.into_iter().map(track).collect()
}

impl Line for Track {
    const HEAD: &'static [&'static str] =
        &["track", "peer", "source", "codec", "type", "state", "node"];

    fn name(&self) -> String {
        self.producer.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let Self { peer, node, muted, producer, .. } = self;
        let state = match (muted, producer.paused) {
            (true, _) => "muted",
            (false, true) => "paused",
            (false, false) => "on",
        };
        let kind = match producer.rtp_type {
            RtpType::Simple => "simple",
            RtpType::Simulcast => "simulcast",
            RtpType::Svc => "svc",
            RtpType::Pipe => "pipe",
        };
        let (source, codec) = (producer.source.clone(), producer.mime_type.clone());
        let (kind, state) = (kind.to_owned(), state.to_owned());
        vec![self.name(), peer.to_string(), source, codec, kind, state, node.to_string()]
    }
}

impl Line for ProducerCreated {
    const HEAD: &'static [&'static str] = &["track"];

    fn name(&self) -> String {
        self.producer_id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name()]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Tracks { verb, remote }: Tracks) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Verb::List { room, peer, look } => {
            let fetch = async || {
                let mut peers = client.peers(&room).await?;
                peers.retain(|it| peer.as_ref().is_none_or(|peer| it.id == *peer));
                Ok(peers.into_iter().flat_map(|peer| tracks(&room, peer)).collect())
            };
            look.all(remote.output, fetch).await
        }
        Verb::Get { whose, id, stats } => {
            objects::seen(&remote, &client, &whose, &Object::Producer(id), stats).await
        }
        Verb::Create { whose: Whose { room, peer }, transport, what } => {
            remote.show(&client.produce(&room, &peer, &transport, &what.read()?).await?)
        }
        Verb::Pause { whose, id } => set(&remote, &client, &whose, &id, true).await,
        Verb::Resume { whose, id } => set(&remote, &client, &whose, &id, false).await,
        Verb::Close { whose: Whose { room, peer }, id } => {
            client.close(&room, &peer, &Object::Producer(id.clone())).await?;
            let to: [(_, &dyn ToString); 3] = [("room", &room), ("peer", &peer), ("track", &id)];
            remote.done(&Done::new("close", &to, format!("track {id} of {peer} is closed")))
        }
    }
}

async fn set(
    remote: &Remote,
    client: &Client,
    Whose { room, peer }: &Whose,
    id: &ProducerId,
    paused: bool,
) -> Result<(), Failure> {
    client.change_producer(room, peer, id, &ChangeProducer { paused: Some(paused) }).await?;
    let (did, word) = if paused { ("pause", "is paused") } else { ("resume", "goes on") };
    let to: [(_, &dyn ToString); 3] = [("room", room), ("peer", peer), ("track", id)];
    remote.done(&Done::new(did, &to, format!("track {id} of {peer} {word}")))
}

#[cfg(test)]
mod tests {
    use starling_proto::MediaKind;

    use super::*;

    #[test]
    fn a_codec_is_enough_for_what_a_program_sends() {
        let what = |name: &str| What {
            file: None,
            codec: Some(codec(name).unwrap()),
            ssrc: Some(7),
            payload_type: Some(101),
            source: None,
        };
        let opus = what("Opus").read().unwrap();
        assert_eq!((opus.kind, &opus.app_data["source"]), (MediaKind::Audio, &json!("audio")));
        assert_eq!(opus.rtp_parameters.codecs[0].channels, Some(2));
        let camera = What { source: Some("screen".into()), ..what("h264") }.read().unwrap();
        assert_eq!((camera.kind, camera.app_data), (MediaKind::Video, json!({"source": "screen"})));
        assert_eq!(camera.rtp_parameters.codecs[0].clock_rate, 90_000);
        assert!(codec("mp3").unwrap_err().starts_with("it is one of opus, vp8"));
    }
}
