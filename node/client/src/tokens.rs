//! `/v1/tokens`.

use starling_proto::{
    RevocationId,
    rest::{CreateToken, RevocationInfo, RevokeTokens, TokenCreated},
};

use crate::{Client, Error};

impl Client {
    /// Has a room token made.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_token(&self, wish: &CreateToken) -> Result<TokenCreated, Error> {
        self.post("/v1/tokens", wish).await
    }

    /// Revokes room tokens, on every node.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_tokens(&self, wish: &RevokeTokens) -> Result<RevocationInfo, Error> {
        self.post("/v1/tokens/revocations", wish).await
    }

    /// Which room tokens are good no longer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revocations(&self) -> Result<Vec<RevocationInfo>, Error> {
        self.list("/v1/tokens/revocations").await
    }

    /// Takes a revocation back.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn lift_revocation(&self, id: &RevocationId) -> Result<(), Error> {
        self.delete(&format!("/v1/tokens/revocations/{id}")).await
    }
}
