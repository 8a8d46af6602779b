//! What a producer's stream is made of: the packets kept, loss and jitter, what is asked for again,
//! and the feedback a sender gets. Machines only; `producer` puts them together.

pub mod keyframe;
pub mod nack;
pub mod rate;
pub mod ring;
pub mod score;
pub mod stats;
pub mod twcc;

pub use keyframe::KeyFrameRequests;
pub use nack::NackGenerator;
pub use rate::RateCalculator;
pub use ring::{PacketRing, SlotRef, StoredPacket};
pub use score::{ScoreInterval, ScoreWindow};
pub use stats::{ReceiveStats, Verdict};
pub use twcc::TwccRecorder;
