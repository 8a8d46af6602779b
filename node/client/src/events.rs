//! `/v1/events`, followed: a stream that breaks is taken up again where it was, and what is told
//! twice is passed on once.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use starling_proto::{
    RoomId,
    rest::{Event, EventGap},
    time::Timestamp,
};

use crate::{Client, Error, Events, query::query};

/// Before a broken stream is asked for again: as nodes say in `retry`.
const AGAIN: Duration = Duration::from_secs(2);
/// Ids of events that are kept to know them again: as many as a node keeps events.
const KNOWN: usize = 4_096;

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsWish {
    /// Only what is about this room.
    pub room: Option<RoomId>,
    /// Only these kinds, as `room.ended` or `peer.*`; all if empty.
    pub types: Vec<String>,
    /// From this moment on; absent: from now on.
    pub since: Option<Timestamp>,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// An event, once.
    Event(Box<Event>),
    /// Some are no longer kept: what is known is to be read anew.
    Gap(EventGap),
    /// The stream broke, for this reason; it is asked for again until it goes on.
    Broken(String),
}

/// The cluster's events, until somebody drops it.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    wish: EventsWish,
    stream: Option<Events>,
    /// The last place in the stream.
    place: Option<String>,
    known: Known,
}

impl Client {
    /// Follows the events of the cluster.
    ///
    /// # Errors
    /// [`Error`], if the stream cannot be opened at first.
    pub async fn follow(&self, wish: EventsWish) -> Result<Follow, Error> {
        let mut follow = Follow {
            client: self.clone(),
            wish,
            stream: None,
            place: None,
            known: Known::default(),
        };
        follow.stream = Some(follow.open().await?);
        Ok(follow)
    }
}

impl Follow {
    /// What comes next. It may be dropped while it waits.
    ///
    /// # Errors
    /// A refusal, and an event of another age; a broken stream is none.
    pub async fn next(&mut self) -> Result<Followed, Error> {
        loop {
            let Some(stream) = &mut self.stream else {
                tokio::time::sleep(AGAIN).await;
                match self.open().await {
                    Ok(stream) => self.stream = Some(stream),
                    // A node that is starting, or a proxy without one.
                    Err(Error::Unreachable(_) | Error::Strange { .. }) => {}
                    Err(Error::Refused { status, .. }) if status >= 500 => {}
                    Err(error) => return Err(error),
                }
                continue;
            };
            let told = stream.next().await;
            if let Some(place) = stream.place() {
                self.place = Some(place.to_owned());
            }
            match told {
                Ok(Some(told)) if told.event == "gap" => {
                    return Ok(Followed::Gap(self.client.text(&told.data)?));
                }
                Ok(Some(told)) => {
                    let event: Event = self.client.text(&told.data)?;
                    if self.known.is_new(&event.id) {
                        return Ok(Followed::Event(Box::new(event)));
                    }
                }
                Ok(None) => return Ok(self.broken("the stream of events ended".to_owned())),
                Err(error) => return Ok(self.broken(error.to_string())),
            }
        }
    }

    fn broken(&mut self, why: String) -> Followed {
        self.stream = None;
        Followed::Broken(why)
    }

    async fn open(&self) -> Result<Events, Error> {
        let EventsWish { room, types, since } = &self.wish;
        let pairs = [
            ("room", room.as_ref().map(ToString::to_string)),
            ("types", (!types.is_empty()).then(|| types.join(","))),
            ("since", since.map(|since| since.to_string())),
        ];
        let path = format!("/v1/events{}", query(&pairs));
        self.client.events_after(&path, self.place.as_deref()).await
    }
}

/// Ids that were told.
#[derive(Debug, Default)]
struct Known {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Known {
    fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once_and_the_oldest_are_forgotten() {
        let mut known = Known::default();
        assert!(known.is_new("n.1.0") && !known.is_new("n.1.0"));
        for n in 1..KNOWN {
            assert!(known.is_new(&format!("n.1.{n}")));
        }
        assert!(!known.is_new("n.1.0"), "as many as are kept");
        assert!(known.is_new("one more") && known.is_new("n.1.0"));
        assert_eq!(known.ids.len(), KNOWN);
    }
}
