//! Names of things, as they appear on every wire. Never does: choose one (that needs randomness).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name in bytes. mediasoup and protoo use 8 to 36 characters; 64 leaves room for a
/// Kubernetes pod name (63) and keeps registry keys short.
pub const MAX_LEN: usize = 64;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 characters out of A-Z a-z 0-9 . _ ~ -")]
pub struct IdError;

/// What all ids have in common.
pub trait Id: Sized {
    /// Checks `text` and makes an id of it.
    ///
    /// # Errors
    /// [`IdError`] if `text` is empty, too long, or has a character that is not unreserved in a
    /// URL.
    fn parse(text: &str) -> Result<Self, IdError>;
    /// The id as text.
    fn as_str(&self) -> &str;
}

fn check(text: &str) -> Result<(), IdError> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
    if text.is_empty() || text.len() > MAX_LEN || !text.bytes().all(fine) {
        return Err(IdError);
    }
    Ok(())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl Id for $name {
            fn parse(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.to_owned()))
            }
            fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                check(&text).map(|()| Self(text)).map_err(serde::de::Error::custom)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// Something that a node records, or has.
    RecordingId;
    /// What says that tokens are good no longer.
    RevocationId;
    /// One process of the cluster; in Kubernetes the pod's name. Also the SAN of its certificate.
    NodeId;
    /// A room, by the name its users chose.
    RoomId;
    /// One client's membership of a room, by the name the client chose.
    PeerId;
    /// A transport of a peer.
    TransportId;
    /// A producer; the same on every node that pipes it (mediasoup's `keepId`).
    ProducerId;
    /// A consumer; unique on its node.
    ConsumerId;
    /// A data producer; the same on every node.
    DataProducerId;
    /// A data consumer; unique on its node.
    DataConsumerId;
    /// Somebody who is told what happens, by the name an operator gave it.
    WebhookId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_a_url_path_and_a_registry_key_are_ids() {
        assert!(RoomId::parse("stand-up_2026.11~a").is_ok());
        for bad in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(RoomId::parse(bad), Err(IdError), "{bad:?}");
        }
    }

    #[test]
    fn json_refuses_a_bad_id() {
        assert!(serde_json::from_str::<PeerId>("\"../etc\"").is_err());
        assert_eq!(serde_json::to_string(&PeerId("p1".into())).unwrap(), "\"p1\"");
    }
}
