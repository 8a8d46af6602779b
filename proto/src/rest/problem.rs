//! What every refusal of the REST API looks like. Never does: say why.

use serde::{Deserialize, Serialize};

use crate::{Code, Refusal};

/// Body of every refusal: RFC 9457 problem details with a code and a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank#<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: Code,
    /// What is wrong here. (Release 0.1 said it in `title`.)
    #[serde(default)]
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// Where the code is explained, on the node that answered.
    #[serde(default)]
    pub docs: String,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, hint } = refusal;
        Self {
            hint: if hint.is_empty() { format!("see /docs#{code}") } else { hint },
            kind: format!("about:blank#{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: message,
            docs: format!("/docs#{code}"),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let Problem { code, title, detail, hint, .. } = problem;
        Self { code, message: if detail.is_empty() { title } else { detail }, hint }
    }
}
