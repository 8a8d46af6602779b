//! WHEP: an offer becomes consumers. `check` says whether it can, `play` carries it out; [`Slots`]
//! goes on with them.

use serde::Deserialize;
use serde_json::Value;
use starling_actors::negotiation::Numbers;
use starling_proto::{
    Code, MediaKind, PeerId, Refusal, RtpCapabilities,
    signal::{ClientRequest, ProducerSummary},
    transport::WebRtcTransportInfo,
};

use super::{caller::Caller, live::Introduction, publish::known, slots::Slots};
use crate::sdp::{Answer, AnswerSection, Offer};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    #[serde(default)]
    producers: Vec<ProducerSummary>,
    #[serde(default)]
    peers: Vec<Other>,
}

/// Somebody else in the room.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Other {
    peer_id: PeerId,
    #[serde(default)]
    device: Value,
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
    let mut slots = Slots::of(of);
    joined.producers.into_iter().for_each(|producer| slots.learn(producer));
    joined.peers.into_iter().for_each(|other| slots.meet(other.peer_id, &other.device));
    slots.gather(caller, offer).await;
    // Pictures first: sound is then taken of whom they show.
    let mut order: Vec<usize> = (0..offer.sections.len()).collect();
    order.sort_by_key(|index| offer.sections[*index].kind != Some(MediaKind::Video));
    let mut sections = vec![AnswerSection::Refused; offer.sections.len()];
    for index in order {
        if let Some(sent) = slots.add(caller, index, &offer.sections[index], router).await? {
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
