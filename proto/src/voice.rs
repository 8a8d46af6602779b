//! How loud and how much like speech a room's microphones are, as planes measure it and nodes tell
//! each other. Never holds sound.

use serde::{Deserialize, Serialize};

use crate::ProducerId;

/// Volume of silence, in dBov (RFC 6464 §3).
pub const SILENCE: i8 = -127;

/// Voices in one message: those of a room that somebody could hear apart, twice over. The loudest
/// are told.
pub const MAX_VOICES: usize = 16;

/// How much of the last second was speech, over three spans of it: the counts of Volfin and Cohen,
/// "Dominant speaker identification for multipoint videoconferencing" (2013), with Jitsi's sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speech {
    /// Level of the newest 20 ms above the background, in steps of 10 dB: 0 to 12.
    pub immediate: u8,
    /// Loud ones of the newest 5: 0 to 5.
    pub medium: u8,
    /// Tenths of the last second that were all loud: 0 to 10.
    pub long: u8,
}

/// One microphone over the last measuring interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// Which.
    pub producer: ProducerId,
    /// Its mean level in dBov, 0 down to [`SILENCE`].
    pub volume: i8,
    /// How much it speaks.
    pub speech: Speech,
}

/// Who has the floor: the dominant speaker, and how often that changed before. The greater one is
/// true, wherever it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turn {
    /// One more than that of the turn before.
    pub count: u64,
    /// Whose it is.
    pub producer: ProducerId,
}

/// What a node tells a room's other nodes of its own microphones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voices {
    /// Those that are not silent, loudest first, at most [`MAX_VOICES`]. Who is missing is silent.
    pub voices: Vec<Voice>,
    /// Who has the floor, as the telling node knows it.
    pub turn: Option<Turn>,
}
