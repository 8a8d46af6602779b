//! The streams that an m-line announces: by RID (RFC 8851, RFC 8853) or by SSRC (RFC 5576). Never
//! does: choose among them.

use sdp_types::Attribute;
use starling_proto::{
    Refusal,
    rtp::{RtpEncodingParameters, RtxParameters},
};

use super::{
    MAX_ENCODINGS,
    offer::{too_large, value, values},
};

/// What is sent.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// From the smallest picture to the largest.
    pub(super) encodings: Vec<RtpEncodingParameters>,
    pub(super) cname: Option<String>,
}

/// Reads them. None is fine: the stream is then known by its MID, or by being the only one.
pub(super) fn read(attributes: &[Attribute]) -> Result<Streams, Refusal> {
    let mut encodings = by_rid(attributes);
    if encodings.is_empty() {
        encodings = by_ssrc(attributes);
    }
    if encodings.len() > MAX_ENCODINGS {
        return Err(too_large(format!("an m-line has more than {MAX_ENCODINGS} encodings")));
    }
    let cname = values(attributes, "ssrc")
        .find_map(|line| line.split_once(' ').and_then(|(_, rest)| rest.strip_prefix("cname:")));
    Ok(Streams { encodings, cname: cname.map(|cname| cname.chars().take(255).collect()) })
}

fn by_rid(attributes: &[Attribute]) -> Vec<RtpEncodingParameters> {
    let lines = || {
        values(attributes, "rid").filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (rid, way) = (words.next()?, words.next()?);
            (way == "send" && is_rid(rid)).then_some((rid, words.next().unwrap_or("")))
        })
    };
    let simulcast = value(attributes, "simulcast").and_then(|line| {
        let mut words = line.split_ascii_whitespace();
        words.find(|word| *word == "send")?;
        words.next()
    });
    let mut rids: Vec<&str> = match simulcast {
        // `~` starts paused; of alternatives (`a,b`) the first is meant to be sent.
        Some(list) => list
            .split(';')
            .filter_map(|alternatives| alternatives.split(',').next())
            .map(|rid| rid.trim_start_matches('~'))
            .filter(|rid| lines().any(|(known, _)| known == *rid))
            .collect(),
        None => lines().map(|(rid, _)| rid).collect(),
    };
    let pixels = |rid: &str| {
        let (_, restrictions) = lines().find(|(known, _)| *known == rid)?;
        let of = |key: &str| {
            let pairs = restrictions.split(';').filter_map(|pair| pair.split_once('='));
            pairs.clone().find(|(name, _)| *name == key).and_then(|(_, v)| v.parse::<u64>().ok())
        };
        Some(of("max-width")?.saturating_mul(of("max-height")?))
    };
    let sizes: Option<Vec<u64>> = rids.iter().map(|rid| pixels(rid)).collect();
    if sizes.is_some() {
        rids.sort_by_key(|rid| pixels(rid));
    } else if largest_first(&rids) {
        rids.reverse();
    }
    rids.into_iter()
        .map(|rid| RtpEncodingParameters { rid: Some(rid.to_owned()), ..Default::default() })
        .collect()
}

/// Browsers list encodings as the page does, and without a page's word the first is the smallest
/// (WebRTC §5.2, `scaleResolutionDownBy`); OBS numbers them from the largest, and pages that say
/// high, medium, low mean it.
fn largest_first(rids: &[&str]) -> bool {
    let first = rids.first().copied().unwrap_or_default();
    let numbered = rids.len() > 1 && rids.iter().enumerate().all(|(n, r)| *r == n.to_string());
    numbered || matches!(first, "h" | "hi" | "high" | "f" | "full")
}

fn is_rid(rid: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !rid.is_empty() && rid.len() <= 16 && rid.bytes().all(fine)
}

fn by_ssrc(attributes: &[Attribute]) -> Vec<RtpEncodingParameters> {
    let groups = |semantics: &'static str| {
        values(attributes, "ssrc-group").filter_map(move |line| {
            let mut words = line.split_ascii_whitespace();
            (words.next()? == semantics)
                .then(|| words.filter_map(|word| word.parse().ok()).take(64).collect::<Vec<u32>>())
        })
    };
    let rtx = |ssrc: u32| {
        let pair = groups("FID").find(|group| group.first() == Some(&ssrc))?;
        pair.get(1).map(|rtx| RtxParameters { ssrc: *rtx })
    };
    // Chromium's simulcast before RIDs, still sent by some.
    let media: Vec<u32> = match groups("SIM").next() {
        Some(simulcast) => simulcast,
        None => {
            let lines = values(attributes, "ssrc");
            let first = lines.filter_map(|line| line.split(' ').next()?.parse().ok()).next();
            let paired = groups("FID").next().and_then(|group| group.first().copied());
            paired.or(first).into_iter().collect()
        }
    };
    media
        .into_iter()
        .filter(|ssrc| *ssrc != 0)
        .map(|ssrc| RtpEncodingParameters {
            ssrc: Some(ssrc),
            rtx: rtx(ssrc),
            ..Default::default()
        })
        .collect()
}
