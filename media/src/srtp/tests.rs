//! SRTP from outside.
