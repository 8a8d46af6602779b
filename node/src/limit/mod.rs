//! How often somebody may do something. Never does: refuse; it answers yes or no.

mod address;
mod held;
mod rate;
mod turnstile;

pub use address::PerAddress;
pub use held::{Held, Place};
pub use rate::Rate;
pub use turnstile::{JOINS_PER_WORKER, Turnstile};
