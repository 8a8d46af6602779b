//! The negotiation that a client does which speaks SDP and not mediasoup-client's JSON, for those
//! who speak for it. Never decides: these are `media`'s functions, which `node` does not see.

pub use starling_media::negotiation::{Numbers, ScalabilityMode, accepted_parameters, is_rtx};
