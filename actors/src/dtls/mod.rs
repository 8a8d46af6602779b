//! DTLS sessions of WebRTC transports, and the certificate they all show. Takes datagrams from the
//! plane and gives datagrams and SRTP keys; never sees a socket or an address.

mod certificate;
mod guard;
mod keys;
#[cfg(any(test, feature = "testing"))]
pub mod loss;
mod session;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use guard::GuardCounters;
pub use session::{Cause, DtlsConfig, DtlsEvent, DtlsHandle, DtlsSession, Output, Role};
