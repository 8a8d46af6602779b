//! SDP fragments of trickle ICE (RFC 8840 §9), the bodies of WHIP's PATCH. Never does: remember a
//! candidate. An ICE-lite server answers whoever proves itself, wherever from (RFC 8445 §7.3).

use std::fmt::Write;

use starling_proto::{Code, Refusal, transport::IceCandidate};

use super::answer::{ICE_OPTIONS, candidate_line};

/// Longest fragment in bytes: a host with 20 addresses has 3 KiB of candidates.
const MAX_FRAGMENT: usize = 16 * 1024;

/// ICE credentials of one side (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// 4 to 256 characters.
    pub ufrag: String,
    /// 22 to 256 characters.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Both, if they are there and as long as they must be.
    pub(super) fn checked(ufrag: Option<String>, password: Option<String>) -> Option<Self> {
        let (ufrag, password) = (ufrag?, password?);
        let fine = |text: &str, least: usize| {
            let character = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
            (least..=256).contains(&text.len()) && text.bytes().all(|b| character(b) || b == b'-')
        };
        (fine(&ufrag, 4) && fine(&password, 22)).then_some(Self { ufrag, password })
    }
}

/// What a client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Its credentials, new ones if it restarts ICE.
    pub ice: Option<Credentials>,
    /// How many candidates it named.
    pub candidates: usize,
    /// `a=end-of-candidates`.
    pub complete: bool,
}

impl Fragment {
    /// Reads a fragment.
    ///
    /// # Errors
    /// `bad_request` for what is none; `too_large`.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > MAX_FRAGMENT {
            return Err(Refusal::new(Code::TooLarge, "the fragment is too large")
                .hint(format!("at most {MAX_FRAGMENT} bytes are read")));
        }
        let bad = |what: &str| {
            Refusal::new(Code::BadRequest, format!("the body is no SDP fragment: {what}"))
                .hint("send a=ice-ufrag, a=ice-pwd, a=mid and a=candidate lines (RFC 8840 §9)")
        };
        let text = std::str::from_utf8(body).map_err(|_| bad("not UTF-8"))?;
        let (mut ufrag, mut password) = (None, None);
        let mut fragment = Self::default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if line.as_bytes().get(1) != Some(&b'=') {
                return Err(bad("a line is not <letter>=<value>"));
            }
            let Some(attribute) = line.strip_prefix("a=") else { continue };
            let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
            match name {
                "ice-ufrag" => ufrag = ufrag.or(Some(value.to_owned())),
                "ice-pwd" => password = password.or(Some(value.to_owned())),
                "candidate" => fragment.candidates += 1,
                "end-of-candidates" => fragment.complete = true,
                _ => {}
            }
        }
        let named = ufrag.is_some() || password.is_some();
        fragment.ice = Credentials::checked(ufrag, password);
        if named && fragment.ice.is_none() {
            return Err(bad("a=ice-ufrag and a=ice-pwd do not make credentials"));
        }
        Ok(fragment)
    }

    /// Our side after a restart.
    pub fn restarted(
        mid: Option<&str>,
        ufrag: &str,
        password: &str,
        candidates: &[IceCandidate],
    ) -> String {
        let mut text = format!("a=ice-lite\r\n{ICE_OPTIONS}\r\n");
        let mut push = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("writing into a String cannot fail");
        };
        push(format_args!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n"));
        push(format_args!("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"));
        if let Some(mid) = mid {
            push(format_args!("a=mid:{mid}\r\n"));
        }
        for candidate in candidates {
            push(format_args!("{}\r\n", candidate_line(candidate)));
        }
        push(format_args!("a=end-of-candidates\r\n"));
        text
    }
}
