//! A whole cluster in one thread: the decisions of real nodes and real clients on a clock that is
//! told the time, over a network, a registry and machines that fail as a seed says.
//!
//! What decides is the product's own: `ClusterView`, `Peers`, `RoomReplica`, `Exchange`, placement,
//! standby and `ClientSession`. What is simulated is what surrounds them: QUIC, etcd, TCP, clocks,
//! processes, and packets without bytes. `node/` stands for the actors that carry decisions out.
//!
//! A run is a [`plan`]: nodes, clients, and what happens when. First all goes wrong that the plan
//! has (safety), then everything is mended and all must be well after a while (liveness), then all
//! leave and nothing may be left. [`oracle`] watches; a red run prints its seed, and the seed is
//! all that is needed to see it again.

mod client;
mod ctx;
mod etcd;
mod event;
pub mod fault;
mod network;
mod node;
pub mod oracle;
pub mod plan;
pub mod plant;
pub mod report;
pub mod run;
pub mod scale;
pub mod shrink;
mod world;
