//! Pure decisions: placement, standby, rosters, pipes.

pub mod floor;
pub mod placement;
mod policy;
pub mod reservations;
pub mod roster;
pub mod standby;
