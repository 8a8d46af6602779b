//! The agent, as input to outputs.
