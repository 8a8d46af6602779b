//! Producers of the room on the m-lines of a player. `choose` decides which, and [`Slots`] goes on
//! with it while the session lives: an m-line whose producer ended takes the next one that fits,
//! under the same MID and with the same wish for layers. Never does: speak SDP or HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Map, Value};
use starling_actors::{
    negotiation::{Numbers, ScalabilityMode},
    session::ToClient,
};
use starling_proto::{
    Code, ConsumerId, MediaKind, PeerId, ProducerId, Refusal, RtpCapabilities, RtpParameters,
    rtp::RtpCodecParameters,
    signal::{ClientNotification, ClientRequest, Consume, ProducerSummary, ServerNotification},
};
use tokio::time::{Instant, timeout_at};

use super::{
    caller::Caller,
    events::State,
    layers::{Wish, list},
    protocol::Protocol,
};
use crate::sdp::{Offer, Section, Sent};

/// RFC 8843.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Longest MID that a consumer can have.
const MAX_MID: usize = 8;
/// Producers that are remembered for m-lines that fall free.
const MAX_PRODUCERS: usize = 2_000;
/// Players that are counted one by one: a room's peers, on all its nodes, are not more.
const MAX_VIEWERS: usize = 10_000;
/// Longest wait for the room's other nodes, which tell what they have once they see this one in the
/// room: a write to the registry and a way over a link, some 10 ms, and more between regions.
const ROSTER_WITHIN: Duration = Duration::from_millis(500);

/// What a session plays.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Only this peer's, if one was named.
    of: Option<PeerId>,
    producers: BTreeMap<ProducerId, ProducerSummary>,
    /// Who else plays in the room, by WHEP.
    viewers: BTreeSet<PeerId>,
}

/// An m-line that receives.
#[derive(Debug)]
struct Slot {
    /// Its index in the offer.
    line: usize,
    kind: MediaKind,
    mid: Option<String>,
    /// What was answered: later producers must fit it.
    takes: RtpCapabilities,
    playing: Option<Playing>,
    /// Which layers, if the player has said so; also of what comes later.
    wish: Option<Wish>,
}

/// What an m-line shows.
#[derive(Debug)]
struct Playing {
    consumer: ConsumerId,
    producer: ProducerId,
    layers: ScalabilityMode,
}

