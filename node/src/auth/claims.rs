//! What a room token says, in our layout or in LiveKit's, and what that grants. Never does: verify.

use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::{Deserialize, Serialize};
use starling_proto::{Grants, MediaKind, PeerId, RoomId, rest::CreateToken};

use super::{Badge, Reason};

/// No token is good after the last second that RFC 3339 can write: a larger number is a mistake, or
/// somebody who hopes for an overflow.
const MAX_TIME: u64 = 253_402_300_799;

/// The claims. All but `exp` may be missing here; [`Claims::seat`] says what may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// For which room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// For which peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<PeerId>,
    /// The same, where `sub` is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<PeerId>,
    /// May come in; absent: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<bool>,
    /// May produce.
    #[serde(default, skip_serializing_if = "is_false")]
    pub publish: bool,
    /// Only these kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<MediaKind>,
    /// Only these sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// May consume.
    #[serde(default, skip_serializing_if = "is_false")]
    pub subscribe: bool,
    /// May send over data channels; absent: as `publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<bool>,
    /// May send others away, and mute them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub admin: bool,
    /// Others are not told of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Others are told that it records.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recorder: bool,
    /// LiveKit's grants, instead of all these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<LiveKit>,
    /// Not after, in seconds since 1970.
    pub exp: u64,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued. Read as it is: issuers write fractions, and nothing depends on it but
    /// whether a revocation came later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<serde_json::Value>,
    /// By which it can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// LiveKit's `VideoGrant`, as far as it is about one room; what else is in it is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveKit {
    room: Option<RoomId>,
    room_join: bool,
    room_admin: bool,
    /// Absent: yes, there and here.
    can_publish: Option<bool>,
    can_subscribe: Option<bool>,
    /// Absent: as `can_publish`.
    can_publish_data: Option<bool>,
    can_publish_sources: Vec<String>,
    hidden: bool,
    recorder: bool,
}

/// Whom a token is for, and what it grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub peer: PeerId,
    /// May come in. A token without it is for the room's REST API alone.
    pub join: bool,
    /// What it may do.
    pub grants: Grants,
    /// Its `jti`.
    pub id: Option<String>,
    /// When it was issued, in seconds since 1970, if it says so.
    pub issued_at: Option<u64>,
}

impl Seat {
    /// What revocations go by.
    pub fn badge(&self) -> Badge {
        let Self { room, peer, id, issued_at, .. } = self;
        Badge { room: room.clone(), peer: peer.clone(), id: id.clone(), issued_at: *issued_at }
    }
}

const fn is_false(is: &bool) -> bool {
    !*is
}

impl Claims {
    /// What a token says, whoever signed it and however old it is: to show it to a person.
    ///
    /// # Errors
    /// That it is none.
    pub fn unverified(token: &str) -> Result<Self, Reason> {
        insecure_decode_claims(token).map_err(|_| Reason::Malformed)
    }

    /// Of a token that is asked for.
    pub fn of(wish: &CreateToken, issued_at: u64, id: String) -> Self {
        Self {
            room: Some(wish.room.clone()),
            sub: Some(wish.peer.clone()),
            join: (!wish.join).then_some(false),
            publish: wish.publish,
            kinds: wish.kinds.clone(),
            sources: wish.sources.clone(),
            subscribe: wish.subscribe,
            data: wish.data,
            admin: wish.admin,
            hidden: wish.hidden,
            recorder: wish.recorder,
            exp: issued_at + wish.ttl_seconds,
            iat: Some(issued_at.into()),
            jti: Some(id),
            ..Self::default()
        }
    }

    /// What they grant.
    ///
    /// # Errors
    /// [`Reason::Claims`] if it cannot be said for whom or for how long, or is said twice.
    pub fn seat(self) -> Result<Seat, Reason> {
        let peer = match (&self.sub, &self.identity) {
            (Some(sub), Some(identity)) if sub != identity => None,
            (Some(peer), _) | (None, Some(peer)) => Some(peer.clone()),
            (None, None) => None,
        };
        let peer = peer.ok_or(Reason::Claims)?;
        if self.exp > MAX_TIME {
            return Err(Reason::Claims);
        }
        let (id, issued_at) = (self.jti.clone(), self.issued_at());
        let (room, join, grants) = match self.video.clone() {
            None => self.own()?,
            Some(_) if self.names_own() => return Err(Reason::Claims),
            Some(video) => video.grants()?,
        };
        Ok(Seat { room, peer, join, grants, id, issued_at })
    }

    /// `iat`, or for issuers that leave it out the time from which it is good.
    fn issued_at(&self) -> Option<u64> {
        let at = self.iat.as_ref().and_then(serde_json::Value::as_f64);
        // A float is cut off at the ends of what fits.
        at.map(|at| at as u64).or(self.nbf)
    }

