//! RTP packets as bytes, sequence numbers and clocks. Never knows what a producer or a consumer is.

pub mod clock;
pub mod header;
pub mod sequence;
pub mod writer;

pub use clock::{CaptureClock, CapturePoint, ClockOffset, NtpTime, WallClock};
pub use header::{PacketClass, RtpHeader, classify, is_rtcp};
pub use sequence::{Continuity, PictureIdManager, SeqManager, SeqNo, Unwrapper};
pub use writer::{ExtensionPlan, Outgoing, Written, pad, rtx_decode, write_packet};
