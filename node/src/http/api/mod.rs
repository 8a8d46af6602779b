//! The handlers of `/v1`: each checks who asks, calls the node, and writes down what it answered.
//! Never does: decide anything about rooms or peers.

pub(crate) mod broadcasters;
pub(crate) mod data;
pub(crate) mod direct;
pub(crate) mod events;
pub(crate) mod inspect;
pub(crate) mod matrix;
pub(crate) mod moves;
pub(crate) mod nodes;
pub(crate) mod peers;
pub(crate) mod pipes;
pub(crate) mod policy;
pub(crate) mod recordings;
pub(crate) mod rooms;
pub(crate) mod steer;
pub(crate) mod tokens;
pub(crate) mod transports;
pub(crate) mod webhooks;
