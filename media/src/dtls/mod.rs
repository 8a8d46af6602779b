//! What can be read from DTLS datagrams without being a DTLS endpoint: record headers and the SRTP
//! profiles a ClientHello offers. Never decrypts and never answers.

mod hello;
mod record;

pub use hello::{HelloReader, preferred_profile};
pub use record::{Record, has_epoch0_record, is_alert, is_epoch0_handshake, records, starts_ccs};
