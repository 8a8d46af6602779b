//! What clients may say: shapes are serde's, values are checked here, once, at the edge. Everything
//! behind relies on it, and so do other clients, whose SDP is made of these texts. Never does:
//! compare with a router.

use std::collections::BTreeSet;

use serde_json::Value;
use starling_proto::{
    MediaKind, Refusal, RtpCapabilities, RtpParameters,
    rtp::{
        Parameters, RtcpFeedback, RtpCodecCapability, RtpCodecParameters, RtpEncodingParameters,
        RtpHeaderExtensionParameters,
    },
};

use super::{
    codec::{apt, is_rtx, kind_of},
    refuse::{bad, unsupported},
    scalability::ScalabilityMode,
};

/// Bounds of what a client may send.
pub mod limits {
    /// Codecs of capabilities or parameters: Chromium lists about 45 with all RTX and FEC.
    pub const CODECS: usize = 64;
    /// Header extensions: the router knows 12, browsers about 20 over audio and video.
    pub const HEADER_EXTENSIONS: usize = 32;
    /// Encodings: browsers send at most 3; a pipe names each by a bit and a score.
    pub const ENCODINGS: usize = 8;
    /// `fmtp` parameters of one codec: H265 has about 20.
    pub const PARAMETERS: usize = 32;
    /// RTCP feedback of one codec: browsers send 5.
    pub const RTCP_FEEDBACK: usize = 16;
    /// Bytes of a name: MIME type, parameter key, feedback.
    pub const NAME: usize = 64;
    /// Bytes of a parameter's text: `sprop-parameter-sets` is the longest, about 200.
    pub const TEXT: usize = 1024;
    /// Bytes of an extension URI; and of `msid`, two ids of at most 64 (RFC 8830) and what
    /// applications make of them.
    pub const URI: usize = 256;
    /// Bytes of CNAME: the length field of SDES (RFC 3550 §6.5).
    pub const CNAME: usize = 255;
    /// Bytes of MID from a client: browsers use a decimal number, SDP libraries up to an UUID.
    pub const MID: usize = 64;
    /// Bytes of RID: what the one-byte extension form carries (RFC 8852).
    pub const RID: usize = 16;
    /// Bytes of the JSON of an encoding's unknown fields: browsers add six short ones.
    pub const OTHER: usize = 1024;
    /// Layers of either kind inside one stream: VP9 has 3 bits for each, AV1 fewer.
    pub const LAYERS: u8 = 8;
}

/// Fills in what mediasoup fills in: one encoding where there is none, `dtx`, one audio channel
/// where no number is given. Call it before [`validate_rtp_parameters`].
pub fn normalize_rtp_parameters(parameters: &mut RtpParameters) {
    if parameters.encodings.is_empty() {
        parameters.encodings.push(RtpEncodingParameters::default());
    }
    for encoding in &mut parameters.encodings {
        encoding.dtx.get_or_insert(false);
    }
    for codec in &mut parameters.codecs {
        match kind_of(&codec.mime_type) {
            Some(MediaKind::Audio) => _ = codec.channels.get_or_insert(1),
            Some(MediaKind::Video) | None => codec.channels = None,
        }
    }
    parameters.rtcp.reduced_size = true;
}

/// What a producer sends is well formed, bounded and free of ambiguity: no payload type, extension
/// id, SSRC or RID stands for two things, every stream can be recognised, and no text can break out
/// of a line of SDP.
///
/// # Errors
/// `bad_request`; `unsupported_media` for encrypted header extensions and for more layers than
/// [`limits::LAYERS`].
pub fn validate_rtp_parameters(parameters: &RtpParameters) -> Result<(), Refusal> {
    if parameters.codecs.is_empty() {
        return Err(bad("codecs is empty", "name at least one media codec"));
    }
    count("codecs", parameters.codecs.len(), limits::CODECS)?;
    count("headerExtensions", parameters.header_extensions.len(), limits::HEADER_EXTENSIONS)?;
    count("encodings", parameters.encodings.len(), limits::ENCODINGS)?;
    if let Some(mid) = &parameters.mid {
        token("mid", mid, limits::MID)?;
    }
    if let Some(cname) = &parameters.rtcp.cname {
        text("rtcp.cname", cname, limits::CNAME)?;
    }
    if let Some(msid) = &parameters.msid {
        text("msid", msid, limits::URI)?;
    }
    codecs(&parameters.codecs)?;
    header_extensions(&parameters.header_extensions)?;
    encodings(parameters)
}

