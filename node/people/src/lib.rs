//! People who are not there: publishers with known layers and receivers that answer as browsers do,
//! at a fraction of a browser's cost. For `starling load-test` and for tests.
//!
//! Their cryptography is `dtls`' and `webrtc-srtp`'s, so that none of it is the node's own.
#![forbid(unsafe_code)]

pub mod client;
pub mod clock;
pub mod encoder;
pub mod frames;
pub mod guest;
pub mod histogram;
pub mod measure;
pub mod receiver;
pub mod reports;

pub use client::{Client, Failure, Identity};
