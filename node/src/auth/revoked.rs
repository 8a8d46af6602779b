//! Room tokens that operators have revoked: what they may say, and whether a token is one of them.
//! Pure, but for waiting. Never does: read a token, or write the list.

use std::{future::pending, time::SystemTime};

use futures::{FutureExt, future::BoxFuture};
use starling_actors::Revocations;
use starling_proto::{
    Code, PeerId, Refusal, RoomId,
    registry::RevocationRecord,
    rest::{RevocationInfo, RevokeTokens},
};
use tokio::sync::watch;

use super::MAX_TTL;

/// Longest that a revocation is kept: nobody means a token that is good for ten years.
const MAX_KEPT: u64 = 10 * 366 * 86_400;
/// Longest reason, and longest `jti`: both are shown in lists.
const MAX_TEXT: usize = 256;

/// What of a token is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    /// For which room.
    pub room: RoomId,
    /// For which peer.
    pub peer: PeerId,
    /// Its `jti`.
    pub id: Option<String>,
    /// When it was issued, in seconds since 1970, if it says so.
    pub issued_at: Option<u64>,
}

/// Whether a revocation is about this token.
fn covers(record: &RevocationRecord, badge: &Badge, now: u64) -> bool {
    let RevocationRecord { token_id, room, peer, issued_before, expires_at, .. } = record;
    now <= *expires_at
        && token_id.as_ref().is_none_or(|id| badge.id.as_ref() == Some(id))
        && room.as_ref().is_none_or(|room| badge.room == *room)
        && peer.as_ref().is_none_or(|peer| badge.peer == *peer)
        // Who does not say when it was issued may have been issued long ago.
        && issued_before.is_none_or(|before| badge.issued_at.is_none_or(|at| at < before))
}

/// Whether one of them is.
pub(super) fn revokes(all: &Revocations, badge: &Badge, now: u64) -> bool {
    all.values().any(|record| covers(record, badge, now))
}

/// Ends when a token is good no longer; never for who needed none.
pub(super) fn revoked(
    mut all: watch::Receiver<Revocations>,
    badge: Option<Badge>,
) -> BoxFuture<'static, ()> {
    async move {
        let Some(badge) = badge else { return pending().await };
        // The list ends with the node, and so does the session.
        if all.wait_for(|all| revokes(all, &badge, seconds())).await.is_err() {
            pending().await
        }
    }
    .boxed()
}

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What is to be written. `token` is what the token says that was sent, and when it ends.
///
/// # Errors
/// `bad_request`.
pub(super) fn plan(
    wish: RevokeTokens,
    token: Option<(Badge, u64)>,
    by: &str,
    now: u64,
) -> Result<RevocationRecord, Refusal> {
    let wrong = |message: &str, hint: &str| Err(Refusal::new(Code::BadRequest, message).hint(hint));
    let RevokeTokens { token: _, token_id, room, peer, issued_before, expires_at, reason } = wish;
    if reason.len() > MAX_TEXT || token_id.as_ref().is_some_and(|id| id.len() > MAX_TEXT) {
        return wrong("a reason or a token's id is too long", "at most 256 bytes are taken");
    }
    let named = token_id.is_some() || room.is_some() || peer.is_some() || issued_before.is_some();
    let record = match token {
        Some(_) if named => {
            return wrong("it says which tokens, and a token too", "give the token alone");
        }
        Some((Badge { room, peer, id, issued_at }, ends)) => RevocationRecord {
            // One without an id is told from later ones by its time.
            issued_before: issued_at.filter(|_| id.is_none()).map(|at| at + 1),
            token_id: id,
            room: Some(room),
            peer: Some(peer),
            expires_at: expires_at.unwrap_or(ends.min(now + MAX_KEPT)),
            ..RevocationRecord::default()
        },
        None if !named => {
            return wrong(
                "it does not say which tokens",
                "give token, tokenId, room, peer or issuedBefore",
            );
        }
        None => RevocationRecord {
            // What is issued in this very second might be one of them.
            issued_before: issued_before.or_else(|| token_id.is_none().then_some(now + 1)),
            token_id,
            room,
            peer,
            expires_at: expires_at.unwrap_or(now + MAX_TTL.as_secs()),
            ..RevocationRecord::default()
        },
    };
    if record.expires_at <= now || record.expires_at > now + MAX_KEPT {
        return wrong(
            "a revocation cannot end then",
            "expiresAt is when the last of the tokens expires, in seconds since 1970",
        );
    }
    Ok(RevocationRecord { created_at: now, by: by.to_owned(), reason, ..record })
}

