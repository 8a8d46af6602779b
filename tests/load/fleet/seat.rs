//! A member's place in its room on one node: a session, a transport each way, what it sends and
//! what it gets there. Decides nothing: `rejoin` says when one is taken and left.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use starling_cluster::decide::rejoin::SeatId;
use starling_media::{
    rtcp::{self, RtcpItem, SenderInfo, build},
    rtp::{NtpTime, RtpHeader},
};
use tokio::sync::mpsc;

use super::{
    ear::{Ear, StreamKey},
    sender::{Sender, stamp_of},
};
use crate::{
    client::{Failure, Heard, Identity, Look, Signal, Transport, connect, transport},
    sys::monotonic,
};

/// Nanoseconds within which a stream has to have come to count as one that flows: some of its
/// packets, and a key frame's wait.
const FLOWS: u64 = 600_000_000;

/// Who sits down, and where.
#[derive(Clone)]
pub(super) struct Who {
    pub(super) peer: String,
    pub(super) room: String,
    pub(super) token: Option<String>,
    /// The number in its stamps, and its room's.
    pub(super) member: u32,
    pub(super) room_number: u32,
    pub(super) publishes: bool,
    pub(super) has_camera: bool,
    pub(super) has_microphone: bool,
    /// Members of the fleet by name: what comes of them is stamped.
    pub(super) members: Arc<HashMap<String, u32>>,
    pub(super) ear: Arc<Mutex<Ear>>,
    pub(super) identity: Identity,
}

/// What happens on a seat.
#[derive(Debug)]
pub(super) enum News {
    /// Its WebSocket is open.
    Opened,
    /// The node said something.
    Told { method: String, data: Value },
    /// It answered.
    Answered,
    /// The session is over.
    Closed { code: u16, reason: String },
}

/// Where seats tell their news. Bounded where it is made; what does not fit is lost.
pub(super) type Tell = mpsc::Sender<(SeatId, News)>;

/// A stream that comes on this seat.
#[derive(Clone, Debug)]
struct Line {
    key: StreamKey,
    /// The member's number and room; none of whoever is no member.
    expected: Option<(u32, u32)>,
    last: u64,
}

type Lines = Arc<Mutex<HashMap<u32, Line>>>;

/// See the module.
pub(super) struct Seat {
    pub(super) id: SeatId,
    /// Its node's id and URL, as the node names itself.
    pub(super) node: String,
    pub(super) url: String,
    signal: Arc<Signal>,
    down: Transport,
    up: Option<(Transport, Arc<Mutex<Sender>>)>,
    lines: Lines,
}

/// What `join` was answered.
pub(super) struct Joined {
    pub(super) seat: Seat,
    pub(super) answer: Value,
}

/// How a seat is taken.
pub(super) struct Taking {
    pub(super) id: SeatId,
    pub(super) url: String,
    pub(super) ticket: Option<String>,
    /// The member sits elsewhere and goes on there until all is ready here.
    pub(super) moves: bool,
}

impl Seat {
    /// Connects, makes transports, joins, produces.
    pub(super) async fn take(who: Who, how: Taking, tell: Tell) -> Result<Joined, Failure> {
        let Taking { id, url, ticket, moves } = how;
        let mut query = format!("{url}?roomId={}&peerId={}", who.room, who.peer);
        for (name, value) in [("token", &who.token), ("resume", &ticket)] {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={value}"));
            }
        }
        let lines = Lines::default();
        let listener = listener(id, &who, &lines, tell.clone());
        let signal = Arc::new(Signal::listening(&query, Box::new(listener)).await?);
        let _ = tell.try_send((id, News::Opened));
        let ask = || signal.request("getRouterRtpCapabilities", json!({}));
        let down = transport(&signal, "consumer");
        let (capabilities, down) = tokio::try_join!(ask(), down)?;
        let capabilities = capabilities["routerRtpCapabilities"].clone();
        let up = if who.publishes { Some(transport(&signal, "producer").await?) } else { None };
        let media = async {
            let down = connect(&signal, &down.1, &who.identity, true);
            let up = async {
                let Some((_, info)) = &up else { return Ok(None) };
                connect(&signal, info, &who.identity, true).await.map(Some)
            };
            tokio::try_join!(down, up)
        };
        let joining = json!({
            "displayName": who.peer, "device": {"name": "starling-load"},
            "rtpCapabilities": capabilities
        });
        let join = signal.request("join", joining);
        // Who moves joins last: the old seat goes on until this one could take over at once.
        let ((down, up_media), answer) = if moves {
            let media = media.await?;
            (media, join.await?)
        } else {
            tokio::try_join!(media, join)?
        };
        down.look(hear(id, &who, &lines));
        let up = match (up, up_media) {
            (Some((transport, _)), Some(media)) => {
                let sender = produce(&signal, &transport, &who, id, &capabilities).await?;
                let sender = Arc::new(Mutex::new(sender));
                media.look(heed(&sender));
                Some((media, sender))
            }
            _ => None,
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let node = text(&answer["node"]["nodeId"]);
        let url = text(&answer["node"]["url"]);
        Ok(Joined { seat: Self { id, node, url, signal, down, up, lines }, answer })
    }

