//! Tests of `nack`.
