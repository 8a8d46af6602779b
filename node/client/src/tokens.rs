//! `/v1/tokens`.

use starling_proto::rest::{CreateToken, TokenCreated};

use crate::{Client, Error};

impl Client {
    /// Has a room token made.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_token(&self, wish: &CreateToken) -> Result<TokenCreated, Error> {
        self.post("/v1/tokens", wish).await
    }
}
