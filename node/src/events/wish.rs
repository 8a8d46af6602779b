//! Which events a reader wants, and from when on. Pure.

use serde::Deserialize;
use starling_proto::{
    Code, Refusal, RoomId,
    rest::{Event, Happening},
    time::Timestamp,
};

/// Query of a stream of events.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Only what is about this room.
    room: Option<RoomId>,
    /// Only these kinds, separated by commas; `peer.*` for all that begin so.
    #[param(example = "room.ended,peer.*")]
    types: Option<String>,
    /// From this moment on (RFC 3339, in UTC, with milliseconds); if absent, from now on.
    #[param(example = "2026-11-30T04:05:06.789Z")]
    since: Option<String>,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    room: Option<RoomId>,
    /// Kinds, or their first halves; all, if there are none.
    types: Vec<String>,
    /// From now on, if absent.
    pub(crate) since: Option<Timestamp>,
}

impl Asked {
    /// What is asked, with the `Last-Event-ID` of a reader that comes back, which goes before
    /// `since`.
    pub(crate) fn read(self, last: Option<&str>) -> Result<Wish, Refusal> {
        let Self { room, types, since } = self;
        let mut wanted = Vec::new();
        for name in types.iter().flat_map(|types| types.split(',')) {
            let thing = name.strip_suffix(".*").unwrap_or(name);
            let known =
                |of: &str| of == name || of.split_once('.').is_some_and(|(it, _)| it == thing);
            if !Happening::TYPES.iter().any(|kind| known(kind.name)) {
                let names: Vec<_> = Happening::TYPES.iter().map(|kind| kind.name).collect();
                return Err(Refusal::new(Code::BadRequest, "'types' names no kind of event")
                    .hint(format!("give any of {}, or peer.* and the like", names.join(", "))));
            }
            wanted.push(thing.to_owned());
        }
        let since = match (last, since) {
            (Some(last), _) => Some(from_id(last).ok_or_else(|| {
                Refusal::new(Code::BadRequest, "'Last-Event-ID' is none of this stream")
                    .hint("send the last id that the stream gave, or leave it out")
            })?),
            (None, Some(since)) => Some(since.parse().map_err(|error| {
                Refusal::new(Code::BadRequest, format!("'since' cannot be read: {error}"))
                    .hint("give a time in UTC with milliseconds, or leave it out")
            })?),
            (None, None) => None,
        };
        Ok(Wish { room, types: wanted, since })
    }
}

impl Wish {
    pub(crate) fn wants(&self, event: &Event) -> bool {
        let name = event.what.name();
        let thing = name.split_once('.').map_or(name, |(thing, _)| thing);
        let kind = self.types.is_empty() || self.types.iter().any(|it| it == name || it == thing);
        let here = self.room.is_none() || event.what.room() == self.room.as_ref();
        kind && here
    }
}

/// The id of a place in the stream.
pub(crate) fn to_id(until: Timestamp) -> String {
    until.unix_ms.to_string()
}

fn from_id(id: &str) -> Option<Timestamp> {
    id.parse().ok().map(|unix_ms| Timestamp { unix_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(types: Option<&str>, since: Option<&str>) -> Asked {
        Asked { room: None, types: types.map(str::to_owned), since: since.map(str::to_owned) }
    }

    fn event(what: Happening) -> Event {
        Event { id: "n.1.1".into(), at: Timestamp::default(), by: "n".parse().unwrap(), what }
    }

    #[test]
    fn kinds_are_wanted_by_name_or_by_thing() {
        let wish = asked(Some("room.ended,node.*"), None).read(None).unwrap();
        let room: RoomId = "r".parse().unwrap();
        let ended = event(Happening::RoomEnded { room: room.clone(), deleted: false });
        let started = event(Happening::RoomStarted { room: room.clone() });
        let lost = event(Happening::NodeLost { node: "a".parse().unwrap() });
        assert_eq!([&ended, &started, &lost].map(|it| wish.wants(it)), [true, false, true]);
        let all = Wish::default();
        assert!([&ended, &started, &lost].iter().all(|it| all.wants(it)));
        let of_room = Wish { room: Some(room), ..Wish::default() };
        assert_eq!([&ended, &started, &lost].map(|it| of_room.wants(it)), [true, true, false]);
        for bad in ["", "room", "rooms.*", "room.ended,", "room.finished"] {
            let read = asked(Some(bad), None).read(None);
            assert_eq!(read.is_ok(), bad == "room", "{bad:?}");
        }
    }

    #[test]
    fn a_place_is_taken_up_again_and_nonsense_is_refused() {
        let since = "1970-01-01T00:00:00.007Z";
        let read = |since, last| asked(None, since).read(last).map(|wish| wish.since);
        assert_eq!(read(Some(since), None), Ok(Some(Timestamp { unix_ms: 7 })));
        let place = to_id(Timestamp { unix_ms: 9 });
        assert_eq!(read(Some(since), Some(&place)), Ok(Some(Timestamp { unix_ms: 9 })));
        assert_eq!(read(None, None), Ok(None));
        assert!(read(Some("yesterday"), None).is_err());
        assert!(read(None, Some("node-1.7.42")).is_err());
    }
}
