//! What every route of `/v1` has: an id that a request is found by, ETags, and answers that are
//! given again to who asks again. This file routes; the rules are beside it.

mod etag;
mod idempotency;
mod request_id;

pub(crate) use etag::{layer as etags, of as etag_of};
pub use idempotency::Answers;
pub(crate) use idempotency::{KEY as IDEMPOTENCY_KEY, REPLAYED, layer as idempotent};
pub(crate) use request_id::{REQUEST_ID, layer as request_ids};

/// Longest answer that is looked into, in bytes: what is longer has no ETag and is not kept. 10,000
/// rooms are 3 MB.
const MAX_ANSWER: usize = 4 << 20;
