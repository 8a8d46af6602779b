//! Settings of webhooks and of the admission hook.

use std::time::Duration;

use super::Secret;

/// Whom a node tells, and whom it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Which secret receivers are to take: `iss` of the signature.
    pub key: String,
    /// Signs what is sent; without it nothing is.
    pub secret: Option<Secret>,
    /// Webhooks may be at private addresses.
    pub private: bool,
    /// Who decides about joins.
    pub admission: Option<Admission>,
}

/// Somebody else's server that decides who comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Where it is asked.
    pub url: String,
    /// Longest wait for it.
    pub timeout: Duration,
    /// Who comes in while it does not answer: everybody, or nobody.
    pub open: bool,
}

impl Hooks {
    /// The key that signatures name if no other is given.
    pub const KEY: &'static str = "starling";

    /// Without an admission hook.
    pub fn signed_with(secret: Option<Secret>) -> Self {
        Self { key: Self::KEY.to_owned(), secret, private: false, admission: None }
    }
}
