//! What an operator has silenced of a peer. Never does: pause anything.

use serde::{Deserialize, Serialize};

use crate::MediaKind;

/// Kinds of media that a peer may send and nobody gets, whatever its client says, until an operator
/// takes it back. It holds for what the peer produces later, and on whichever node it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Muted {
    /// Nobody hears it.
    pub audio: bool,
    /// Nobody sees it.
    pub video: bool,
}

impl Muted {
    /// Whether this kind is.
    pub const fn has(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }

    /// Whether nothing is.
    pub const fn is_nothing(&self) -> bool {
        !self.audio && !self.video
    }
}
