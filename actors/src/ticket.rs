//! The resume ticket of a join answer: proof, good on every node of the cluster, that its holder is
//! the peer it names. Never read by clients.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use starling_proto::{Grants, PeerId, RoomId};

/// How long a ticket is good: a call may last a working day, and the ticket is only as strong as
/// the room token that it stands for.
const LIFETIME_US: u64 = 24 * 3600 * 1_000_000;

/// Longest ticket that is looked at; a real one is about 250 bytes, or 500 with what is left of its
/// peer's grants, and the rest is for names of sources.
const MAX_LEN: usize = 4096;

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// Where.
    pub(crate) room: RoomId,
    /// Who.
    pub(crate) peer: PeerId,
    /// The session it was given to.
    pub(crate) incarnation: u64,
    /// What was left of its token's grants when it was let in, if that was less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grants: Option<Grants>,
    /// Microseconds since 1970.
    expires: u64,
}

impl Ticket {
    /// A ticket for a session that began at `incarnation` (microseconds since 1970).
    pub(crate) fn new(room: RoomId, peer: PeerId, incarnation: u64) -> Self {
        let expires = incarnation.saturating_add(LIFETIME_US);
        Self { room, peer, incarnation, grants: None, expires }
    }

    /// The same for a peer that was let in with no more than this.
    pub(crate) fn narrowed(self, grants: Option<&Grants>) -> Self {
        Self { grants: grants.cloned(), ..self }
    }

    /// The ticket as text, signed.
    pub(crate) fn sign(&self, secret: &[u8]) -> String {
        let body = serde_json::to_vec(self).expect("ids and numbers are JSON");
        let tag = hmac::sign(&key(secret), &body);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// The ticket in `text`, if we signed it and it is still good at `now_us`.
    pub(crate) fn verify(text: &str, secret: &[u8], now_us: u64) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (body, tag) = text.split_once('.')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&key(secret), &body, &tag).ok()?;
        let ticket: Self = serde_json::from_slice(&body).ok()?;
        (now_us <= ticket.expires).then_some(ticket)
    }
}

/// A key of its own, so that a cluster secret used for something else signs no tickets.
fn key(secret: &[u8]) -> hmac::Key {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"starling resume ticket 1").as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket::new("r".parse().unwrap(), "p".parse().unwrap(), 1_000)
    }

    #[test]
    fn a_ticket_is_good_on_every_node_with_the_secret() {
        let text = ticket().sign(b"secret");
        assert_eq!(Ticket::verify(&text, b"secret", 2_000), Some(ticket()));
    }

    #[test]
    fn what_was_left_of_grants_is_signed_with_it() {
        let left = Grants { publish: false, ..Grants::member() };
        let narrowed = ticket().narrowed(Some(&left));
        let text = narrowed.sign(b"secret");
        assert_eq!(Ticket::verify(&text, b"secret", 2_000).unwrap().grants, Some(left));
        let (whole, (_, tag)) = (ticket().sign(b"secret"), text.split_once('.').unwrap());
        let forged = format!("{}.{tag}", whole.split_once('.').unwrap().0);
        assert_eq!(Ticket::verify(&forged, b"secret", 2_000), None);
    }

    #[test]
    fn another_secret_another_text_or_a_day_later_is_refused() {
        let text = ticket().sign(b"secret");
        assert_eq!(Ticket::verify(&text, b"other", 2_000), None);
        assert_eq!(Ticket::verify(&text[1..], b"secret", 2_000), None);
        assert_eq!(Ticket::verify(&text, b"secret", 1_001 + LIFETIME_US), None);
        assert_eq!(Ticket::verify("", b"secret", 0), None);
    }
}