/// What an endpoint can receive is well formed and bounded.
///
/// # Errors
/// `bad_request`.
pub fn validate_rtp_capabilities(capabilities: &RtpCapabilities) -> Result<(), Refusal> {
    count("codecs", capabilities.codecs.len(), limits::CODECS)?;
    count("headerExtensions", capabilities.header_extensions.len(), limits::HEADER_EXTENSIONS)?;
    let mut payload_types = BTreeSet::new();
    for codec in &capabilities.codecs {
        validate_media_codec(codec)?;
        if is_rtx(&codec.mime_type) && apt(&codec.parameters).is_none() {
            return Err(bad("an RTX codec has no apt", RTX_HINT));
        }
        if let Some(payload_type) = codec.preferred_payload_type {
            unique("preferredPayloadType", payload_type, &mut payload_types)?;
        }
    }
    let mut ids = BTreeSet::new();
    for extension in &capabilities.header_extensions {
        uri(&extension.uri)?;
        if extension.preferred_id == 0 {
            return Err(bad("header extension id 0", "ids are 1 to 255 (RFC 8285)"));
        }
        unique("header extension id", (extension.kind, extension.preferred_id), &mut ids)?;
    }
    Ok(())
}

/// One codec of a router or a device.
pub(super) fn validate_media_codec(codec: &RtpCodecCapability) -> Result<(), Refusal> {
    if mime_type(&codec.mime_type)? != codec.kind {
        return Err(bad(
            format!("{} is not of its kind", codec.mime_type),
            "kind and the first word of mimeType are the same",
        ));
    }
    if let Some(payload_type) = codec.preferred_payload_type {
        check_payload_type(payload_type)?;
    }
    common(codec.clock_rate, codec.channels, &codec.parameters, &codec.rtcp_feedback)
}

/// 0 to 63 and 96 to 127: with RTP and RTCP on one port, 64 to 95 look like RTCP (RFC 5761 §4).
pub(super) fn is_payload_type(payload_type: u8) -> bool {
    matches!(payload_type, 0..=63 | 96..=127)
}

const RTX_HINT: &str = "apt names the payload type of the media codec it retransmits";

fn codecs(codecs: &[RtpCodecParameters]) -> Result<(), Refusal> {
    let mut payload_types = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for codec in codecs {
        kinds.insert(mime_type(&codec.mime_type)?);
        check_payload_type(codec.payload_type)?;
        unique("payloadType", codec.payload_type, &mut payload_types)?;
        common(codec.clock_rate, codec.channels, &codec.parameters, &codec.rtcp_feedback)?;
    }
    if kinds.len() > 1 {
        return Err(bad("audio and video codecs are mixed", "produce them separately"));
    }
    for rtx in codecs.iter().filter(|codec| is_rtx(&codec.mime_type)) {
        let media = apt(&rtx.parameters).is_some_and(|apt| is_media(codecs, apt));
        if !media {
            return Err(bad(
                format!("RTX payload type {} has no media codec", rtx.payload_type),
                RTX_HINT,
            ));
        }
    }
    if codecs.iter().all(|codec| is_rtx(&codec.mime_type)) {
        return Err(bad("there is no media codec", "name one before its RTX"));
    }
    Ok(())
}

fn is_media(codecs: &[RtpCodecParameters], payload_type: u8) -> bool {
    codecs.iter().any(|codec| codec.payload_type == payload_type && !is_rtx(&codec.mime_type))
}

fn header_extensions(extensions: &[RtpHeaderExtensionParameters]) -> Result<(), Refusal> {
    let (mut ids, mut uris) = (BTreeSet::new(), BTreeSet::new());
    for extension in extensions {
        uri(&extension.uri)?;
        unique("header extension", extension.uri.as_str(), &mut uris)?;
        if extension.id == 0 {
            return Err(bad("header extension id 0", "ids are 1 to 255 (RFC 8285)"));
        }
        unique("header extension id", extension.id, &mut ids)?;
        if extension.encrypt {
            return Err(unsupported(
                format!("header extension {} is encrypted", extension.id),
                "send header extensions in the clear: RFC 6904 is not supported",
            ));
        }
        fmtp(&extension.parameters)?;
    }
    Ok(())
}

fn encodings(parameters: &RtpParameters) -> Result<(), Refusal> {
    let (mut ssrcs, mut rids) = (BTreeSet::new(), BTreeSet::new());
    for encoding in &parameters.encodings {
        for ssrc in encoding.ssrc.into_iter().chain(encoding.rtx.map(|rtx| rtx.ssrc)) {
            if ssrc == 0 {
                return Err(bad("SSRC 0", "leave ssrc out where it is not known"));
            }
            unique("SSRC", ssrc, &mut ssrcs)?;
        }
        if let Some(rid) = &encoding.rid {
            token("rid", rid, limits::RID)?;
            unique("rid", rid.as_str(), &mut rids)?;
        }
        if let Some(payload_type) = encoding.codec_payload_type
            && !is_media(&parameters.codecs, payload_type)
        {
            return Err(bad(
                format!("codecPayloadType {payload_type} is not a media codec"),
                "it names one of codecs",
            ));
        }
        scalability(encoding.scalability_mode.as_deref())?;
        other(&encoding.other)?;
    }
    recognisable(parameters)
}

