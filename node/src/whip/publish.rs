//! WHIP: an offer becomes producers. `plan` decides, `publish` carries it out.

use serde_json::{Value, json};
use starling_actors::negotiation::{accepted_parameters, is_rtx};
use starling_proto::{
    Code, MediaKind, Refusal, RtpCapabilities, RtpParameters,
    signal::{ClientRequest, Produce},
    transport::WebRtcTransportInfo,
};

use super::{caller::Caller, live::Introduction};
use crate::sdp::{Answer, AnswerSection, Offer, Section};

/// A producer to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Planned {
    pub(super) kind: MediaKind,
    pub(super) source: String,
    pub(super) rtp: RtpParameters,
}

/// What of an offer is taken: one entry per m-line.
///
/// # Errors
/// `not_acceptable` if it is nothing.
pub(super) fn plan(
    offer: &Offer,
    router: &RtpCapabilities,
) -> Result<Vec<Option<Planned>>, Refusal> {
    let mut seen = (0, 0);
    let mut take = |section: &Section| {
        let kind = section.kind.filter(|_| section.way.sends())?;
        let rtp = accepted_parameters(kind, &section.rtp, router)?;
        let (name, count) = match kind {
            MediaKind::Audio => ("audio", &mut seen.0),
            MediaKind::Video => ("video", &mut seen.1),
        };
        *count += 1;
        // The same name when it comes again is the same source to those who watch it.
        let source = if *count == 1 { name.to_owned() } else { format!("{name}-{count}") };
        Some(Planned { kind, source, rtp })
    };
    let planned: Vec<_> = offer.sections.iter().map(&mut take).collect();
    if planned.iter().all(Option::is_none) {
        return Err(nothing(offer, router));
    }
    Ok(planned)
}

fn nothing(offer: &Offer, router: &RtpCapabilities) -> Refusal {
    let sends = offer.sections.iter().any(|s| s.kind.is_some() && s.way.sends());
    if !sends {
        return Refusal::new(Code::NotAcceptable, "the offer sends nothing")
            .hint("WHIP publishes; to play, use the /whep/ path");
    }
    Refusal::new(Code::NotAcceptable, "the offer has no codec that the room takes")
        .hint(format!("the room takes {}", known(router)))
}

/// The router's codecs, for people.
pub(super) fn known(router: &RtpCapabilities) -> String {
    let mut names: Vec<String> = Vec::new();
    for codec in router.codecs.iter().filter(|codec| !is_rtx(&codec.mime_type)) {
        let profile = codec.parameters.get("profile-level-id").and_then(Value::as_str);
        let profile = profile.map_or(String::new(), |profile| format!(" ({profile})"));
        let name = format!("{}{profile}", codec.mime_type);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// Makes the producers, and the answer that says so.
pub(super) async fn publish(
    caller: &mut Caller,
    offer: &Offer,
    planned: Vec<Option<Planned>>,
    who: Introduction,
    session: u64,
) -> Result<(String, WebRtcTransportInfo), Refusal> {
    let transport: WebRtcTransportInfo = caller
        .ask(ClientRequest::CreateWebRtcTransport { producing: true, force_tcp: false })
        .await?;
    let id = transport.transport_id.clone();
    let _: Value = caller.ask(ClientRequest::Join(Box::new(who.join(false)))).await?;
    let mut sections = Vec::with_capacity(planned.len());
    for planned in planned {
        let Some(Planned { kind, source, rtp }) = planned else {
            sections.push(AnswerSection::Refused);
            continue;
        };
        let produce = Produce {
            transport_id: id.clone(),
            kind,
            rtp_parameters: rtp.clone(),
            paused: false,
            key_frame_request_delay: 0,
            app_data: json!({ "source": source }),
        };
        let _: Value = caller.ask(ClientRequest::Produce(Box::new(produce))).await?;
        sections.push(AnswerSection::Receives(rtp));
    }
    let dtls = offer.dtls.clone();
    let connect = ClientRequest::ConnectWebRtcTransport { transport: id, dtls };
    let _: Value = caller.ask(connect).await?;
    let answer = Answer { offer, transport: &transport, sections: &sections, session };
    Ok((answer.to_text(), transport))
}
