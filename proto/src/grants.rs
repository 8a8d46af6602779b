//! What a token grants a peer in a room, and whether something is within it. Never does: read a
//! token.

use serde::{Deserialize, Serialize};

use crate::{Code, MediaKind, ProducerId, Refusal};

/// What an admin of a room does to one of its peers. Between nodes it is read by its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moderation {
    /// Sends it away for good.
    Kick,
    /// Pauses this producer of its, or all its microphones. Its client may resume them.
    Mute(Option<ProducerId>),
}

/// What a peer may do in its room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// May produce.
    pub publish: bool,
    /// Only these kinds; all if empty.
    pub kinds: Vec<MediaKind>,
    /// Only these sources (`appData.source`); all if empty.
    pub sources: Vec<String>,
    /// May consume.
    pub subscribe: bool,
    /// May send over data channels.
    pub data: bool,
    /// May send others away, and mute them.
    pub admin: bool,
    /// The room's other peers are not told of it. Nobody may send what nobody is told of.
    pub hidden: bool,
    /// Records: the others are told so.
    pub recorder: bool,
}

impl Grants {
    /// What somebody in a call needs, and no more.
    pub const fn member() -> Self {
        Self {
            publish: true,
            kinds: Vec::new(),
            sources: Vec::new(),
            subscribe: true,
            data: true,
            admin: false,
            hidden: false,
            recorder: false,
        }
    }

    /// What both have. Lists of which nothing is in both leave nothing to publish: an empty list
    /// would be all.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let kinds = common(&self.kinds, &other.kinds, PartialEq::eq);
        let same = |a: &String, b: &String| Source::of(a) == Source::of(b);
        let sources = common(&self.sources, &other.sources, same);
        Self {
            publish: self.publish && other.publish && kinds.is_some() && sources.is_some(),
            kinds: kinds.unwrap_or_default(),
            sources: sources.unwrap_or_default(),
            subscribe: self.subscribe && other.subscribe,
            data: self.data && other.data,
            admin: self.admin && other.admin,
            hidden: self.hidden && other.hidden,
            recorder: self.recorder && other.recorder,
        }
    }

    /// Whether it may produce this.
    ///
    /// # Errors
    /// `forbidden`, with the grant that is missing.
    pub fn check_produce(&self, kind: MediaKind, source: &str) -> Result<(), Refusal> {
        self.check_shown()?;
        if !self.publish {
            return Err(Refusal::new(Code::Forbidden, "the token does not grant publishing")
                .hint("ask for a token with publish"));
        }
        if !self.kinds.is_empty() && !self.kinds.contains(&kind) {
            let message = format!("the token does not grant publishing {}", name(kind));
            return Err(Refusal::new(Code::Forbidden, message)
                .hint("ask for a token with that kind, or without kinds"));
        }
        let asked = Source::of(source);
        let listed = self.sources.iter().any(|granted| Source::of(granted) == asked);
        // A camera that calls itself a microphone is still a camera.
        let granted = self.sources.is_empty() || listed && asked.may_be(kind);
        if !granted {
            let message =
                format!("the token does not grant publishing {} from this source", name(kind));
            return Err(Refusal::new(Code::Forbidden, message).hint(format!(
                "it grants {}; appData.source says which one it is",
                self.sources.join(", ")
            )));
        }
        Ok(())
    }

    /// Whether it may send over data channels.
    ///
    /// # Errors
    /// As [`Grants::check_produce`].
    pub fn check_data(&self) -> Result<(), Refusal> {
        self.check_shown()?;
        if self.data {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, "the token does not grant sending data")
            .hint("ask for a token with data"))
    }

    /// Whether it may send others away, and mute them.
    ///
    /// # Errors
    /// As [`Grants::check_produce`].
    pub fn check_admin(&self) -> Result<(), Refusal> {
        if self.admin {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, "the token does not make its peer the room's admin")
            .hint("ask for a token with admin"))
    }

    fn check_shown(&self) -> Result<(), Refusal> {
        if !self.hidden {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, "a hidden peer sends nothing")
            .hint("ask for a token without hidden"))
    }
}

