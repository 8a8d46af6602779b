//! ClientHellos, whole and in pieces.
