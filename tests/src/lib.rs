//! Shared by the tests that need whole nodes: clusters, clients, load, measurements.

pub mod etcd;
#[path = "../sim/mod.rs"]
pub mod sim;
