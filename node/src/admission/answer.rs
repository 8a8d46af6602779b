//! What an admission hook said, and what it leaves of a client's grants. Pure.

use serde::Deserialize;
use serde_json::Value;
use starling_proto::{Grants, MediaKind};

/// Longest sentence that a client is told: what fits the reason of a WebSocket's end (RFC 6455
/// §5.5) with a code behind it.
const SENTENCE: usize = 100;
/// Most sources, and the longest name of one: there are four that everybody knows.
const SOURCES: usize = 16;
const SOURCE: usize = 64;

/// What it decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Comes in, with no more than this.
    Admit(Lowered),
    /// Does not, and is told why.
    Refuse(String),
}

/// Its JSON. Unknown fields are for its own use.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default = "yes")]
    admit: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    grants: Lowered,
}

const fn yes() -> bool {
    true
}

/// What is left of grants; what is not named stays as the token has it. Nothing is ever added. What
/// is unknown is refused: who misspells a grant means to take it away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Lowered {
    publish: Option<bool>,
    kinds: Option<Vec<MediaKind>>,
    sources: Option<Vec<String>>,
    subscribe: Option<bool>,
    data: Option<bool>,
    admin: Option<bool>,
    hidden: Option<bool>,
    recorder: Option<bool>,
}

/// Reads an answer; nothing if it is none.
pub(super) fn read(status: u16, body: &[u8]) -> Option<Answer> {
    let whole = || match body.iter().all(u8::is_ascii_whitespace) {
        true => Some(Said { admit: true, reason: String::new(), grants: Lowered::default() }),
        false => said(body),
    };
    match status {
        200..=299 => whole().filter(|said| said.grants.fits()).map(|said| match said.admit {
            true => Answer::Admit(said.grants),
            false => Answer::Refuse(sentence(&said.reason)),
        }),
        // What a program answers that was written for nothing but this. Its page says nothing.
        403 => Some(Answer::Refuse(sentence(&whole().map(|it| it.reason).unwrap_or_default()))),
        _ => None,
    }
}

/// Objects alone: the library would take a list for one, field by field, and an empty one for all
/// of what a token grants.
fn said(body: &[u8]) -> Option<Said> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let objects = value.is_object() && value.get("grants").is_none_or(Value::is_object);
    objects.then(|| serde_json::from_value(value).ok()).flatten()
}

/// One line, not too long.
fn sentence(reason: &str) -> String {
    let line: String = reason.chars().filter(|c| !c.is_control()).take(SENTENCE).collect();
    match line.trim() {
        "" => "the admission hook does not let this client in".to_owned(),
        line => line.to_owned(),
    }
}

impl Lowered {
    /// What is left of `grants`.
    pub(super) fn of(&self, grants: &Grants) -> Grants {
        let left = |it: Option<bool>| it.unwrap_or(true);
        // In grants an empty list is all; from a hook it is nothing, for nobody says less by more.
        let kinds = self.kinds.as_ref().is_none_or(|kinds| !kinds.is_empty());
        let sources = self.sources.as_ref().is_none_or(|sources| !sources.is_empty());
        grants.and(&Grants {
            publish: left(self.publish) && kinds && sources,
            kinds: self.kinds.clone().unwrap_or_default(),
            sources: self.sources.clone().unwrap_or_default(),
            subscribe: left(self.subscribe),
            data: left(self.data),
            admin: left(self.admin),
            hidden: left(self.hidden),
            recorder: left(self.recorder),
        })
    }

    /// Whether it is as long as a resume ticket can hold.
    fn fits(&self) -> bool {
        let sources = self.sources.as_deref().unwrap_or_default();
        sources.len() <= SOURCES && sources.iter().all(|source| source.len() <= SOURCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Option<Answer> {
        read(status, body.as_bytes())
    }

    fn left(body: &str, of: &Grants) -> Grants {
        match answer(200, &format!("{{\"grants\":{body}}}")) {
            Some(Answer::Admit(lowered)) => lowered.of(of),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_word_is_enough_to_let_in_and_to_refuse() {
        let admit = Some(Answer::Admit(Lowered::default()));
        for body in ["", " \n", "{}", "{\"admit\":true}", "{\"admit\":true,\"note\":\"ours\"}"] {
            assert_eq!(answer(200, body), admit, "{body}");
        }
        assert_eq!(answer(204, ""), admit);
        let refused = |why: &str| Some(Answer::Refuse(why.to_owned()));
        assert_eq!(answer(200, r#"{"admit":false,"reason":"unpaid"}"#), refused("unpaid"));
        assert_eq!(answer(403, r#"{"reason":"unpaid"}"#), refused("unpaid"));
        let default = "the admission hook does not let this client in";
        for body in ["", "<html>Forbidden</html>", r#"{"reason":" \n "}"#] {
            assert_eq!(answer(403, body), refused(default), "{body}");
        }
    }

    #[test]
    fn whatever_else_it_says_is_no_answer() {
        for (status, body) in [
            (200, "yes"),
            (200, "[]"),
            (200, "{\"admit\":1}"),
            (200, "{\"grants\":[]}"),
            (200, "{\"grants\":[false]}"),
            (200, "{\"grants\":null}"),
            (200, "{\"grants\":{\"publsh\":false}}"),
            (200, &format!("{{\"grants\":{{\"sources\":[\"{}\"]}}}}", "x".repeat(65))),
            (302, ""),
            (404, ""),
            (500, "{\"admit\":true}"),
        ] {
            assert_eq!(answer(status, body), None, "{status} {body}");
        }
    }

    #[test]
    fn a_sentence_is_one_line_and_fits_a_close_frame() {
        let long = format!("{{\"admit\":false,\"reason\":\"a\\nb{}\"}}", "x".repeat(500));
        let Some(Answer::Refuse(sentence)) = answer(200, &long) else { panic!() };
        assert_eq!((sentence.len(), &sentence[..3]), (SENTENCE, "abx"));
    }

    #[test]
    fn grants_are_lowered_and_never_added_to() {
        let member = Grants::member();
        assert_eq!(left("{}", &member), member);
        let quiet = left(r#"{"publish":false,"data":false}"#, &member);
        assert_eq!(quiet, Grants { publish: false, data: false, ..Grants::member() });
        let asked = r#"{"publish":true,"admin":true,"hidden":true,"recorder":true}"#;
        assert!(!left(asked, &Grants { publish: false, ..Grants::member() }).publish);
        assert_eq!(left(asked, &member), member);
    }

    #[test]
    fn of_kinds_and_sources_that_is_left_which_both_name() {
        let audio = Grants { kinds: vec![MediaKind::Audio], ..Grants::member() };
        assert_eq!(left(r#"{"kinds":["audio"]}"#, &Grants::member()), audio);
        assert_eq!(left(r#"{"kinds":["audio","video"]}"#, &audio), audio);
        let none = left(r#"{"kinds":["video"]}"#, &audio);
        assert!(!none.publish, "nothing is left, which no list can say");
        assert!(!left(r#"{"sources":[]}"#, &Grants::member()).publish);
        let two = Grants { sources: vec!["camera".into(), "screen".into()], ..Grants::member() };
        assert_eq!(left(r#"{"sources":["screen","mic"]}"#, &two).sources, ["screen"]);
    }
}
