//! How much one transport may send, and who gets it: the estimate from transport-wide feedback
//! (or a receiver's own, by REMB: [`told`]), probes that raise it, and its allocation to consumers.
//!
//! Small machines, each alone: [`history`] joins feedback with what was sent, [`arrival`] groups
//! it, [`trendline`] tells queues that fill, [`queue`] how long they are and what they let through,
//! [`drain`] when they are about to be full, [`aimd`] and [`loss`] draw the consequence,
//! [`throughput`] and [`alr`] say what is used, [`probe`] tries more, [`pacer`] spreads what is not
//! media; [`estimator`] composes them; [`allocate()`] shares, [`memory`] keeps that stable. They
//! know neither packets' bytes nor a plane. Times are microseconds since an estimator began.
//!
//! Rules taken from libwebrtc name its file, in `modules/congestion_controller/goog_cc/` unless
//! they say more.

pub mod aimd;
pub mod allocate;
pub mod alr;
pub mod arrival;
pub mod capacity;
pub mod drain;
pub mod estimator;
pub mod history;
pub mod loss;
pub mod memory;
pub mod pacer;
#[cfg(test)]
pub(crate) mod path;
pub mod probe;
pub mod probe_result;
pub mod queue;
pub mod throughput;
pub mod told;
pub mod trendline;

pub use allocate::{Demand, Granted, Ladder, allocate};
pub use estimator::{Bounds, Estimator, Trace};
pub use memory::Memory;
