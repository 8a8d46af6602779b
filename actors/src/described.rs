//! Every figure of a node that there is: for lists of names, and for whoever checks that a name is
//! one. Never does: look at a node.

use std::time::Duration;

use starling_cluster::link::LinkCounters;
use starling_proto::NodeId;

use crate::{
    Metric, link_metrics,
    node::DtlsCounters,
    node_metrics::{self, NodeFigures},
    worker::WorkerCounters,
    worker_metrics,
};

/// Of one worker and one link, and all of them 0.
pub fn described() -> Vec<Metric> {
    let mut all = Vec::new();
    let figures = NodeFigures { lease_age: Some(Duration::ZERO), ..NodeFigures::default() };
    node_metrics::append(&mut all, &figures);
    let node: NodeId = "node-2".parse().expect("letters and digits are an id");
    let link = LinkCounters { limit: Some(0), ..LinkCounters::default() };
    link_metrics::append(&mut all, &node, &link);
    worker_metrics::append(&mut all, 0, &WorkerCounters::default());
    all.extend(DtlsCounters::default().metrics());
    all
}
