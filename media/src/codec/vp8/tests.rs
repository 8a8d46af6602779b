//! Tests of `vp8`.
