//! People who are not there, for rooms behind bad networks: publishers with known layers and a
//! receiver that answers like a browser's, at a fraction of a browser's cost.

mod meet;
mod person;
mod publish;
mod watch;
mod words;

pub(crate) use meet::{MeetConfig, meet};
pub(crate) use publish::{PublishConfig, publish};
pub(crate) use watch::{WatchConfig, watch};
pub(crate) use words::Words;
