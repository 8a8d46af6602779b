//! Clients that speak SDP: what of an offer the router takes, and receivers that have numbers of
//! their own. mediasoup-client does both on its side; WHIP and WHEP clients do neither. Never does:
//! read SDP.

use std::borrow::Cow;

use serde_json::{Value, json};
use starling_proto::{
    MediaKind, RtpCapabilities, RtpParameters,
    rtp::{Direction, RtpCodecCapability, RtpCodecParameters, RtpHeaderExtensionParameters},
};

use super::{
    codec::{Fit, apt, is_red, is_rtx, prefers_red, red_of, same},
    producer::rtx_of,
};

/// What the router takes of an offered stream: the first media codec that both have, its RTX, its
/// redundant form if that is offered before it, and
/// of feedback and header extensions what both know. `None` if there is no such codec.
pub fn accepted_parameters(
    kind: MediaKind,
    offered: &RtpParameters,
    router: &RtpCapabilities,
) -> Option<RtpParameters> {
    let media = offered
        .codecs
        .iter()
        .filter(|codec| !is_rtx(&codec.mime_type) && !is_red(&codec.mime_type));
    let (theirs, ours) = media
        .map(constrained)
        .filter_map(|theirs| {
            let fits = |ours: &&RtpCodecCapability| {
                ours.kind == kind && same(&*theirs, *ours, Fit::Strict)
            };
            let ours = router.codecs.iter().find(fits)?;
            Some((theirs, ours))
        })
        .next()?;
    let mut codecs = vec![answered(&theirs, ours)];
    let rtx = ours.preferred_payload_type.and_then(|pt| rtx_of(pt, router)).and_then(|ours| {
        let theirs = offered.codecs.iter().find(|codec| {
            is_rtx(&codec.mime_type) && apt(&codec.parameters) == Some(theirs.payload_type)
        })?;
        Some(answered(theirs, ours))
    });
    codecs.extend(rtx);
    let has_rtx = codecs.len() > 1;
    // Its sender repeats itself if the answer has RED first, as the offer had (libwebrtc
    // `webrtc_voice_engine.cc`, `SetSendCodecs`).
    let before =
        offered.codecs.iter().take_while(|codec| codec.payload_type != theirs.payload_type);
    let of_theirs = red_of(theirs.payload_type);
    let mut red = before.filter(|codec| is_red(&codec.mime_type) && codec.parameters == of_theirs);
    if let Some(red) = red.next()
        && let Some(ours) = router.codecs.iter().find(|ours| same(red, *ours, Fit::Strict))
    {
        codecs.insert(0, answered(red, ours));
    }
    let mut encodings = offered.encodings.clone();
    for encoding in &mut encodings {
        encoding.rtx = encoding.rtx.filter(|_| has_rtx);
    }
    Some(RtpParameters {
        codecs,
        header_extensions: extensions_from(kind, offered, router),
        encodings,
        ..offered.clone()
    })
}

/// H.264 of Baseline profile counts as Constrained Baseline: encoders that say the former (ffmpeg's
/// whip muxer always does) send no slice groups or redundant slices, which are all that the latter
/// lacks (ITU-T H.264 A.2.1, A.2.1.1) and which no browser's decoder knows.
fn constrained(theirs: &RtpCodecParameters) -> Cow<'_, RtpCodecParameters> {
    let level = theirs
        .parameters
        .get("profile-level-id")
        .and_then(Value::as_str)
        .filter(|_| theirs.mime_type.eq_ignore_ascii_case("video/H264"))
        .and_then(|id| id.strip_prefix("4200"));
    let Some(level) = level else { return Cow::Borrowed(theirs) };
    let mut codec = theirs.clone();
    codec.parameters.insert("profile-level-id".into(), json!(format!("42e0{level}")));
    Cow::Owned(codec)
}

fn answered(theirs: &RtpCodecParameters, ours: &RtpCodecCapability) -> RtpCodecParameters {
    let both = |feedback: &&_| ours.rtcp_feedback.contains(feedback);
    RtpCodecParameters {
        rtcp_feedback: theirs.rtcp_feedback.iter().filter(both).cloned().collect(),
        ..theirs.clone()
    }
}

