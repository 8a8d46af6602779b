//! What a PATCH asks for (RFC 9725 §4.3). Pure. Never does: restart ICE.

use starling_proto::{Code, Refusal};

use crate::sdp::{Credentials, Fragment};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Candidates, which an ICE-lite server has no use for.
    Trickle,
    /// New credentials on both sides.
    Restart,
}

/// Reads a PATCH against the ICE session that it is for.
///
/// # Errors
/// `precondition_required`, `precondition_failed`.
pub(super) fn asked(
    if_match: Option<&str>,
    etag: &str,
    ice: &Credentials,
    fragment: &Fragment,
) -> Result<Asked, Refusal> {
    let Some(tags) = if_match else {
        return Err(Refusal::new(Code::PreconditionRequired, "the PATCH has no If-Match")
            .hint("send the session's ETag, or * to restart ICE"));
    };
    let mut tags = tags.split(',').map(str::trim);
    // The examples of RFC 9725 §4.3 have the asterisk in quotes, and so have clients.
    if !tags.any(|tag| tag == "*" || tag == "\"*\"" || tag == etag) {
        return Err(Refusal::new(Code::PreconditionFailed, "this ICE session is over")
            .hint("the newest ETag is that of the last ICE restart"));
    }
    let new = fragment.ice.as_ref().is_some_and(|theirs| theirs != ice);
    Ok(if new { Asked::Restart } else { Asked::Trickle })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"abc\"";

    fn ice(ufrag: &str) -> Credentials {
        Credentials { ufrag: ufrag.into(), password: "0123456789012345678901".into() }
    }

    fn ask(if_match: Option<&str>, ufrag: Option<&str>) -> Result<Asked, Code> {
        let fragment = Fragment { ice: ufrag.map(ice), ..Fragment::default() };
        asked(if_match, ETAG, &ice("old1"), &fragment).map_err(|refusal| refusal.code)
    }

    #[test]
    fn candidates_need_the_etag_of_their_ice_session() {
        assert_eq!(ask(Some(ETAG), Some("old1")), Ok(Asked::Trickle));
        assert_eq!(ask(Some("\"x\", \"abc\""), None), Ok(Asked::Trickle));
        assert_eq!(ask(Some("\"x\""), Some("old1")), Err(Code::PreconditionFailed));
        assert_eq!(ask(None, Some("old1")), Err(Code::PreconditionRequired));
    }

    #[test]
    fn new_credentials_restart_ice() {
        assert_eq!(ask(Some("*"), Some("new1")), Ok(Asked::Restart));
        assert_eq!(ask(Some("\"*\""), Some("new1")), Ok(Asked::Restart));
        assert_eq!(ask(Some(ETAG), Some("new1")), Ok(Asked::Restart));
        assert_eq!(ask(Some("\"x\""), Some("new1")), Err(Code::PreconditionFailed));
        assert_eq!(ask(Some("*"), Some("old1")), Ok(Asked::Trickle));
    }
}
