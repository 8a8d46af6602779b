//! A consumer's parameters as the packet path needs them, and the plan of its header extensions.
//! Never negotiates.

use starling_proto::{MediaKind, rtp::RtpType};

use crate::{
    codec::Codec,
    command::ConsumerParams,
    negotiation::extension as uri,
    producer::{Feedback, MAX_ENCODINGS, ProducerSetup, setup::media_codec},
    rtp::ExtensionPlan,
};

/// SSRCs of one output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputSetup {
    /// Media.
    pub ssrc: u32,
    /// Retransmissions, if negotiated.
    pub rtx_ssrc: Option<u32>,
}

/// What a consumer is.
#[derive(Clone, Debug)]
pub struct ConsumerSetup {
    /// Audio or video.
    pub kind: MediaKind,
    /// What it does with the producer's streams.
    pub rtp_type: RtpType,
    /// What its payloads are.
    pub codec: Codec,
    /// For statistics.
    pub mime_type: String,
    /// In Hz.
    pub clock_rate: u32,
    /// Of media packets.
    pub payload_type: u8,
    /// Of retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// Of media packets with redundancy; others get what is without.
    pub red_payload_type: Option<u8>,
    /// Of its media codec.
    pub feedback: Feedback,
    /// One, or one per encoding for a pipe.
    pub outputs: Vec<OutputSetup>,
    /// Packets of silence are left out.
    pub ignore_dtx: bool,
    /// CNAME of its reports.
    pub cname: String,
    /// Its receiver can decode the lowest spatial layer alone: in AV1 dependency descriptors alone
    /// say which frames are of one picture, and where it ends.
    pub lowest_only: bool,
    mid: Option<String>,
    extensions: Vec<(String, u8)>,
}

impl ConsumerSetup {
    /// `None` without a media codec, or without an encoding that has an SSRC.
    pub fn new(params: &ConsumerParams) -> Option<Self> {
        let rtp = &params.rtp;
        let codec = media_codec(rtp)?;
        let most = if params.rtp_type == RtpType::Pipe { MAX_ENCODINGS } else { 1 };
        let outputs: Option<Vec<_>> = rtp
            .encodings
            .iter()
            .take(most)
            .map(|encoding| {
                let rtx_ssrc = codec.rtx_payload_type.and(encoding.rtx).map(|rtx| rtx.ssrc);
                Some(OutputSetup { ssrc: encoding.ssrc?, rtx_ssrc })
            })
            .collect();
        let outputs = outputs.filter(|outputs| !outputs.is_empty())?;
        let named = Codec::from_mime_type(&codec.media.mime_type, params.kind);
        let mut extensions = rtp.header_extensions.iter();
        let described = extensions.any(|extension| extension.uri == uri::DEPENDENCY_DESCRIPTOR);
        Some(Self {
            kind: params.kind,
            rtp_type: params.rtp_type,
            codec: if params.encrypted { Codec::encrypted(params.kind) } else { named },
            mime_type: codec.media.mime_type.clone(),
            clock_rate: codec.media.clock_rate,
            payload_type: codec.media.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            red_payload_type: codec.red_payload_type,
            feedback: Feedback::new(codec.media),
            outputs,
            ignore_dtx: params.ignore_dtx,
            cname: rtp.rtcp.cname.clone().unwrap_or_default(),
            lowest_only: named == Codec::Av1 && params.rtp_type == RtpType::Svc && !described,
            mid: rtp.mid.clone(),
            extensions: rtp
                .header_extensions
                .iter()
                .map(|extension| (extension.uri.clone(), extension.id))
                .collect(),
        })
    }

    /// Which of `producer`'s extensions it gets, under which ids, and which ones we write.
    pub fn plan(&self, producer: &ProducerSetup) -> ExtensionPlan {
        let mut plan = ExtensionPlan::new();
        for (name, id) in &self.extensions {
            match name.as_str() {
                uri::MID => {
                    if let Some(mid) = &self.mid {
                        plan.constant(*id, mid.as_bytes());
                    }
                }
                uri::ABS_SEND_TIME => plan.abs_send_time(*id),
                uri::TRANSPORT_WIDE_CC => plan.twcc(*id),
                uri::RID | uri::REPAIRED_RID => {}
                uri::DEPENDENCY_DESCRIPTOR if self.rtp_type != RtpType::Pipe => {
                    plan.rewrite(producer.extension(name), *id);
                }
                other => plan.copy(producer.extension(other), *id),
            }
        }
        plan
    }

    /// Whether its packets carry transport-wide sequence numbers, which its receiver tells about.
    pub fn is_told_about(&self) -> bool {
        self.extensions.iter().any(|(name, _)| name == uri::TRANSPORT_WIDE_CC)
    }

    /// Extensions of packets that are sent for nothing but their bytes, under the ids of this
    /// consumer (BW5).
    pub fn probation_plan(&self) -> ExtensionPlan {
        let mut plan = ExtensionPlan::new();
        for (name, id) in &self.extensions {
            match name.as_str() {
                uri::MID => plan.constant(*id, b"probator"),
                uri::ABS_SEND_TIME => plan.abs_send_time(*id),
                uri::TRANSPORT_WIDE_CC => plan.twcc(*id),
                _ => {}
            }
        }
        plan
    }

    /// Whether it can go on with this producer's packets.
    pub fn matches(&self, producer: &ProducerSetup) -> bool {
        self.clock_rate == producer.clock_rate
            && self.codec == producer.codec
            && self.mime_type.eq_ignore_ascii_case(&producer.mime_type)
    }
}
