//! What a command tells that did something and has no object to show: a sentence for people, an
//! object for programs, with the ids that it was asked about.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    output::{self, Failure, Format, note, print},
    remote::Remote,
};

/// It was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Done {
    /// The verb, as `delete`.
    did: &'static str,
    /// To what, as `"room": "demo"`.
    #[serde(flatten)]
    to: BTreeMap<&'static str, String>,
    /// The last of them.
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    sentence: String,
}

impl Done {
    /// With the ids from the outermost to the innermost, and a sentence.
    pub(super) fn new(
        did: &'static str,
        to: &[(&'static str, &dyn ToString)],
        sentence: impl Into<String>,
    ) -> Self {
        let name = to.last().map(|(_, id)| id.to_string()).unwrap_or_default();
        let to = to.iter().map(|(kind, id)| (*kind, id.to_string())).collect();
        Self { did, to, name, sentence: sentence.into() }
    }

    /// Tells it.
    ///
    /// # Errors
    /// [`Failure::Failed`] if stdout cannot be written.
    pub(super) fn tell(&self, format: Format) -> Result<(), Failure> {
        match format {
            // Data are for stdout, and this is none.
            Format::Table | Format::Wide => {
                note(&self.sentence);
                Ok(())
            }
            Format::Name => print(&format!("{}\n", self.name)),
            other => output::value(other, &serde_json::json!(self)),
        }
    }
}

impl Remote {
    /// Tells what was done.
    ///
    /// # Errors
    /// [`Failure::Failed`] if stdout cannot be written.
    pub(super) fn done(&self, done: &Done) -> Result<(), Failure> {
        done.tell(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_one_flat_object() {
        let done = Done::new("remove", &[("room", &"demo"), ("peer", &"ada")], "ada is gone");
        let told = serde_json::json!({"did": "remove", "room": "demo", "peer": "ada"});
        assert_eq!((serde_json::json!(done), done.name.as_str()), (told, "ada"));
    }
}
