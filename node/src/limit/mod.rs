//! How often somebody may do something. Never does: refuse; it answers yes or no.

mod address;
mod rate;

pub use address::PerAddress;
pub use rate::Rate;
