//! Tests of `twcc`.