/// Of the fields that travel along with an encoding.
fn other(fields: &Parameters) -> Result<(), Refusal> {
    let size = serde_json::to_string(fields).map_or(usize::MAX, |json| json.len());
    if fields.is_empty() || size <= limits::OTHER {
        return Ok(());
    }
    Err(bad("an encoding has too many unknown fields", "leave them out"))
}

/// Every stream can be told from the others when its first packet comes (mediasoup `RtpListener`).
fn recognisable(parameters: &RtpParameters) -> Result<(), Refusal> {
    let nameless =
        |encoding: &RtpEncodingParameters| encoding.ssrc.is_none() && encoding.rid.is_none();
    match parameters.encodings.as_slice() {
        [] if parameters.mid.is_some() => Ok(()),
        [only] if parameters.mid.is_some() || !nameless(only) => Ok(()),
        [] | [_] => {
            Err(bad("the stream cannot be recognised", "give mid, or the encoding's ssrc or rid"))
        }
        several if several.iter().any(nameless) => Err(bad(
            "one of several encodings has neither ssrc nor rid",
            "give each encoding an ssrc or a rid",
        )),
        _ => Ok(()),
    }
}

fn scalability(mode: Option<&str>) -> Result<(), Refusal> {
    let Some(mode) = mode else { return Ok(()) };
    text("scalabilityMode", mode, limits::NAME)?;
    let layers = ScalabilityMode::parse(Some(mode));
    if layers.spatial_layers > limits::LAYERS || layers.temporal_layers > limits::LAYERS {
        return Err(unsupported(
            format!("{mode} has too many layers"),
            format!("at most {} of either kind", limits::LAYERS),
        ));
    }
    Ok(())
}

fn common(
    clock_rate: u32,
    channels: Option<u8>,
    parameters: &Parameters,
    feedback: &[RtcpFeedback],
) -> Result<(), Refusal> {
    if !(1_000..=1_000_000).contains(&clock_rate) {
        return Err(bad(format!("clockRate {clock_rate}"), "it is in Hz, as 48000 or 90000"));
    }
    if channels == Some(0) {
        return Err(bad("channels 0", "leave channels out, or say how many there are"));
    }
    fmtp(parameters)?;
    count("rtcpFeedback", feedback.len(), limits::RTCP_FEEDBACK)?;
    for entry in feedback {
        token("rtcpFeedback.type", &entry.kind, limits::NAME)?;
        text("rtcpFeedback.parameter", &entry.parameter, limits::NAME)?;
    }
    Ok(())
}

fn fmtp(parameters: &Parameters) -> Result<(), Refusal> {
    count("parameters", parameters.len(), limits::PARAMETERS)?;
    for (key, value) in parameters {
        token("parameter name", key, limits::NAME)?;
        match value {
            Value::Number(_) | Value::Bool(_) => {}
            Value::String(value) => text("parameter", value, limits::TEXT)?,
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(bad(format!("parameter {key} is a structure"), "use text or a number"));
            }
        }
    }
    Ok(())
}

fn mime_type(name: &str) -> Result<MediaKind, Refusal> {
    token("mimeType", name, limits::NAME)?;
    kind_of(name)
        .ok_or_else(|| bad(format!("mimeType {name}"), "it is audio/… or video/…, as video/VP8"))
}

fn check_payload_type(payload_type: u8) -> Result<(), Refusal> {
    if is_payload_type(payload_type) {
        return Ok(());
    }
    Err(bad(
        format!("payload type {payload_type}"),
        "use 96 to 127, or 0 to 63: the others look like RTCP (RFC 5761)",
    ))
}

fn uri(uri: &str) -> Result<(), Refusal> {
    token("header extension uri", uri, limits::URI)
}

/// Visible ASCII: cannot end a word or a line of SDP.
fn token(what: &str, value: &str, max: usize) -> Result<(), Refusal> {
    let fits = (1..=max).contains(&value.len());
    if fits && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(bad(
        format!("{what} is empty, too long, or has other than visible ASCII characters"),
        "no spaces; see the bounds in the API documentation",
    ))
}

/// Any text on one line.
fn text(what: &str, value: &str, max: usize) -> Result<(), Refusal> {
    if value.len() <= max && !value.chars().any(char::is_control) {
        return Ok(());
    }
    Err(bad(
        format!("{what} is longer than {max} bytes or has control characters"),
        "one line of text",
    ))
}

fn count(what: &str, len: usize, max: usize) -> Result<(), Refusal> {
    if len <= max {
        return Ok(());
    }
    Err(bad(format!("{what} has {len} entries"), "leave out what is not used"))
}

fn unique<T: Ord + std::fmt::Debug>(
    what: &str,
    value: T,
    seen: &mut BTreeSet<T>,
) -> Result<(), Refusal> {
    let shown = format!("{value:?}");
    if seen.insert(value) {
        return Ok(());
    }
    Err(bad(format!("{what} {shown} is used twice"), "each stands for one thing"))
}
