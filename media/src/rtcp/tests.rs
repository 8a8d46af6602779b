//! Tests of RTCP, both ways.
