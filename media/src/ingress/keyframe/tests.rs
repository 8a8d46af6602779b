//! Tests of `keyframe`.
