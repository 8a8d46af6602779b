//! `/v1/rooms`.

use starling_proto::{
    RoomId,
    rest::{
        ClientAt, CreateRoom, MoveRoom, Placement, PlacementExplained, PolicyChange, RoomInfo,
        RoomMoving,
    },
};

use crate::{Client, Error};

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

    /// Where a client's join goes; it is counted there until it comes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn place(&self, room: &RoomId, client: &ClientAt) -> Result<Placement, Error> {
        self.get(&format!("{}/placement{}", path(room), query(client))).await
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
        self.get(&format!("{}/explain{}", path(room), query(client))).await
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

fn query(client: &ClientAt) -> String {
    let named = [("region", &client.region), ("zone", &client.zone)];
    let given = named.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs: Vec<_> = given.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// What RFC 3986 does not leave as it is, in percents.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_query_and_what_is_unknown_is_left_out() {
        let at = |region: Option<&str>, zone: Option<&str>| {
            query(&ClientAt { region: region.map(String::from), zone: zone.map(String::from) })
        };
        assert_eq!(at(None, None), "");
        assert_eq!(at(Some("eu"), Some("a")), "?region=eu&zone=a");
        assert_eq!(at(Some("a&b=c"), None), "?region=a%26b%3Dc");
    }
}
