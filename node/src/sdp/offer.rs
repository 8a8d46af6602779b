//! An offer, read. Never does: judge whether the router takes any of it.

use sdp_types::{Attribute, Media, Session};
use starling_proto::{
    Code, MediaKind, Refusal, RtpCapabilities, RtpParameters,
    rtp::{RtcpParameters, RtpCodecCapability, RtpHeaderExtension},
    transport::{DtlsFingerprint, DtlsParameters, DtlsRole},
};

use super::{
    MAX_ATTRIBUTES, MAX_BYTES, MAX_FINGERPRINTS, MAX_SECTIONS, codecs, fragment::Credentials,
    streams,
};

/// An SDP offer, as far as it concerns us.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The client's.
    pub ice: Credentials,
    /// The client's. Its role is what it becomes with our answer: who offers `actpass` is the
    /// DTLS client.
    pub dtls: DtlsParameters,
    /// `a=extmap-allow-mixed` (RFC 8285 §6).
    pub mixed_extensions: bool,
    /// Its m-lines, in order.
    pub sections: Vec<Section>,
}

/// One m-line.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// `audio`, `video`, `application`, …
    pub media: String,
    /// The rest of the m-line's words, for refusing it.
    pub protocol: String,
    /// Payload types, or whatever the protocol has.
    pub formats: String,
    /// `a=mid`.
    pub mid: Option<String>,
    /// Audio or video over what we speak; else the section can only be refused.
    pub kind: Option<MediaKind>,
    /// Which way the client wants it.
    pub way: Way,
    /// What is sent, or what can be received: codecs and extensions in the client's numbers.
    pub rtp: RtpParameters,
}

/// Direction of an m-line, from the client's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `sendrecv`.
    Both,
    /// `sendonly`.
    Sends,
    /// `recvonly`.
    Receives,
    /// `inactive`, or port 0.
    Neither,
}

impl Way {
    /// The client may send.
    pub fn sends(self) -> bool {
        matches!(self, Self::Both | Self::Sends)
    }

    /// The client may receive.
    pub fn receives(self) -> bool {
        matches!(self, Self::Both | Self::Receives)
    }
}

impl Offer {
    /// Reads an offer.
    ///
    /// # Errors
    /// `bad_request` for what is no SDP offer of a WebRTC client; `too_large` beyond the bounds;
    /// `not_acceptable` for an offer without BUNDLE or rtcp-mux, which RFC 9725 §4.4 asks for.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        if text.len() > MAX_BYTES {
            return Err(too_large(format!("the offer has {} bytes", text.len())));
        }
        let session = Session::parse(text).map_err(|error| {
            Refusal::new(Code::BadRequest, format!("the body is no SDP: {error}"))
                .hint("send the offer of the peer connection, as it is")
        })?;
        if session.medias.len() > MAX_SECTIONS {
            return Err(too_large(format!("the offer has {} m-lines", session.medias.len())));
        }
        let crowded = |attributes: &[Attribute]| attributes.len() > MAX_ATTRIBUTES;
        if crowded(&session.attributes) || session.medias.iter().any(|m| crowded(&m.attributes)) {
            return Err(too_large("an m-line has too many attributes".to_owned()));
        }
        let sections = session.medias.iter().map(section).collect::<Result<Vec<_>, _>>()?;
        let offer = Self {
            ice: ice(&session)?,
            dtls: dtls(&session)?,
            mixed_extensions: has(&session.attributes, "extmap-allow-mixed"),
            sections,
        };
        check_bundled(&session, &offer)?;
        Ok(offer)
    }
}

impl Section {
    /// What the client can receive on it, in its own numbers.
    pub fn capabilities(&self) -> RtpCapabilities {
        let Some(kind) = self.kind else { return RtpCapabilities::default() };
        let codecs = self.rtp.codecs.iter().cloned().map(|codec| RtpCodecCapability {
            kind,
            mime_type: codec.mime_type,
            preferred_payload_type: Some(codec.payload_type),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: codec.parameters,
            rtcp_feedback: codec.rtcp_feedback,
        });
        let extensions = self.rtp.header_extensions.iter().map(|extension| RtpHeaderExtension {
            kind: Some(kind),
            uri: extension.uri.clone(),
            preferred_id: extension.id,
            preferred_encrypt: false,
            direction: None,
        });
        RtpCapabilities { codecs: codecs.collect(), header_extensions: extensions.collect() }
    }
}

/// The value of an attribute that stands once.
pub(super) fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    values(attributes, name).next()
}

/// The values of an attribute that may stand several times.
pub(super) fn values<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute == name)
        .filter_map(|attribute| attribute.value.as_deref())
        .map(str::trim)
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.attribute == name)
}

