//! A value that is JSON text wherever the format around it is binary.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// Carries `T` as itself in JSON and as a JSON string in bincode.
///
/// RTP parameters hold free-form maps (`parameters`, `appData`), which a format that does not
/// describe itself cannot read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json<T>(pub T);

impl<T: Serialize> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            return self.0.serialize(s);
        }
        serde_json::to_string(&self.0).map_err(serde::ser::Error::custom)?.serialize(s)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return T::deserialize(d).map(Self);
        }
        let text = String::deserialize(d)?;
        serde_json::from_str(&text).map(Self).map_err(serde::de::Error::custom)
    }
}
