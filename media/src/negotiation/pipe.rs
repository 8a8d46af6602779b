//! A producer on its way to another node or worker (mediasoup `getPipeConsumerRtpParameters`, but
//! numbers stay the router's and RTX is left out). All of it follows from the consumable
//! parameters, which both ends have, so nothing about it is ever sent. Never does: choose what a
//! pipe forwards.

use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{
        CodecMapping, EncodingMapping, RtcpFeedback, RtpCodecParameters,
        RtpHeaderExtensionParameters, RtpMapping,
    },
};

use super::{
    codec::{is_rtx, kind_of},
    extension::{
        ABS_CAPTURE_TIME, ABS_SEND_TIME, AUDIO_LEVEL, DEPENDENCY_DESCRIPTOR, MID, PLAYOUT_DELAY,
        TOFFSET, TRANSPORT_WIDE_CC, VIDEO_ORIENTATION, extension_id,
    },
};

/// What the producer's node knows about a packet and the far node cannot make itself.
const CARRIED: [&str; 5] =
    [AUDIO_LEVEL, VIDEO_ORIENTATION, TOFFSET, ABS_CAPTURE_TIME, PLAYOUT_DELAY];

/// What every node writes anew for its own clients.
const WRITTEN: [&str; 3] = [MID, ABS_SEND_TIME, TRANSPORT_WIDE_CC];

/// What a pipe carries: all encodings under the router's SSRCs and payload types, no RTX (a link
/// answers NACKs with the packet itself), no MID, no bandwidth estimation, and for video the
/// dependency descriptor, by which the far node chooses layers, whether its clients get it or not.
pub fn pipe_parameters(consumable: &RtpParameters) -> RtpParameters {
    RtpParameters {
        mid: None,
        codecs: media(consumable).map(piped_codec).collect(),
        header_extensions: header_extensions(consumable),
        encodings: consumable.encodings.clone(),
        rtcp: consumable.rtcp.clone(),
        msid: consumable.msid.clone(),
    }
}

/// The far node's mapping of a piped producer: every number to itself.
pub fn pipe_mapping(pipe: &RtpParameters) -> RtpMapping {
    RtpMapping {
        codecs: pipe
            .codecs
            .iter()
            .map(|codec| CodecMapping {
                payload_type: codec.payload_type,
                mapped_payload_type: codec.payload_type,
            })
            .collect(),
        encodings: pipe
            .encodings
            .iter()
            .filter_map(|encoding| {
                let ssrc = encoding.ssrc?;
                Some(EncodingMapping {
                    ssrc: Some(ssrc),
                    rid: None,
                    scalability_mode: encoding.scalability_mode.clone(),
                    mapped_ssrc: ssrc,
                })
            })
            .collect(),
    }
}

/// What the far node's consumers are made from: the same, RTX included, without extensions that
/// neither travel nor are written anew.
pub fn pipe_consumable(consumable: &RtpParameters) -> RtpParameters {
    let there = |extension: &&RtpHeaderExtensionParameters| {
        let uri = extension.uri.as_str();
        CARRIED.contains(&uri) || WRITTEN.contains(&uri)
    };
    RtpParameters {
        header_extensions: consumable.header_extensions.iter().filter(there).cloned().collect(),
        ..consumable.clone()
    }
}

fn media(consumable: &RtpParameters) -> impl Iterator<Item = &RtpCodecParameters> {
    consumable.codecs.iter().filter(|codec| !is_rtx(&codec.mime_type))
}

fn piped_codec(codec: &RtpCodecParameters) -> RtpCodecParameters {
    let kept = |feedback: &&RtcpFeedback| {
        matches!(
            (feedback.kind.as_str(), feedback.parameter.as_str()),
            ("nack", "" | "pli") | ("ccm", "fir")
        )
    };
    RtpCodecParameters {
        rtcp_feedback: codec.rtcp_feedback.iter().filter(kept).cloned().collect(),
        ..codec.clone()
    }
}

fn header_extensions(consumable: &RtpParameters) -> Vec<RtpHeaderExtensionParameters> {
    let carried =
        |extension: &&RtpHeaderExtensionParameters| CARRIED.contains(&extension.uri.as_str());
    let mut list: Vec<_> = consumable.header_extensions.iter().filter(carried).cloned().collect();
    let video = media(consumable).any(|codec| kind_of(&codec.mime_type) == Some(MediaKind::Video));
    if video {
        list.extend(extension_id(DEPENDENCY_DESCRIPTOR).map(|id| RtpHeaderExtensionParameters {
            uri: DEPENDENCY_DESCRIPTOR.to_owned(),
            id,
            encrypt: false,
            parameters: Default::default(),
        }));
    }
    list.sort_by_key(|extension| extension.id);
    list
}