    /// Sends a picture.
    pub(super) async fn picture(&self, number: u64, fps: u32) {
        let Some((up, sender)) = &self.up else { return };
        let packets = lock(sender).picture(number, fps);
        for packet in &packets {
            // A node that is gone refuses: the session says so.
            let _ = up.send(packet).await;
        }
    }

    /// Sends a sound.
    pub(super) async fn sound(&self, number: u64, ms: u32) {
        let Some((up, sender)) = &self.up else { return };
        let packet = lock(sender).sound(number, ms);
        let _ = up.send(&packet).await;
    }

    /// Sends sender reports.
    pub(super) async fn report(&self) {
        let Some((up, sender)) = &self.up else { return };
        let ntp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sent = lock(sender).sent();
        for (ssrc, timestamp, packets, octets) in sent.into_iter().filter(|sent| sent.2 > 0) {
            let ntp = NtpTime::from_unix(ntp);
            let mut bytes = Vec::new();
            let info = SenderInfo { ssrc, ntp, timestamp, packets, octets };
            build::sender_report(&mut bytes, &info, &[]);
            build::sdes_cname(&mut bytes, ssrc, "load");
            let _ = up.send_rtcp(&bytes).await;
        }
    }

    /// Asks something small; the answer is news.
    pub(super) fn ask(&self, tell: Tell) {
        let (signal, id) = (Arc::clone(&self.signal), self.id);
        tokio::spawn(async move {
            if signal.request("getRtcStatsUrl", json!({})).await.is_ok() {
                let _ = tell.try_send((id, News::Answered));
            }
        });
    }

    /// Streams that flow here.
    pub(super) fn flowing(&self) -> BTreeSet<StreamKey> {
        let now = monotonic();
        let lines = lock(&self.lines);
        let flows = |line: &&Line| now.saturating_sub(line.last) < FLOWS;
        lines.values().filter(flows).map(|line| line.key.clone()).collect()
    }

    /// Leaves it: the node is told in the background.
    pub(super) fn leave(self) {
        let Self { signal, down, up, .. } = self;
        tokio::spawn(async move {
            signal.close().await;
            drop((signal, down, up));
        });
    }
}

/// Takes what the node says: a new consumer is known before its media comes.
fn listener(id: SeatId, who: &Who, lines: &Lines, tell: Tell) -> impl Fn(Heard) + use<> {
    let (lines, members) = (Arc::clone(lines), Arc::clone(&who.members));
    let (room, ear) = (who.room_number, Arc::clone(&who.ear));
    move |heard| {
        let news = match heard {
            Heard::Told(told) if told.method == "newConsumer" => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let of = text(&told.data["peerId"]);
                let ssrc = told.data["rtpParameters"]["encodings"][0]["ssrc"].as_u64();
                let expected = members.get(&of).map(|member| (*member, room));
                let key = StreamKey { of, source: text(&told.data["appData"]["source"]) };
                let line = Line { key, expected, last: 0 };
                lock(&lines).insert(ssrc.unwrap_or_default() as u32, line);
                return;
            }
            Heard::Told(told) => {
                if told.method == "peerClosed" {
                    // It left for good: its silence is no gap.
                    let of = told.data["peerId"].as_str().unwrap_or_default();
                    lock(&ear).forget(of);
                    lock(&lines).retain(|_, line| line.key.of != of);
                }
                News::Told { method: told.method, data: told.data }
            }
            Heard::Closed { code, reason } => News::Closed { code, reason },
        };
        let _ = tell.try_send((id, news));
    }
}

