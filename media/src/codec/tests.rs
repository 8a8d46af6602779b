//! Tests of the codec facts.