/// Those that hold, oldest first.
pub(super) fn held(all: &Revocations, now: u64) -> Vec<RevocationInfo> {
    let held = all.iter().filter(|(_, record)| now <= record.expires_at);
    held.map(|(id, record)| RevocationInfo { id: id.clone(), record: record.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_000;

    fn badge(room: &str, peer: &str, id: Option<&str>, issued_at: Option<u64>) -> Badge {
        let (room, peer) = (room.parse().unwrap(), peer.parse().unwrap());
        Badge { room, peer, id: id.map(str::to_owned), issued_at }
    }

    fn read(wish: Value) -> RevokeTokens {
        serde_json::from_value(wish).unwrap()
    }

    fn planned(wish: Value) -> Result<RevocationRecord, Refusal> {
        plan(read(wish), None, "ops", NOW)
    }

    fn list(record: RevocationRecord) -> Revocations {
        BTreeMap::from([("x".parse().unwrap(), record)]).into()
    }

    #[test]
    fn what_is_named_is_revoked_and_what_is_issued_later_is_not() {
        let own = badge("r", "p", Some("t"), Some(NOW));
        for (wish, revoked) in [
            (json!({"tokenId": "t"}), true),
            (json!({"tokenId": "u"}), false),
            (json!({"tokenId": "t", "room": "s"}), false),
            (json!({"room": "r"}), true),
            (json!({"room": "s"}), false),
            (json!({"peer": "p"}), true),
            (json!({"peer": "q"}), false),
            (json!({"room": "r", "peer": "q"}), false),
            (json!({"issuedBefore": NOW}), false),
            (json!({"issuedBefore": NOW + 1}), true),
        ] {
            let record = planned(wish.clone()).unwrap();
            assert_eq!(revokes(&list(record), &own, NOW), revoked, "{wish}");
        }
        let room = list(planned(json!({"room": "r"})).unwrap());
        assert!(!revokes(&room, &badge("r", "p", None, Some(NOW + 1)), NOW + 5));
        assert!(revokes(&room, &badge("r", "p", None, None), NOW + 5), "it does not say when");
    }

    #[test]
    fn it_holds_until_the_tokens_have_expired() {
        let record = planned(json!({"tokenId": "t", "expiresAt": NOW + 60})).unwrap();
        let (all, own) = (list(record), badge("r", "p", Some("t"), None));
        assert!(revokes(&all, &own, NOW + 60));
        assert!(!revokes(&all, &own, NOW + 61));
        assert_eq!((held(&all, NOW + 60).len(), held(&all, NOW + 61).len()), (1, 0));
        assert_eq!(planned(json!({"room": "r"})).unwrap().expires_at, NOW + MAX_TTL.as_secs());
    }

    #[test]
    fn a_token_that_is_sent_is_revoked_by_its_id_or_its_time() {
        let wish = RevokeTokens { token: Some("…".into()), ..RevokeTokens::default() };
        let of = |badge: &Badge| plan(wish.clone(), Some((badge.clone(), NOW + 9)), "ops", NOW);
        let named = badge("r", "p", Some("t"), Some(500));
        let record = of(&named).unwrap();
        assert_eq!((record.issued_before, record.expires_at), (None, NOW + 9));
        assert!(revokes(&list(record), &named, NOW));
        let nameless = badge("r", "p", None, Some(500));
        let record = of(&nameless).unwrap();
        assert!(revokes(&list(record.clone()), &nameless, NOW));
        assert!(!revokes(&list(record), &badge("r", "p", None, Some(501)), NOW));
        let both = RevokeTokens { room: Some("r".parse().unwrap()), ..wish.clone() };
        assert!(plan(both, Some((named, NOW + 9)), "ops", NOW).is_err());
    }

    #[test]
    fn what_says_nothing_or_ends_never_is_refused() {
        for wish in [
            json!({}),
            json!({"reason": "why"}),
            json!({"room": "r", "expiresAt": NOW}),
            json!({"room": "r", "expiresAt": u64::MAX}),
            json!({"room": "r", "reason": "x".repeat(257)}),
            json!({"tokenId": "x".repeat(257)}),
        ] {
            let refusal = planned(wish.clone()).unwrap_err();
            assert_eq!(refusal.code, Code::BadRequest, "{wish}");
            assert!(!refusal.hint.is_empty());
        }
    }

    #[tokio::test]
    async fn who_waits_hears_of_its_own_and_of_nobody_elses() {
        let (tell, told) = watch::channel(Revocations::default());
        let now = seconds();
        let far = json!({"room": "r", "peer": "p", "expiresAt": now + 60});
        let record =
            |wish: Value| plan(serde_json::from_value(wish).unwrap(), None, "ops", now).unwrap();
        let own = badge("r", "p", None, Some(5));
        let mut own = revoked(told.clone(), Some(own));
        let mut other = revoked(told.clone(), Some(badge("r", "q", None, Some(5))));
        let mut free = revoked(told, None);
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut own).await.is_err());
        tell.send_replace(list(record(far)));
        tokio::time::timeout(Duration::from_secs(5), own).await.unwrap();
        assert!(tokio::time::timeout(soon, &mut other).await.is_err());
        drop(tell);
        assert!(tokio::time::timeout(soon, other).await.is_err(), "the node ends");
        assert!(tokio::time::timeout(soon, &mut free).await.is_err());
    }
}
