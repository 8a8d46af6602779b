//! Facts of the merged view, with literal times.
