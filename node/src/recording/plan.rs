//! What of a room is recorded, and into which files. Pure.

use starling_proto::{MediaKind, PeerId, ProducerId, rest::PeerInfo};

/// Longest part of a file's name that comes from outside: with three of them, a name stays under
/// the 255 bytes that file systems take.
const LONGEST: usize = 64;

/// What somebody sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    /// Who.
    pub(crate) peer: PeerId,
    /// Which.
    pub(crate) producer: ProducerId,
    /// Of which source.
    pub(crate) source: String,
    /// Audio or video.
    pub(crate) kind: MediaKind,
    /// Codec.
    pub(crate) mime_type: String,
}

/// What somebody wants recorded; empty lists are everything.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    /// The recorder itself.
    pub(crate) not: &'a PeerId,
    /// Of these peers.
    pub(crate) peers: &'a [PeerId],
    /// Of these sources.
    pub(crate) sources: &'a [String],
    /// Nothing else.
    pub(crate) producer: Option<&'a ProducerId>,
}

/// What of it there is.
pub(crate) fn tracks(peers: &[PeerInfo], wanted: &Wanted<'_>) -> Vec<Track> {
    let mut all = Vec::new();
    for peer in peers {
        let ours = peer.id == *wanted.not;
        if ours || !(wanted.peers.is_empty() || wanted.peers.contains(&peer.id)) {
            continue;
        }
        for producer in &peer.producers {
            let source = wanted.sources.is_empty() || wanted.sources.contains(&producer.source);
            let named = wanted.producer.is_none_or(|id| *id == producer.id);
            if source && named {
                all.push(Track {
                    peer: peer.id.clone(),
                    producer: producer.id.clone(),
                    source: producer.source.clone(),
                    kind: producer.kind,
                    mime_type: producer.mime_type.clone(),
                });
            }
        }
    }
    all
}

impl Track {
    /// `ada-video-4f2a.webm`: whose, what, and the end of the producer's id, so that a camera that
    /// is turned on again gets a file of its own. What a source is called is up to clients: nothing
    /// of it leaves the folder.
    pub(crate) fn file(&self) -> String {
        let tame = |text: &str| -> String {
            let fine = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
            text.chars().take(LONGEST).map(fine).collect()
        };
        let id = self.producer.to_string();
        let tail: String = id.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
        let name =
            format!("{}-{}-{}", tame(&self.peer.to_string()), tame(&self.source), tame(&tail));
        format!("{name}.{}", self.container())
    }

    /// WebM for what WebM may have, Matroska for the rest.
    fn container(&self) -> &'static str {
        match self.mime_type.to_ascii_lowercase().as_str() {
            "video/vp8" | "video/vp9" | "audio/opus" => "webm",
            _ if self.kind == MediaKind::Audio => "mka",
            _ => "mkv",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peers() -> Vec<PeerInfo> {
        let producer = |id: &str, kind: &str, source: &str, mime: &str| {
            json!({"id": id, "kind": kind, "type": "simple", "source": source, "paused": false,
                "mimeType": mime})
        };
        let peer = |id: &str, producers: serde_json::Value| {
            json!({"id": id, "displayName": "", "node": "n1", "device": {}, "lost": false,
                "producers": producers})
        };
        serde_json::from_value(json!([
            peer(
                "ada",
                json!([
                    producer("p-video-0001", "video", "video", "video/VP8"),
                    producer("p-audio-0002", "audio", "audio", "audio/opus"),
                ])
            ),
            peer("ben", json!([producer("p-screen-003", "video", "screen", "video/H264")])),
            peer("me", json!([producer("p4", "audio", "audio", "audio/PCMU")])),
        ]))
        .unwrap()
    }

    fn recorded(peers_: &[&str], sources: &[&str], producer: Option<&str>) -> Vec<String> {
        let not = "me".parse().unwrap();
        let only: Vec<PeerId> = peers_.iter().map(|id| id.parse().unwrap()).collect();
        let sources: Vec<_> = sources.iter().map(|name| (*name).to_owned()).collect();
        let producer: Option<ProducerId> = producer.map(|id| id.parse().unwrap());
        let wanted =
            Wanted { not: &not, peers: &only, sources: &sources, producer: producer.as_ref() };
        tracks(&peers(), &wanted).iter().map(Track::file).collect()
    }

    #[test]
    fn everything_is_recorded_but_the_recorder() {
        assert_eq!(
            recorded(&[], &[], None),
            ["ada-video-deo-0001.webm", "ada-audio-dio-0002.webm", "ben-screen-reen-003.mkv"]
        );
    }

    #[test]
    fn or_only_what_is_named() {
        assert_eq!(recorded(&["ben"], &[], None), ["ben-screen-reen-003.mkv"]);
        assert_eq!(recorded(&[], &["audio"], None), ["ada-audio-dio-0002.webm"]);
        assert_eq!(recorded(&[], &[], Some("p-video-0001")), ["ada-video-deo-0001.webm"]);
        assert!(recorded(&["ada"], &["screen"], None).is_empty());
    }

    #[test]
    fn a_source_cannot_leave_the_folder() {
        let track = Track {
            peer: "ada".parse().unwrap(),
            producer: "p1".parse().unwrap(),
            source: "../../etc/passwd".to_owned(),
            kind: MediaKind::Audio,
            mime_type: "audio/PCMU".to_owned(),
        };
        assert_eq!(track.file(), "ada-------etc-passwd-p1.mka");
        assert!(Track { source: "x".repeat(900), ..track }.file().len() < 200);
    }
}
