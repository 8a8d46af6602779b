//! The program: config, REST, signalling, CLI, console, metrics.