fn extensions_from(
    kind: MediaKind,
    offered: &RtpParameters,
    router: &RtpCapabilities,
) -> Vec<RtpHeaderExtensionParameters> {
    let taken = |theirs: &&RtpHeaderExtensionParameters| {
        router.header_extensions.iter().any(|ours| {
            let from_clients = matches!(
                ours.direction.unwrap_or_default(),
                Direction::Sendrecv | Direction::Recvonly
            );
            ours.uri == theirs.uri && ours.kind.is_none_or(|of| of == kind) && from_clients
        })
    };
    offered.header_extensions.iter().filter(taken).cloned().collect()
}

/// The numbers that a receiver has given to the router's codecs and extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The router's payload type, and the receiver's.
    payload_types: Vec<(u8, u8)>,
    /// An extension, and the receiver's id.
    extensions: Vec<(String, u8)>,
}

impl Numbers {
    /// What a receiver with numbers of its own can take, in the router's numbers, as
    /// [`super::consumer_parameters`] reads it; and the way back.
    pub fn of(device: &RtpCapabilities, router: &RtpCapabilities) -> (RtpCapabilities, Self) {
        let mut named = RtpCapabilities::default();
        let mut numbers = Self::default();
        let red = prefers_red(device);
        let wanted = |codec: &&RtpCodecCapability| {
            !is_rtx(&codec.mime_type) && (red || !is_red(&codec.mime_type))
        };
        for ours in router.codecs.iter().filter(wanted) {
            let theirs = device.codecs.iter().find(|theirs| same(*theirs, ours, Fit::Strict));
            if let Some(theirs) = theirs {
                numbers.take(&mut named, theirs, ours);
            }
        }
        // The order says whether they want it.
        named.codecs.sort_by_key(|codec| !is_red(&codec.mime_type));
        for ours in router.codecs.iter().filter(|codec| is_rtx(&codec.mime_type)) {
            let media = apt(&ours.parameters).and_then(|apt| numbers.payload_type(apt));
            let theirs = device.codecs.iter().find(|theirs| {
                is_rtx(&theirs.mime_type) && media.is_some() && apt(&theirs.parameters) == media
            });
            if let Some(theirs) = theirs {
                numbers.take(&mut named, theirs, ours);
            }
        }
        for theirs in &device.header_extensions {
            let ours = router.header_extensions.iter().find(|ours| ours.uri == theirs.uri);
            if let Some(ours) = ours {
                let mut extension = theirs.clone();
                extension.preferred_id = ours.preferred_id;
                named.header_extensions.push(extension);
                numbers.extensions.push((theirs.uri.clone(), theirs.preferred_id));
            }
        }
        (named, numbers)
    }

    fn take(
        &mut self,
        named: &mut RtpCapabilities,
        theirs: &RtpCodecCapability,
        ours: &RtpCodecCapability,
    ) {
        let (Some(from), Some(to)) = (ours.preferred_payload_type, theirs.preferred_payload_type)
        else {
            return;
        };
        self.payload_types.push((from, to));
        named.codecs.push(RtpCodecCapability {
            preferred_payload_type: Some(from),
            rtcp_feedback: theirs.rtcp_feedback.clone(),
            ..ours.clone()
        });
    }

    fn payload_type(&self, ours: u8) -> Option<u8> {
        self.payload_types.iter().find(|(from, _)| *from == ours).map(|(_, to)| *to)
    }

    /// A consumer's parameters in the receiver's numbers.
    pub fn apply(&self, rtp: &mut RtpParameters) {
        for codec in &mut rtp.codecs {
            if let Some(to) = self.payload_type(codec.payload_type) {
                codec.payload_type = to;
            }
            if is_rtx(&codec.mime_type)
                && let Some(to) = apt(&codec.parameters).and_then(|apt| self.payload_type(apt))
            {
                codec.parameters.insert("apt".into(), json!(to));
            }
        }
        let media =
            rtp.codecs.iter().find(|codec| !is_rtx(&codec.mime_type) && !is_red(&codec.mime_type));
        if let Some(repeated) = media.map(|codec| codec.payload_type) {
            for red in rtp.codecs.iter_mut().filter(|codec| is_red(&codec.mime_type)) {
                red.parameters = red_of(repeated);
            }
        }
        for extension in &mut rtp.header_extensions {
            let theirs = self.extensions.iter().find(|(uri, _)| *uri == extension.uri);
            if let Some((_, id)) = theirs {
                extension.id = *id;
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/numbers.rs"]
mod tests;
