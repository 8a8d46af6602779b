//! `/v1/rooms/{room}/peers`.

use serde_json::Value;
use starling_proto::{
    PeerId, RoomId,
    rest::{CreatePeer, MovePeer, PeerInfo, PeerMoved, PeerObjects},
};

use crate::{Client, Error};

impl Client {
    /// Peers of a room, on all nodes. Nodes know no peers of a room where there are none, and say
    /// that it is not there: it is asked for then.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn peers(&self, room: &RoomId) -> Result<Vec<PeerInfo>, Error> {
        match self.list(&format!("/v1/rooms/{room}/peers")).await {
            Err(error) if error.is_missing() => self.room(room).await.map(|_| Vec::new()),
            peers => peers,
        }
    }

    /// Ids of what a peer has.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn peer(&self, room: &RoomId, peer: &PeerId) -> Result<PeerObjects, Error> {
        self.get(&path(room, peer)).await
    }

    /// Makes a peer for a program, on the node that is asked.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_peer(&self, room: &RoomId, wish: &CreatePeer) -> Result<PeerInfo, Error> {
        self.post(&format!("/v1/rooms/{room}/peers"), wish).await
    }

    /// Moves a client; answers when it is there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn move_peer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        wish: &MovePeer,
    ) -> Result<PeerMoved, Error> {
        self.post(&format!("{}/move", path(room, peer)), wish).await
    }

    /// Sends a peer away.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn remove_peer(&self, room: &RoomId, peer: &PeerId) -> Result<(), Error> {
        self.delete(&path(room, peer)).await
    }

    /// What a node holds of one of a peer's objects, or counts; `kind` is `transports`,
    /// `producers`, `consumers` and so on.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn inspect(
        &self,
        room: &RoomId,
        peer: &PeerId,
        kind: &str,
        id: &str,
        stats: bool,
    ) -> Result<Value, Error> {
        let tail = if stats { "/stats" } else { "" };
        self.get(&format!("{}/{kind}/{id}{tail}", path(room, peer))).await
    }
}

pub(crate) fn path(room: &RoomId, peer: &PeerId) -> String {
    format!("/v1/rooms/{room}/peers/{peer}")
}
