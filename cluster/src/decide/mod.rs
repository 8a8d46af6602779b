//! Pure decisions: placement on nodes and cores, standby, rosters.

pub mod cores;
pub mod floor;
pub mod last_n;
pub mod placement;
mod policy;
pub mod reservations;
pub mod roster;
pub mod standby;
