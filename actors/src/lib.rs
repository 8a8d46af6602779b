//! Who owns what on this node, and what happens when it dies.
//!
//! The tree is in `ARCHITECTURE.md`. A handler decides nothing that could be a function: it calls
//! one in `media` or `cluster` and carries out what it returns.

mod data;
mod described;
pub mod direct;
pub mod dtls;
mod fresh;
mod limits;
mod link_actor;
mod link_metrics;
mod metric;
pub mod negotiation;
mod node;
mod node_metrics;
mod peer;
mod registry_actor;
mod room;
mod router;
pub mod session;
#[cfg(test)]
mod tests;
mod ticket;
mod traces;
mod transport;
pub mod worker;
mod worker_actor;
mod worker_metrics;

pub use data::DataEvent;
pub use described::described;
pub use metric::{Metric, MetricKind};
pub use node::{
    Follower, Inspected, Node, NodeConfig, RESUME_WITHIN, Readiness, Revocations, StartError,
    Steered, Told, Webhooks,
};
pub use traces::Traces;
