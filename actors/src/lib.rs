//! Who owns what on this node, and what happens when it dies.
//!
//! The tree is in `ARCHITECTURE.md`. A handler decides nothing that could be a function: it calls one
//! in `media` or `cluster` and carries out what it returns.

pub mod dtls;
pub mod session;
pub mod worker;