/// The producer for an m-line: of the named peer, or of the peer that another m-line shows already,
/// or of the first peer that has one.
fn choose<'a>(
    kind: MediaKind,
    of: Option<&PeerId>,
    shown: Option<&PeerId>,
    producers: impl Iterator<Item = &'a ProducerSummary> + Clone,
) -> Option<&'a ProducerSummary> {
    let of_kind = producers.filter(|producer| producer.kind == kind);
    match of {
        Some(peer) => of_kind.clone().find(|producer| producer.peer_id == *peer),
        None => {
            let same = of_kind.clone().find(|producer| Some(&producer.peer_id) == shown);
            same.or_else(|| of_kind.clone().min_by_key(|producer| &producer.peer_id))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consumed {
    consumer_id: ConsumerId,
    rtp_parameters: RtpParameters,
}

impl Slots {
    /// Empty, for the streams of one peer, or of any.
    pub(super) fn of(of: Option<PeerId>) -> Self {
        Self { of, ..Self::default() }
    }

    pub(super) fn learn(&mut self, producer: ProducerSummary) {
        if let Some(old) = &producer.replaces {
            self.producers.remove(old);
            let playing = self.slots.iter_mut().filter_map(|slot| slot.playing.as_mut());
            // Its consumer goes on with the new one.
            playing.filter(|playing| playing.producer == *old).for_each(|playing| {
                playing.producer.clone_from(&producer.producer_id);
            });
        }
        if self.producers.len() < MAX_PRODUCERS {
            self.producers.insert(producer.producer_id.clone(), producer);
        }
    }

    pub(super) fn meet(&mut self, peer: PeerId, device: &Value) {
        if device["flag"] == Protocol::Whep.name() && self.viewers.len() < MAX_VIEWERS {
            self.viewers.insert(peer);
        }
    }

    /// Takes a wish for layers, which holds for its m-line from now on.
    ///
    /// # Errors
    /// `bad_request` if it cannot be met.
    pub(super) async fn prefer(&mut self, caller: &mut Caller, wish: Wish) -> Result<(), Refusal> {
        let line = wish.line()?;
        let pictures = self.slots.iter_mut().filter(|slot| slot.kind == MediaKind::Video);
        let named = pictures.filter(|slot| line.is_none_or(|line| slot.line == line));
        let Some(slot) = named.min_by_key(|slot| slot.line) else {
            return Err(Refusal::new(Code::BadRequest, "no pictures are played on this m-line")
                .hint("'mediaId' is the index of a video m-line of the offer, counted from 0"));
        };
        let before = slot.wish.replace(wish);
        let chosen = slot.choose_layers(caller).await;
        if chosen.is_err() {
            slot.wish = before;
        }
        chosen
    }

    /// How things stand, for who wants to be told.
    pub(super) async fn state(&self, caller: &mut Caller) -> State {
        let mut layers = Map::new();
        for Slot { line, playing, .. } in self.slots.iter().filter(|s| s.kind == MediaKind::Video) {
            let Some(Playing { producer, layers: of, .. }) = playing else { continue };
            #[derive(Deserialize)]
            struct Answer {
                stats: Value,
            }
            let asked = ClientRequest::ProducerStats(producer.clone());
            let answer: Result<Answer, _> = caller.ask(asked).await;
            let stats = answer.map_or(Value::Null, |answer| answer.stats);
            layers.insert(line.to_string(), list(*of, &stats));
        }
        State {
            active: self.slots.iter().any(|slot| slot.playing.is_some()),
            layers: Value::Object(layers),
            viewers: self.viewers.len() + 1,
        }
    }

    /// Waits for something to play on each m-line that receives, while nothing was chosen yet. Some
    /// clients (werift) play what the answer names by SSRC, and nothing else.
    pub(super) async fn gather(&mut self, caller: &mut Caller, offer: &Offer) {
        let receiving = offer.sections.iter().filter(|section| section.way.receives());
        let kinds: Vec<MediaKind> = receiving.filter_map(|section| section.kind).collect();
        let until = Instant::now() + ROSTER_WITHIN;
        let known = |slots: &Self| {
            let of = slots.of.as_ref();
            kinds.iter().all(|kind| choose(*kind, of, None, slots.producers.values()).is_some())
        };
        while !known(self) {
            match timeout_at(until, caller.told()).await {
                Ok(Some(ToClient::Notification(told))) => {
                    self.hear(caller, told).await;
                }
                Ok(Some(ToClient::Close { .. }) | None) | Err(_) => return,
                // Nothing has been asked, and the transport is not connected yet.
                Ok(Some(_)) => {}
            }
        }
    }

    /// Fills an m-line, or promises to: what is answered for one that nothing fits yet is all that
    /// could come.
    pub(super) async fn add(
        &mut self,
        caller: &mut Caller,
        line: usize,
        section: &Section,
        router: &RtpCapabilities,
    ) -> Result<Option<Sent>, Refusal> {
        let Some(kind) = section.kind.filter(|_| section.way.receives()) else { return Ok(None) };
        let mut takes = section.capabilities();
        let mid = section.mid.clone().filter(|mid| mid.len() <= MAX_MID);
        if mid.is_none() {
            takes.header_extensions.retain(|extension| extension.uri != MID);
        }
        let (named, numbers) = Numbers::of(&takes, router);
        if named.codecs.is_empty() {
            return Ok(None);
        }
        self.slots.push(Slot { line, kind, mid, takes, playing: None, wish: None });
        let place = self.slots.len() - 1;
        let sent = match self.fill(caller, place).await {
            Some((rtp, peer)) => {
                let answered = |pt| rtp.codecs.iter().any(|codec| Some(codec.payload_type) == pt);
                let takes = &mut self.slots[place].takes;
                takes.codecs.retain(|codec| answered(codec.preferred_payload_type));
                let stream = peer.to_string();
                Sent { rtp, stream, track: track(kind, place) }
            }
            None => {
                let mut rtp = promised(&named, &self.slots[place].takes);
                numbers.apply(&mut rtp);
                Sent { rtp, stream: "starling".to_owned(), track: track(kind, place) }
            }
        };
        Ok(Some(sent))
    }

    /// Plays on an m-line what fits it, if something does.
    async fn fill(&mut self, caller: &mut Caller, place: usize) -> Option<(RtpParameters, PeerId)> {
        let mut tried: Vec<ProducerId> = self
            .slots
            .iter()
            .filter_map(|slot| slot.playing.as_ref())
            .map(|playing| playing.producer.clone())
            .collect();
        // A producer that does not fit is passed over; more than a few such are a room of another
        // codec.
        for _ in 0..8 {
            let producer = {
                let playing = self.slots.iter().filter_map(|slot| slot.playing.as_ref());
                let mut peers = playing.filter_map(|playing| self.producers.get(&playing.producer));
                let shown = peers.next().map(|producer| &producer.peer_id);
                let rest = self.producers.values().filter(|p| !tried.contains(&p.producer_id));
                choose(self.slots[place].kind, self.of.as_ref(), shown, rest)?.clone()
            };
            let slot = &self.slots[place];
            let consume = Consume {
                producer_id: producer.producer_id.clone(),
                transport_id: None,
                rtp_capabilities: Some(slot.takes.clone()),
                mid: slot.mid.clone(),
                paused: false,
                preferred_layers: None,
                enable_rtx: None,
                ignore_dtx: false,
            };
            let made: Result<Consumed, _> =
                caller.ask(ClientRequest::Consume(Box::new(consume))).await;
            if let Ok(Consumed { consumer_id: consumer, rtp_parameters }) = made {
                let mode = rtp_parameters.encodings.first();
                let mode = mode.and_then(|encoding| encoding.scalability_mode.as_deref());
                let layers = ScalabilityMode::parse(mode);
                let producer_id = producer.producer_id;
                let playing = Playing { consumer, producer: producer_id, layers };
                self.slots[place].playing = Some(playing);
                // Of a wish for a layer that this one does not have nothing is left.
                let _ = self.slots[place].choose_layers(caller).await;
                return Some((rtp_parameters, producer.peer_id));
            }
            tried.push(producer.producer_id);
        }
        None
    }

    /// Follows what comes and goes in the room; whether that may have changed anything here.
    pub(super) async fn hear(&mut self, caller: &mut Caller, told: ServerNotification) -> bool {
        match told {
            ServerNotification::NewProducer(producer) => self.learn(*producer),
            ServerNotification::ProducerClosed { producer_id } => {
                self.producers.remove(&producer_id);
            }
            ServerNotification::ConsumerClosed { consumer_id } => {
                let slot = self
                    .slots
                    .iter_mut()
                    .find(|slot| slot.playing.as_ref().is_some_and(|p| p.consumer == consumer_id));
                if let Some(slot) = slot {
                    slot.playing = None;
                }
            }
            ServerNotification::NewPeer { peer } => {
                self.meet(peer.peer_id, &peer.device);
                return true;
            }
            ServerNotification::PeerClosed { peer_id } => return self.viewers.remove(&peer_id),
            _ => return false,
        }
        for place in 0..self.slots.len() {
            if self.slots[place].playing.is_none() {
                let _ = self.fill(caller, place).await;
            }
        }
        true
    }
}

impl Slot {
    /// Asks for the layers that the player wishes, if it does and something plays.
    async fn choose_layers(&self, caller: &mut Caller) -> Result<(), Refusal> {
        let (Some(wish), Some(playing)) = (&self.wish, &self.playing) else { return Ok(()) };
        let layers = wish.layers(playing.layers)?;
        let consumer = playing.consumer.clone();
        caller.tell(ClientNotification::SetConsumerPreferredLayers(consumer, layers)).await;
        Ok(())
    }
}

fn track(kind: MediaKind, place: usize) -> String {
    match kind {
        MediaKind::Audio => format!("audio-{place}"),
        MediaKind::Video => format!("video-{place}"),
    }
}

/// Parameters of whatever may come, in the router's numbers.
fn promised(named: &RtpCapabilities, takes: &RtpCapabilities) -> RtpParameters {
    let codecs = named.codecs.iter().filter_map(|codec| {
        Some(RtpCodecParameters {
            mime_type: codec.mime_type.clone(),
            payload_type: codec.preferred_payload_type?,
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: codec.parameters.clone(),
            rtcp_feedback: codec.rtcp_feedback.clone(),
        })
    });
    let extensions = named.header_extensions.iter().filter(|extension| {
        takes.header_extensions.iter().any(|theirs| theirs.uri == extension.uri)
    });
    RtpParameters {
        codecs: codecs.collect(),
        header_extensions: extensions
            .map(|extension| starling_proto::rtp::RtpHeaderExtensionParameters {
                uri: extension.uri.clone(),
                id: extension.preferred_id,
                encrypt: false,
                parameters: Map::default(),
            })
            .collect(),
        ..RtpParameters::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn producer(peer: &str, kind: &str) -> ProducerSummary {
        serde_json::from_value(json!({
            "peerId": peer, "producerId": format!("{peer}-{kind}"), "kind": kind, "source": kind,
            "type": "simple", "mimeType": "video/VP8", "paused": false,
        }))
        .unwrap()
    }

    #[test]
    fn sound_is_taken_of_whom_the_pictures_show_and_of_the_named_peer_alone() {
        let all = [
            producer("ann", "audio"),
            producer("bob", "video"),
            producer("bob", "audio"),
            producer("eve", "video"),
        ];
        let id = |text: &str| text.parse::<PeerId>().unwrap();
        let of = |kind, of: Option<&str>, shown: Option<&str>| {
            let (of, shown) = (of.map(id), shown.map(id));
            let chosen = choose(kind, of.as_ref(), shown.as_ref(), all.iter());
            chosen.map(|producer| producer.peer_id.to_string())
        };
        assert_eq!(of(MediaKind::Video, None, None).as_deref(), Some("bob"));
        assert_eq!(of(MediaKind::Audio, None, Some("bob")).as_deref(), Some("bob"));
        assert_eq!(of(MediaKind::Audio, None, Some("eve")).as_deref(), Some("ann"));
        assert_eq!(of(MediaKind::Video, Some("eve"), Some("bob")).as_deref(), Some("eve"));
        assert_eq!(of(MediaKind::Video, Some("ann"), None), None);
    }
}
