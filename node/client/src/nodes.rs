//! `/v1/nodes`.

use serde_json::Value;
use starling_proto::{
    NodeId, RoomId,
    rest::{DrainInfo, DrainNode, NodeInfo, Reloaded, SetLog, WorkersInfo},
};

use crate::{Client, Error, Events, query::query};

impl Client {
    /// All nodes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, Error> {
        self.list("/v1/nodes").await
    }

    /// One node.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn node(&self, node: &NodeId) -> Result<NodeInfo, Error> {
        self.get(&format!("/v1/nodes/{node}")).await
    }

    /// A node's process and workers.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn workers(&self, node: &NodeId) -> Result<WorkersInfo, Error> {
        self.get(&format!("/v1/nodes/{node}/workers")).await
    }

    /// What a node's router of a room forwards to whom.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn router(&self, node: &NodeId, room: &RoomId) -> Result<Value, Error> {
        self.get(&format!("/v1/nodes/{node}/routers/{room}")).await
    }

    /// Takes no new peers there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn cordon(&self, node: &NodeId) -> Result<NodeInfo, Error> {
        self.post(&format!("/v1/nodes/{node}/cordon"), &()).await
    }

    /// Takes no new peers there, and moves the present ones.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn drain(&self, node: &NodeId, wish: &DrainNode) -> Result<NodeInfo, Error> {
        self.post(&format!("/v1/nodes/{node}/drain"), wish).await
    }

    /// How far a drain is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn drained(&self, node: &NodeId) -> Result<DrainInfo, Error> {
        self.get(&format!("/v1/nodes/{node}/drain")).await
    }

    /// Takes new peers there again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn undrain(&self, node: &NodeId) -> Result<NodeInfo, Error> {
        self.post(&format!("/v1/nodes/{node}/undrain"), &()).await
    }

    /// Reads a node's settings again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn reload(&self, node: &NodeId) -> Result<Reloaded, Error> {
        self.post(&format!("/v1/nodes/{node}/reload"), &()).await
    }

    /// What a node logs from now on, until it starts again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_log(&self, node: &NodeId, filter: &str) -> Result<(), Error> {
        let wish = SetLog { filter: filter.to_owned() };
        self.put(&format!("/v1/nodes/{node}/log"), &wish).await
    }

    /// What happens to a node's objects from now on: `observed` events, each a
    /// `starling_proto::observer::Observed`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn observe(&self, node: &NodeId, room: Option<&RoomId>) -> Result<Events, Error> {
        let room = query(&[("room", room.map(ToString::to_string))]);
        self.events(&format!("/v1/nodes/{node}/events{room}")).await
    }
}
