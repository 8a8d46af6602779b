//! The operators' bearer token. Never does: tell how much of a wrong one was right.

use starling_proto::{Code, Refusal};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// Knows the token.
#[derive(Clone, Debug)]
pub struct Admin(Secret);

impl Admin {
    /// Of the configuration.
    pub fn new(token: Secret) -> Self {
        Self(token)
    }

    /// Lets `presented` in.
    ///
    /// # Errors
    /// `unauthorized` with a hint on how to present the token.
    pub fn check(&self, presented: Option<&str>) -> Result<(), Refusal> {
        let Some(presented) = presented else {
            return Err(Refusal::new(Code::Unauthorized, "this needs the admin token")
                .hint("send it as `Authorization: Bearer <admin token>`; the CLI takes --token"));
        };
        if bool::from(presented.as_bytes().ct_eq(self.0.expose().as_bytes())) {
            return Ok(());
        }
        Err(Refusal::new(Code::Unauthorized, "that is not the admin token")
            .hint("it is the node's admin_token; room tokens do not open the admin API"))
    }
}

/// The token in the text of an `Authorization` header (RFC 6750 §2.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_opens() {
        let admin = Admin::new(Secret::new("abcdef"));
        assert_eq!(admin.check(bearer("Bearer abcdef")), Ok(()));
        assert_eq!(admin.check(bearer("bearer  abcdef")), Ok(()));
        for wrong in ["abcdef", "Basic abcdef", "Bearer", "Bearer abcde", "Bearer abcdefg"] {
            let refusal = admin.check(bearer(wrong)).unwrap_err();
            assert_eq!(refusal.code, Code::Unauthorized, "{wrong}");
            assert!(!format!("{refusal:?}").contains("abcde"), "{wrong}");
        }
    }
}
