//! Tests of `rate`.