/// Measures media.
fn hear(seat: SeatId, who: &Who, lines: &Lines) -> Look {
    let (lines, ear) = (Arc::clone(lines), Arc::clone(&who.ear));
    Box::new(move |rtcp, packet| {
        let Some(header) = RtpHeader::parse(packet).filter(|_| !rtcp) else { return };
        let now = monotonic();
        let mut lines = lock(&lines);
        // Repairs and probes have SSRCs of their own.
        let Some(line) = lines.get_mut(&header.ssrc) else { return };
        line.last = now;
        match (line.expected, stamp_of(header.payload(packet))) {
            (Some(expected), Some(stamp)) => {
                lock(&ear).stamped(now, &line.key, seat, expected, stamp);
            }
            (Some(_), None) => {}
            (None, _) => lock(&ear).unstamped(now, &line.key),
        }
        lock(&ear).packet(&line.key, seat, header.sequence);
    })
}

/// Takes what receivers ask of a sender.
fn heed(sender: &Arc<Mutex<Sender>>) -> Look {
    let sender = Arc::clone(sender);
    Box::new(move |rtcp, packet| {
        for item in rtcp.then(|| rtcp::parse_all(packet)).into_iter().flatten() {
            match item {
                RtcpItem::Pli { media, .. } => lock(&sender).want_key_frame(media),
                RtcpItem::Fir { entries, .. } => {
                    let mut sender = lock(&sender);
                    entries.iter().for_each(|(media, _)| sender.want_key_frame(*media));
                }
                _ => {}
            }
        }
    })
}

/// Produces what the member has, on a transport.
async fn produce(
    signal: &Signal,
    transport: &str,
    who: &Who,
    life: SeatId,
    capabilities: &Value,
) -> Result<Sender, Failure> {
    let codecs = capabilities["codecs"].as_array().ok_or("the room has no codecs")?;
    let codec = |mime: &str| {
        let found = codecs.iter().find(|codec| codec["mimeType"] == mime);
        found.ok_or_else(|| format!("the room lacks {mime}"))
    };
    let (vp8, opus) = (codec("video/VP8")?, codec("audio/opus")?);
    let kind = |codec: &Value| codec["preferredPayloadType"].as_u64().unwrap_or_default() as u8;
    // 16 apart, so that no two members share one.
    let ssrc = 1_000_000 + 16 * who.member;
    let sender = Sender::new(who.member, who.room_number, life, ssrc, (kind(vp8), kind(opus)));
    let wish = |kind: &str, codec: &Value, encodings: Value| {
        let codec = json!({
            "mimeType": codec["mimeType"], "payloadType": codec["preferredPayloadType"],
            "clockRate": codec["clockRate"], "channels": codec["channels"], "parameters": {},
            "rtcpFeedback": codec["rtcpFeedback"]
        });
        let rtp = json!({
            "mid": kind, "codecs": [codec], "headerExtensions": [], "encodings": encodings,
            "rtcp": {"cname": "load"}
        });
        json!({
            "transportId": transport, "kind": kind, "rtpParameters": rtp,
            "appData": {"source": kind}
        })
    };
    let [low, high] = sender.video_ssrcs();
    let layers = json!([
        {"ssrc": low, "scalabilityMode": "L1T1", "maxBitrate": 20_000},
        {"ssrc": high, "scalabilityMode": "L1T1", "maxBitrate": 40_000}
    ]);
    let video = wish("video", vp8, layers);
    let audio = wish("audio", opus, json!([{"ssrc": sender.audio_ssrc()}]));
    let video = async {
        if who.has_camera { signal.request("produce", video).await.map(|_| ()) } else { Ok(()) }
    };
    let audio = async {
        if who.has_microphone { signal.request("produce", audio).await.map(|_| ()) } else { Ok(()) }
    };
    tokio::try_join!(video, audio)?;
    Ok(sender)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