    fn own(self) -> Result<(RoomId, bool, Grants), Reason> {
        let room = self.room.ok_or(Reason::Claims)?;
        let grants = Grants {
            publish: self.publish,
            kinds: self.kinds,
            sources: self.sources,
            subscribe: self.subscribe,
            data: self.data.unwrap_or(self.publish),
            admin: self.admin,
            hidden: self.hidden,
            recorder: self.recorder,
        };
        Ok((room, self.join.unwrap_or(true), grants))
    }

    /// Two layouts in one token would say two things.
    fn names_own(&self) -> bool {
        self.room.is_some() || self.publish || self.subscribe || self.admin
    }
}

impl LiveKit {
    fn grants(self) -> Result<(RoomId, bool, Grants), Reason> {
        let publish = self.can_publish.unwrap_or(true);
        let grants = Grants {
            publish,
            kinds: Vec::new(),
            sources: self.can_publish_sources,
            subscribe: self.can_subscribe.unwrap_or(true),
            data: self.can_publish_data.unwrap_or(publish),
            admin: self.room_admin,
            hidden: self.hidden,
            recorder: self.recorder,
        };
        Ok((self.room.ok_or(Reason::Claims)?, self.room_join, grants))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seat(claims: Value) -> Result<Seat, Reason> {
        serde_json::from_value::<Claims>(claims).map_err(|_| Reason::Claims)?.seat()
    }

    #[test]
    fn our_own_layout_grants_what_it_says() {
        let nothing = seat(json!({"room": "r", "sub": "p", "exp": 1})).unwrap();
        let none = Grants { publish: false, subscribe: false, data: false, ..Grants::member() };
        assert_eq!((nothing.join, nothing.grants), (true, none));
        let all = seat(json!({
            "room": "r", "sub": "p", "exp": 1, "publish": true, "kinds": ["audio"],
            "sources": ["mic"], "subscribe": true, "data": false, "admin": true, "hidden": true,
            "recorder": true, "join": false,
        }))
        .unwrap();
        let grants = Grants {
            publish: true,
            kinds: vec![MediaKind::Audio],
            sources: vec!["mic".into()],
            subscribe: true,
            data: false,
            admin: true,
            hidden: true,
            recorder: true,
        };
        assert_eq!((all.join, all.grants), (false, grants));
    }

    #[test]
    fn when_it_was_issued_is_read_as_issuers_write_it() {
        let at = |more: Value| {
            let mut claims = json!({"room": "r", "sub": "p", "exp": 9, "jti": "t"});
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let seat = seat(claims).unwrap();
            assert_eq!(seat.badge().id.as_deref(), Some("t"));
            seat.badge().issued_at
        };
        assert_eq!(at(json!({"iat": 7})), Some(7));
        assert_eq!(at(json!({"iat": 7.9, "nbf": 3})), Some(7));
        assert_eq!(at(json!({"nbf": 3})), Some(3));
        assert_eq!(at(json!({"iat": "yesterday"})), None);
        assert_eq!(at(json!({})), None);
    }

    #[test]
    fn livekits_layout_is_read_with_its_defaults() {
        let video = json!({"roomJoin": true, "room": "r"});
        let read = seat(json!({"sub": "p", "exp": 1, "iss": "key", "video": video})).unwrap();
        assert_eq!(
            (read.room.to_string(), read.join, read.grants),
            ("r".into(), true, Grants::member())
        );
        let video = json!({
            "roomJoin": true, "room": "r", "canPublish": true, "canSubscribe": false,
            "canPublishData": false, "canPublishSources": ["camera", "microphone"],
            "roomAdmin": true, "hidden": true, "recorder": true, "canUpdateOwnMetadata": true,
        });
        let read = seat(json!({"identity": "p", "exp": 1, "video": video, "metadata": "x"}));
        let grants = Grants {
            subscribe: false,
            data: false,
            sources: vec!["camera".into(), "microphone".into()],
            admin: true,
            hidden: true,
            recorder: true,
            ..Grants::member()
        };
        assert_eq!(read.unwrap().grants, grants);
        let video = json!({"roomAdmin": true, "room": "r"});
        assert!(!seat(json!({"sub": "p", "exp": 1, "video": video})).unwrap().join);
    }

    #[test]
    fn a_token_that_is_not_for_one_peer_of_one_room_is_none() {
        for claims in [
            json!({"room": "r", "exp": 1}),
            json!({"sub": "p", "exp": 1}),
            json!({"room": "r", "sub": "p", "identity": "q", "exp": 1}),
            json!({"room": "r", "sub": "p", "exp": u64::MAX}),
            json!({"room": "r", "sub": "p", "exp": 1u64 << 63}),
            json!({"sub": "p", "exp": 1, "video": {"roomJoin": true}}),
            json!({"sub": "p", "exp": 1, "video": {"roomJoin": true, "room": "r"}, "room": "s"}),
            json!({"sub": "p", "exp": 1, "video": {"roomJoin": true, "room": "r"}, "admin": true}),
            json!({"room": "r", "sub": "p", "exp": 1, "kinds": ["smell"]}),
        ] {
            assert_eq!(seat(claims.clone()), Err(Reason::Claims), "{claims}");
        }
    }
}
