//! Why a call did not work.

use starling_proto::{Code, Refusal};

use crate::http::ClientError;

/// Why there is no answer of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node refused.
    #[error("{} [{}]", .refusal.message, .refusal.code)]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code, sentence, hint.
        refusal: Refusal,
    },
    /// There was no answer.
    #[error(transparent)]
    Unreachable(#[from] ClientError),
    /// Something answered that is no node, or one of another age.
    #[error("{server} {what}")]
    Strange {
        /// Who.
        server: String,
        /// What it did.
        what: String,
    },
    /// No token looks like that.
    #[error("the token has characters that no token has")]
    Token,
}

impl Error {
    /// The stable code of a refusal.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What to do about it; empty if that is not known.
    pub fn hint(&self) -> &str {
        match self {
            Self::Refused { refusal, .. } => &refusal.hint,
            Self::Unreachable(ClientError::Url(_)) => "write it as http://host:port",
            Self::Unreachable(_) => "is the node running there?",
            Self::Strange { .. } => "is that the address of a node's REST API?",
            Self::Token => "it is one line of letters, digits and punctuation",
        }
    }

    /// What was asked for does not exist.
    pub fn is_missing(&self) -> bool {
        self.status() == Some(404)
    }
}
