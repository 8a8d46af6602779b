//! Pure decisions: placement on nodes and cores and what work costs, standby, rosters and their
//! exchange, the view of the cluster, a node's lives, relay trees and pulls.

pub mod budget;
pub mod cores;
pub mod cost;
pub mod drain;
pub mod exchange;
pub mod floor;
pub mod last_n;
pub mod life;
pub mod liveness;
pub mod placement;
mod policy;
pub mod pulls;
pub mod rejoin;
mod rendezvous;
pub mod reservations;
pub mod roster;
pub mod standby;
pub mod traced;
pub mod tree;
pub mod view;
