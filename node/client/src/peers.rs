//! `/v1/rooms/{room}/peers`.

use starling_proto::{
    PeerId, RoomId,
    mute::Muted,
    rest::{CreatePeer, MovePeer, PeerInfo, PeerMoved, PeerObjects},
};

use crate::{Client, Error, query::query};

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

    /// Sends a peer away for a reason, which its client reads; it does not come back by itself.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn kick_peer(&self, room: &RoomId, peer: &PeerId, reason: &str) -> Result<(), Error> {
        let why = query(&[("reason", Some(reason.to_owned()))]);
        self.delete(&format!("{}{why}", path(room, peer))).await
    }

    /// What is silenced of a peer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn muted(&self, room: &RoomId, peer: &PeerId) -> Result<Muted, Error> {
        self.get(&format!("{}/mute", path(room, peer))).await
    }

    /// Silences a peer, or takes that back.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn mute(&self, room: &RoomId, peer: &PeerId, wish: Muted) -> Result<Muted, Error> {
        self.put(&format!("{}/mute", path(room, peer)), &wish).await
    }
}

pub(crate) fn path(room: &RoomId, peer: &PeerId) -> String {
    format!("/v1/rooms/{room}/peers/{peer}")
}
