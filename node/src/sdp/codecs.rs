//! Codecs and header extensions of an m-line (`a=rtpmap`, `a=fmtp`, `a=rtcp-fb`, `a=extmap`), in
//! mediasoup's words. Never does: know a codec.

use sdp_types::Attribute;
use serde_json::Value;
use starling_proto::{
    MediaKind, Refusal,
    rtp::{Parameters, RtcpFeedback, RtpCodecParameters, RtpHeaderExtensionParameters},
};

use super::{
    MAX_CODECS, MAX_EXTENSIONS, MAX_PARAMETERS,
    offer::{too_large, values},
};

/// Static payload types that clients leave without an `a=rtpmap` (RFC 3551 table 4), of those that
/// a router may have.
const STATIC: [(u8, &str, u32); 3] = [(0, "PCMU", 8000), (8, "PCMA", 8000), (9, "G722", 8000)];

/// The codecs of an m-line, in its order of preference. What cannot be read is left out.
pub(super) fn codecs(
    kind: MediaKind,
    formats: &str,
    attributes: &[Attribute],
) -> Result<Vec<RtpCodecParameters>, Refusal> {
    let mut codecs: Vec<RtpCodecParameters> = Vec::new();
    for format in formats.split_ascii_whitespace() {
        let Some(payload_type) = format.parse().ok().filter(|pt: &u8| *pt < 128) else { continue };
        let known = codecs.iter().any(|codec| codec.payload_type == payload_type);
        let Some(codec) = codec(kind, payload_type, attributes).filter(|_| !known) else {
            continue;
        };
        if codecs.len() >= MAX_CODECS {
            return Err(too_large(format!("an m-line has more than {MAX_CODECS} codecs")));
        }
        codecs.push(codec);
    }
    Ok(codecs)
}

fn codec(
    kind: MediaKind,
    payload_type: u8,
    attributes: &[Attribute],
) -> Option<RtpCodecParameters> {
    let kind_name = match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    let (name, clock_rate, channels) = match of(payload_type, attributes, "rtpmap").next() {
        Some(map) => rtpmap(map)?,
        None => {
            let row = STATIC.iter().find(|row| row.0 == payload_type)?;
            (row.1, row.2, None)
        }
    };
    let mut parameters = Parameters::new();
    of(payload_type, attributes, "fmtp").take(4).for_each(|text| fmtp(text, &mut parameters));
    let any = values(attributes, "rtcp-fb").filter_map(|line| line.strip_prefix("* "));
    let rtcp_feedback = of(payload_type, attributes, "rtcp-fb").chain(any).take(16);
    Some(RtpCodecParameters {
        mime_type: format!("{kind_name}/{name}"),
        payload_type,
        clock_rate,
        channels: channels.filter(|_| kind == MediaKind::Audio),
        parameters,
        rtcp_feedback: rtcp_feedback.map(feedback).collect(),
    })
}

/// Lines `<payload type> <rest>` of one payload type.
fn of<'a>(
    payload_type: u8,
    attributes: &'a [Attribute],
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    values(attributes, name).filter_map(move |line| {
        let (number, rest) = line.split_once(' ')?;
        (number.parse() == Ok(payload_type)).then(|| rest.trim())
    })
}

/// `<name>/<clock rate>[/<channels>]`.
fn rtpmap(text: &str) -> Option<(&str, u32, Option<u8>)> {
    let mut parts = text.split('/');
    let (name, rate) = (parts.next()?, parts.next()?);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    let named = !name.is_empty() && name.len() <= 32 && name.bytes().all(token);
    let clock_rate = rate.parse().ok().filter(|rate: &u32| *rate > 0)?;
    let channels = parts.next().and_then(|channels| channels.parse().ok());
    named.then_some((name, clock_rate, channels))
}

/// `key=value;…`. Whole numbers become numbers, as mediasoup-client has them; a profile such as
/// `640032` only looks like one.
fn fmtp(text: &str, into: &mut Parameters) {
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        if into.len() >= MAX_PARAMETERS {
            return;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (key.trim(), value.trim());
        let number = value.parse::<u32>().ok().filter(|number| number.to_string() == value);
        let value = match number {
            Some(number) if key != "profile-level-id" => Value::from(number),
            Some(_) | None => Value::from(value),
        };
        into.insert(key.to_owned(), value);
    }
}

fn feedback(text: &str) -> RtcpFeedback {
    let (kind, parameter) = text.split_once(' ').unwrap_or((text, ""));
    RtcpFeedback { kind: kind.to_owned(), parameter: parameter.trim().to_owned() }
}

/// The header extensions of an m-line.
pub(super) fn extensions(
    attributes: &[Attribute],
) -> Result<Vec<RtpHeaderExtensionParameters>, Refusal> {
    let mut extensions: Vec<RtpHeaderExtensionParameters> = Vec::new();
    for line in values(attributes, "extmap") {
        let mut words = line.split_ascii_whitespace();
        // `<id>[/<direction>] <uri> [<parameters>]`
        let id = words.next().and_then(|word| word.split('/').next()?.parse().ok());
        let (Some(id), Some(uri)) = (id.filter(|id: &u8| *id > 0), words.next()) else { continue };
        if extensions.len() >= MAX_EXTENSIONS {
            let message = format!("an m-line has more than {MAX_EXTENSIONS} header extensions");
            return Err(too_large(message));
        }
        if extensions.iter().any(|known| known.id == id || known.uri == uri) {
            continue;
        }
        extensions.push(RtpHeaderExtensionParameters {
            uri: uri.to_owned(),
            id,
            encrypt: false,
            parameters: Parameters::new(),
        });
    }
    Ok(extensions)
}
