//! Messages of data channels: one data producer's messages and who is to read them (`topic`), and
//! which of them a consumer gets (`audience`). Never does: SCTP (`sctp`), links, waiting.

mod audience;
mod topic;

pub use audience::hears;
pub use topic::{LOG, Next, ReaderKey, Topic, TopicCounters, cost};
