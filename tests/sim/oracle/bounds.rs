//! Every queue and table is within its bound.

use starling_proto::NodeId;

/// How large something is, and may be.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Size {
    pub(in crate::sim) of: &'static str,
    pub(in crate::sim) is: usize,
    pub(in crate::sim) most: usize,
}

pub(super) fn check(node: &NodeId, sizes: &[Size]) -> Option<String> {
    let over = sizes.iter().find(|size| size.is > size.most)?;
    Some(format!("{node}: {} are {}, at most {}", over.of, over.is, over.most))
}
