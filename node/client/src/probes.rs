//! `/readyz` and `/metrics`.

use hyper::{Method, body::Bytes};
use starling_proto::rest::Health;

use crate::{Client, Error};

impl Client {
    /// Whether the node takes peers, and what does not work; a node that is not ready says so, too.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn health(&self) -> Result<Health, Error> {
        let answer = self.raw(Method::GET, "/readyz", Bytes::new()).await?;
        serde_json::from_slice(&answer.body).map_err(|_| self.refused(answer.status, &answer.body))
    }

    /// Figures in Prometheus' text format.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn metrics(&self) -> Result<String, Error> {
        let answer = self.raw(Method::GET, "/metrics", Bytes::new()).await?;
        if !answer.status.is_success() {
            return Err(self.refused(answer.status, &answer.body));
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}