/// What is in both lists, of which an empty one has everything; nothing if they share nothing.
fn common<T: Clone>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> Option<Vec<T>> {
    if a.is_empty() || b.is_empty() {
        return Some([a, b].concat());
    }
    let both: Vec<T> = a.iter().filter(|one| b.iter().any(|two| same(one, two))).cloned().collect();
    (!both.is_empty()).then_some(both)
}

/// What a producer shows, by whichever name a client calls it: mediasoup-demo's, LiveKit's
/// (`TrackSource`) or ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source<'a> {
    Camera,
    Microphone,
    Screen,
    ScreenAudio,
    Other(&'a str),
}

impl<'a> Source<'a> {
    fn of(name: &'a str) -> Self {
        match name {
            "camera" | "webcam" | "video" => Self::Camera,
            "microphone" | "mic" | "audio" => Self::Microphone,
            "screen" | "screensharing" | "screen_share" => Self::Screen,
            "screen_audio" | "screensharing_audio" | "screen_share_audio" => Self::ScreenAudio,
            other => Self::Other(other),
        }
    }

    fn may_be(self, kind: MediaKind) -> bool {
        match self {
            Self::Camera | Self::Screen => kind == MediaKind::Video,
            Self::Microphone | Self::ScreenAudio => kind == MediaKind::Audio,
            Self::Other(_) => true,
        }
    }
}

const fn name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(grants: &Grants, kind: MediaKind, source: &str) -> bool {
        grants.check_produce(kind, source).is_ok()
    }

    #[test]
    fn a_member_sends_everything_and_is_no_admin() {
        let member = Grants::member();
        assert!(allowed(&member, MediaKind::Video, "screensharing"));
        assert!(allowed(&member, MediaKind::Audio, "anything"));
        assert_eq!(member.check_data(), Ok(()));
        assert_eq!(member.check_admin().unwrap_err().code, Code::Forbidden);
    }

    #[test]
    fn kinds_that_are_not_granted_are_refused() {
        let grants = Grants { kinds: vec![MediaKind::Audio], ..Grants::member() };
        assert!(allowed(&grants, MediaKind::Audio, "mic"));
        assert!(!allowed(&grants, MediaKind::Video, "camera"));
    }

    #[test]
    fn a_source_is_known_by_all_its_names_and_has_one_kind() {
        let sources = vec!["microphone".to_owned(), "screen_share".to_owned(), "scope".to_owned()];
        let grants = Grants { sources, ..Grants::member() };
        assert!(allowed(&grants, MediaKind::Audio, "audio"));
        assert!(allowed(&grants, MediaKind::Video, "screensharing"));
        assert!(allowed(&grants, MediaKind::Video, "scope"));
        assert!(allowed(&grants, MediaKind::Audio, "scope"));
        assert!(!allowed(&grants, MediaKind::Video, "camera"));
        assert!(!allowed(&grants, MediaKind::Video, "microphone"), "a camera under another name");
        assert!(!allowed(&grants, MediaKind::Audio, "screen"));
        assert!(!allowed(&grants, MediaKind::Audio, "other"));
    }

    #[test]
    fn of_two_grants_that_is_left_which_both_have() {
        let member = Grants::member();
        let all = Grants { admin: true, hidden: true, recorder: true, ..Grants::member() };
        assert_eq!((member.and(&all), all.and(&member)), (member.clone(), member.clone()));
        let quiet = Grants { publish: false, data: false, ..Grants::member() };
        assert_eq!(member.and(&quiet), quiet);
        let audio = Grants { kinds: vec![MediaKind::Audio], ..Grants::member() };
        assert_eq!((member.and(&audio), audio.and(&member)), (audio.clone(), audio.clone()));
        let video = Grants { kinds: vec![MediaKind::Video], ..Grants::member() };
        assert!(!audio.and(&video).publish, "nothing is left, which no list can say");
        let of = |sources: &[&str]| Grants {
            sources: sources.iter().map(|it| (*it).to_owned()).collect(),
            ..Grants::member()
        };
        assert_eq!(of(&["webcam", "mic"]).and(&of(&["camera", "screen"])), of(&["webcam"]));
        assert!(!of(&["camera"]).and(&of(&["mic"])).publish);
    }

    #[test]
    fn a_hidden_peer_sends_nothing() {
        let grants = Grants { hidden: true, ..Grants::member() };
        assert!(!allowed(&grants, MediaKind::Audio, "mic"));
        assert!(grants.check_data().is_err());
    }
}
