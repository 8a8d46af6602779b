//! `/v1/links` and `/v1/pipes`.

use starling_proto::{
    NodeId,
    rest::{LinkInfo, Links, PipeInfo, Pipes},
};

use crate::{Client, Error};

impl Client {
    /// All links, from both ends.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn links(&self) -> Result<Links, Error> {
        self.get("/v1/links").await
    }

    /// A node's links.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn links_of(&self, node: &NodeId) -> Result<Vec<LinkInfo>, Error> {
        self.list(&format!("/v1/nodes/{node}/links")).await
    }

    /// What is pulled from node to node.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pipes(&self) -> Result<Pipes, Error> {
        self.get("/v1/pipes").await
    }

    /// What a node pulls from others.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pipes_of(&self, node: &NodeId) -> Result<Vec<PipeInfo>, Error> {
        self.list(&format!("/v1/nodes/{node}/pipes")).await
    }
}
