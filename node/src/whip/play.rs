//! WHEP: producers of the room on the m-lines of an offer. `choose` decides which, `play` carries
//! it out, and `Slots` goes on with it while the session lives: an m-line whose producer ended
//! takes the next one that fits, under the same MID.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use starling_actors::{negotiation::Numbers, session::ToClient};
use starling_proto::{
    Code, ConsumerId, MediaKind, PeerId, ProducerId, Refusal, RtpCapabilities, RtpParameters,
    rtp::RtpCodecParameters,
    signal::{ClientRequest, Consume, ProducerSummary, ServerNotification},
    transport::WebRtcTransportInfo,
};
use tokio::time::{Instant, timeout_at};

use super::{caller::Caller, live::Introduction, publish::known};
use crate::sdp::{Answer, AnswerSection, Offer, Section, Sent};

/// RFC 8843.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Longest MID that a consumer can have.
const MAX_MID: usize = 8;
/// Producers that are remembered for m-lines that fall free.
const MAX_PRODUCERS: usize = 2_000;
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
}

/// An m-line that receives.
#[derive(Debug)]
struct Slot {
    kind: MediaKind,
    mid: Option<String>,
    /// What was answered: later producers must fit it.
    takes: RtpCapabilities,
    playing: Option<(ConsumerId, ProducerId)>,
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
struct Joined {
    #[serde(default)]
    producers: Vec<ProducerSummary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consumed {
    consumer_id: ConsumerId,
    rtp_parameters: RtpParameters,
}

/// Makes the consumers, and the answer that says so.
pub(super) async fn play(
    caller: &mut Caller,
    router: &RtpCapabilities,
    offer: &Offer,
    of: Option<PeerId>,
    who: Introduction,
    session: u64,
) -> Result<(String, WebRtcTransportInfo, Slots), Refusal> {
    let transport: WebRtcTransportInfo = caller
        .ask(ClientRequest::CreateWebRtcTransport { producing: false, force_tcp: false })
        .await?;
    let joined: Joined = caller.ask(ClientRequest::Join(Box::new(who.join(true)))).await?;
    let mut slots = Slots { of, ..Slots::default() };
    joined.producers.into_iter().for_each(|producer| slots.learn(producer));
    slots.gather(caller, offer).await;
    // Pictures first: sound is then taken of whom they show.
    let mut order: Vec<usize> = (0..offer.sections.len()).collect();
    order.sort_by_key(|index| offer.sections[*index].kind != Some(MediaKind::Video));
    let mut sections = vec![AnswerSection::Refused; offer.sections.len()];
    for index in order {
        if let Some(sent) = slots.add(caller, &offer.sections[index], router).await? {
            sections[index] = AnswerSection::Sends(sent);
        }
    }
    let id = transport.transport_id.clone();
    let connect = ClientRequest::ConnectWebRtcTransport { transport: id, dtls: offer.dtls.clone() };
    let _: Value = caller.ask(connect).await?;
    let answer = Answer { offer, transport: &transport, sections: &sections, session };
    Ok((answer.to_text(), transport, slots))
}

/// Something of the offer can be answered, whoever comes.
///
/// # Errors
/// `not_acceptable` if nothing can.
pub(super) fn check(offer: &Offer, router: &RtpCapabilities) -> Result<(), Refusal> {
    let mut receiving = offer.sections.iter().filter(|s| s.kind.is_some() && s.way.receives());
    if receiving.clone().next().is_none() {
        return Err(Refusal::new(Code::NotAcceptable, "the offer receives nothing")
            .hint("WHEP plays: offer recvonly m-lines; to publish, use the /whip/ path"));
    }
    if receiving.all(|section| Numbers::of(&section.capabilities(), router).0.codecs.is_empty()) {
        return Err(Refusal::new(Code::NotAcceptable, "the offer has no codec that the room has")
            .hint(format!("the room has {}", known(router))));
    }
    Ok(())
}

impl Slots {
    fn learn(&mut self, producer: ProducerSummary) {
        if let Some(old) = &producer.replaces {
            self.producers.remove(old);
            let playing = self.slots.iter_mut().filter_map(|slot| slot.playing.as_mut());
            // Its consumer goes on with the new one.
            playing.filter(|(_, of)| of == old).for_each(|(_, of)| {
                of.clone_from(&producer.producer_id);
            });
        }
        if self.producers.len() < MAX_PRODUCERS {
            self.producers.insert(producer.producer_id.clone(), producer);
        }
    }

    /// Waits for something to play on each m-line that receives, while nothing was chosen yet. Some
    /// clients (werift) play what the answer names by SSRC, and nothing else.
    async fn gather(&mut self, caller: &mut Caller, offer: &Offer) {
        let receiving = offer.sections.iter().filter(|section| section.way.receives());
        let kinds: Vec<MediaKind> = receiving.filter_map(|section| section.kind).collect();
        let until = Instant::now() + ROSTER_WITHIN;
        let known = |slots: &Self| {
            let of = slots.of.as_ref();
            kinds.iter().all(|kind| choose(*kind, of, None, slots.producers.values()).is_some())
        };
        while !known(self) {
            match timeout_at(until, caller.told()).await {
                Ok(Some(ToClient::Notification(told))) => self.hear(caller, told).await,
                Ok(Some(ToClient::Close { .. }) | None) | Err(_) => return,
                // Nothing has been asked, and the transport is not connected yet.
                Ok(Some(_)) => {}
            }
        }
    }

    /// Fills an m-line, or promises to: what is answered for one that nothing fits yet is all that
    /// could come.
    async fn add(
        &mut self,
        caller: &mut Caller,
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
        self.slots.push(Slot { kind, mid, takes, playing: None });
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
            .map(|p| p.1.clone())
            .collect();
        // A producer that does not fit is passed over; more than a few such are a room of another
        // codec.
        for _ in 0..8 {
            let producer = {
                let playing = self.slots.iter().filter_map(|slot| slot.playing.as_ref());
                let mut peers = playing.filter_map(|(_, id)| self.producers.get(id));
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
                ignore_dtx: false,
            };
            let made: Result<Consumed, _> =
                caller.ask(ClientRequest::Consume(Box::new(consume))).await;
            if let Ok(Consumed { consumer_id, rtp_parameters }) = made {
                self.slots[place].playing = Some((consumer_id, producer.producer_id));
                return Some((rtp_parameters, producer.peer_id));
            }
            tried.push(producer.producer_id);
        }
        None
    }

    /// Follows what comes and goes in the room.
    pub(super) async fn hear(&mut self, caller: &mut Caller, told: ServerNotification) {
        match told {
            ServerNotification::NewProducer(producer) => self.learn(*producer),
            ServerNotification::ProducerClosed { producer_id } => {
                self.producers.remove(&producer_id);
            }
            ServerNotification::ConsumerClosed { consumer_id } => {
                let slot = self
                    .slots
                    .iter_mut()
                    .find(|slot| slot.playing.as_ref().is_some_and(|(id, _)| *id == consumer_id));
                if let Some(slot) = slot {
                    slot.playing = None;
                }
            }
            _ => return,
        }
        for place in 0..self.slots.len() {
            if self.slots[place].playing.is_none() {
                let _ = self.fill(caller, place).await;
            }
        }
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
                parameters: serde_json::Map::default(),
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
