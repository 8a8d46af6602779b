//! `/v1/rooms`.

use starling_proto::{
    MediaKind, RoomId, RtpCapabilities,
    registry::RoomPolicy,
    rest::{
        ClientAt, CreateRoom, MoveRoom, Placement, PlacementExplained, PolicyChange, RoomInfo,
        RoomMatrix, RoomMoving,
    },
};

use crate::{Client, Error, query::query};

impl Client {
    /// All rooms.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rooms(&self) -> Result<Vec<RoomInfo>, Error> {
        self.list("/v1/rooms").await
    }

    /// One room.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn room(&self, room: &RoomId) -> Result<RoomInfo, Error> {
        self.get(&path(room)).await
    }

    /// Makes a room that stays when it is empty.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_room(&self, wish: &CreateRoom) -> Result<RoomInfo, Error> {
        self.post("/v1/rooms", wish).await
    }

    /// Changes what is given of a room's policy.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_policy(
        &self,
        room: &RoomId,
        change: &PolicyChange,
    ) -> Result<RoomInfo, Error> {
        self.patch(&format!("{}/policy", path(room)), change).await
    }

    /// A room's policy.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn policy(&self, room: &RoomId) -> Result<RoomPolicy, Error> {
        self.get(&format!("{}/policy", path(room))).await
    }

    /// Gives a room another policy as a whole.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_policy(&self, room: &RoomId, policy: &RoomPolicy) -> Result<RoomInfo, Error> {
        self.put(&format!("{}/policy", path(room)), policy).await
    }

    /// What each peer gets of each other, of one kind or of both.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn matrix(
        &self,
        room: &RoomId,
        kind: Option<MediaKind>,
    ) -> Result<RoomMatrix, Error> {
        let kind = kind.map(|kind| match kind {
            MediaKind::Audio => "audio".to_owned(),
            MediaKind::Video => "video".to_owned(),
        });
        self.get(&format!("{}/matrix{}", path(room), query(&[("kind", kind)]))).await
    }

    /// What its router can take and send: mediasoup's `router.rtpCapabilities`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rtp_capabilities(&self, room: &RoomId) -> Result<RtpCapabilities, Error> {
        self.get(&format!("{}/rtp-capabilities", path(room))).await
    }

    /// Where a client's join goes; it is counted there until it comes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn place(&self, room: &RoomId, client: &ClientAt) -> Result<Placement, Error> {
        self.get(&format!("{}/placement{}", path(room), place(client))).await
    }

    /// Where it would go, and why.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn explain(
        &self,
        room: &RoomId,
        client: &ClientAt,
    ) -> Result<PlacementExplained, Error> {
        self.get(&format!("{}/explain{}", path(room), place(client))).await
    }

    /// Begins to move a room's clients.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn move_room(&self, room: &RoomId, wish: &MoveRoom) -> Result<RoomMoving, Error> {
        self.post(&format!("{}/move", path(room)), wish).await
    }

    /// Deletes a room: its peers are sent away on every node.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_room(&self, room: &RoomId) -> Result<(), Error> {
        self.delete(&path(room)).await
    }
}

/// An id is written in a path as it is: it has nothing but letters, digits and `._~-`.
fn path(room: &RoomId) -> String {
    format!("/v1/rooms/{room}")
}

fn place(client: &ClientAt) -> String {
    query(&[("region", client.region.clone()), ("zone", client.zone.clone())])
}
