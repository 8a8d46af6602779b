//! What can be told of a microphone without decoding it: how loud it is (mediasoup's
//! AudioLevelObserver) and how much it speaks (its ActiveSpeakerObserver), from the levels that
//! senders put beside their packets (RFC 6464). Who has the floor is decided above, over all planes
//! and nodes of a room.

pub mod background;
pub mod meter;

pub use background::Background;
pub use meter::{Meter, Reading};

use std::time::Duration;

/// How often a microphone that is heard is told of: mediasoup's ActiveSpeakerObserver (300 ms).
pub const INTERVAL: Duration = Duration::from_millis(300);