fn section(media: &Media) -> Result<Section, Refusal> {
    let Media { media: what, port, proto, fmt, attributes, .. } = media;
    let secure = matches!(proto.as_str(), "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP");
    let kind = match what.as_str() {
        "audio" if secure => Some(MediaKind::Audio),
        "video" if secure => Some(MediaKind::Video),
        _ => None,
    };
    // A bundle-only section has port 0, and is no refused one (RFC 8843 §6).
    let off = *port == 0 && !has(attributes, "bundle-only");
    let way = match () {
        () if off || has(attributes, "inactive") => Way::Neither,
        () if has(attributes, "sendonly") => Way::Sends,
        () if has(attributes, "recvonly") => Way::Receives,
        () => Way::Both,
    };
    let mid = value(attributes, "mid").map(str::to_owned);
    if let Some(kind) = kind.filter(|_| way != Way::Neither) {
        let sent = streams::read(attributes)?;
        let rtp = RtpParameters {
            mid: mid.clone(),
            codecs: codecs::codecs(kind, fmt, attributes)?,
            header_extensions: codecs::extensions(attributes)?,
            encodings: sent.encodings,
            rtcp: RtcpParameters { cname: sent.cname, reduced_size: has(attributes, "rtcp-rsize") },
            msid: value(attributes, "msid").map(str::to_owned),
        };
        return Ok(section_of(media, mid, Some(kind), way, rtp));
    }
    Ok(section_of(media, mid, kind, way, RtpParameters::default()))
}

fn section_of(
    media: &Media,
    mid: Option<String>,
    kind: Option<MediaKind>,
    way: Way,
    rtp: RtpParameters,
) -> Section {
    let Media { media, proto: protocol, fmt: formats, .. } = media.clone();
    Section { media, protocol, formats, mid, kind, way, rtp }
}

/// The first m-line's attribute, as of a bundle's tagged section, or else the session's.
fn shared<'a>(session: &'a Session, name: &'a str) -> impl Iterator<Item = &'a str> {
    let in_media = session
        .medias
        .iter()
        .find_map(|media| value(&media.attributes, name).map(|_| values(&media.attributes, name)));
    let in_session = in_media.is_none().then(|| values(&session.attributes, name));
    in_media.into_iter().flatten().chain(in_session.into_iter().flatten())
}

fn ice(session: &Session) -> Result<Credentials, Refusal> {
    let one = |name: &'static str| shared(session, name).next().map(str::to_owned);
    let credentials = Credentials::checked(one("ice-ufrag"), one("ice-pwd"));
    credentials.ok_or_else(|| {
        Refusal::new(Code::BadRequest, "the offer has no usable a=ice-ufrag and a=ice-pwd")
            .hint("send the offer of a WebRTC peer connection")
    })
}

fn dtls(session: &Session) -> Result<DtlsParameters, Refusal> {
    let fingerprints: Vec<_> = shared(session, "fingerprint")
        .take(MAX_FINGERPRINTS)
        .filter_map(|line| {
            let (algorithm, value) = line.split_once(' ')?;
            let (algorithm, value) = (algorithm.to_ascii_lowercase(), value.trim());
            let hex = |b: u8| b.is_ascii_hexdigit() || b == b':';
            let fine = !value.is_empty() && value.len() <= 64 * 3 && value.bytes().all(hex);
            fine.then(|| DtlsFingerprint { algorithm, value: value.to_ascii_uppercase() })
        })
        .collect();
    if fingerprints.is_empty() {
        return Err(Refusal::new(Code::BadRequest, "the offer has no usable a=fingerprint")
            .hint("media is sent over DTLS-SRTP only"));
    }
    let role = match shared(session, "setup").next() {
        Some("passive") => DtlsRole::Server,
        Some(_) | None => DtlsRole::Client,
    };
    Ok(DtlsParameters { role, fingerprints })
}

fn check_bundled(session: &Session, offer: &Offer) -> Result<(), Refusal> {
    let live = || {
        let both = offer.sections.iter().zip(&session.medias);
        both.filter(|(section, _)| section.kind.is_some() && section.way != Way::Neither)
    };
    if live().count() > 1 {
        let groups = values(&session.attributes, "group");
        let bundle: Vec<&str> = groups
            .filter_map(|group| group.strip_prefix("BUNDLE"))
            .flat_map(str::split_ascii_whitespace)
            .collect();
        let bundled =
            |mid: &Option<String>| mid.as_deref().is_some_and(|mid| bundle.contains(&mid));
        if !live().all(|(section, _)| bundled(&section.mid)) {
            return Err(Refusal::new(
                Code::NotAcceptable,
                "the m-lines are not in one BUNDLE group",
            )
            .hint("use the bundle policy max-bundle"));
        }
    }
    if live().any(|(_, media)| !has(&media.attributes, "rtcp-mux")) {
        return Err(Refusal::new(Code::NotAcceptable, "an m-line has no a=rtcp-mux")
            .hint("RTP and RTCP must share one port"));
    }
    Ok(())
}

/// Beyond one of the bounds.
pub(super) fn too_large(message: String) -> Refusal {
    Refusal::new(Code::TooLarge, message)
        .hint(format!("at most {MAX_BYTES} bytes and {MAX_SECTIONS} m-lines are read"))
}
