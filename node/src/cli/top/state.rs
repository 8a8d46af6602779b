//! What the window shows, and what keys do to it. Pure.

use std::{collections::HashMap, time::Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use starling_proto::{
    RoomId,
    rest::{LinkInfo, NodeInfo, PeerInfo, PipeInfo, RoomInfo},
};

use crate::cli::output::Line;

/// The cluster at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// When it was asked.
    pub(super) at: Instant,
    pub(super) nodes: Vec<NodeInfo>,
    pub(super) rooms: Vec<RoomInfo>,
    pub(super) links: Vec<LinkInfo>,
    pub(super) pipes: Vec<PipeInfo>,
    /// Of the room that is looked into.
    pub(super) peers: Vec<PeerInfo>,
}

/// What is in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Nodes,
    Rooms,
    Pipes,
    Links,
}

/// In the order of their keys, 1 to 4.
pub(super) const TABS: [(Tab, &str); 4] =
    [(Tab::Nodes, "nodes"), (Tab::Rooms, "rooms"), (Tab::Pipes, "pipes"), (Tab::Links, "links")];

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Next,
    Previous,
    Tab(usize),
    Up,
    Down,
    Into,
    Out,
    /// Nothing; the window is drawn anew.
    Other,
}

impl Key {
    /// What a key means.
    pub(super) const fn of(event: KeyEvent) -> Self {
        match event.code {
            KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => Self::Quit,
            KeyCode::Char('q') => Self::Quit,
            KeyCode::Tab | KeyCode::Right => Self::Next,
            KeyCode::BackTab | KeyCode::Left => Self::Previous,
            KeyCode::Char(digit @ '1'..='4') => Self::Tab(digit as usize - '1' as usize),
            KeyCode::Up | KeyCode::Char('k') => Self::Up,
            KeyCode::Down | KeyCode::Char('j') => Self::Down,
            KeyCode::Enter => Self::Into,
            KeyCode::Esc => Self::Out,
            _ => Self::Other,
        }
    }
}

/// Whether the window stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    Quit,
}

/// The window.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) server: String,
    tab: usize,
    pub(super) selected: usize,
    now: Snapshot,
    /// Bits per second each way, of each link, since the last look.
    rates: HashMap<String, (f64, f64)>,
    room: Option<RoomId>,
    /// Why the last look did not work.
    pub(super) failure: Option<String>,
}

impl State {
    /// With a first look.
    pub(super) fn new(server: &str, first: Snapshot) -> Self {
        Self {
            server: server.to_owned(),
            tab: 0,
            selected: 0,
            now: first,
            rates: HashMap::new(),
            room: None,
            failure: None,
        }
    }

    /// Another look.
    pub(super) fn take(&mut self, next: Snapshot) {
        let seconds = next.at.saturating_duration_since(self.now.at).as_secs_f64();
        let before: HashMap<_, _> = self.now.links.iter().map(|link| (link.name(), link)).collect();
        let mut rates = HashMap::new();
        for link in &next.links {
            // A link that came up anew counts from zero.
            let Some(old) = before.get(&link.name()).filter(|_| seconds > 0.0) else { continue };
            let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 * 8.0 / seconds;
            let both = (
                rate(link.bytes_sent, old.bytes_sent),
                rate(link.bytes_received, old.bytes_received),
            );
            rates.insert(link.name(), both);
        }
        (self.rates, self.now, self.failure) = (rates, next, None);
        self.selected = self.selected.min(self.len().saturating_sub(1));
    }

    /// A look that did not work; what is known stays.
    pub(super) fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// What is in the window.
    pub(super) const fn tab(&self) -> Tab {
        TABS[self.tab].0
    }

    /// Its place.
    pub(super) const fn tab_index(&self) -> usize {
        self.tab
    }

    /// The room that is looked into.
    pub(super) const fn room(&self) -> Option<&RoomId> {
        self.room.as_ref()
    }

    /// What was seen.
    pub(super) const fn now(&self) -> &Snapshot {
        &self.now
    }

    /// A link's rates, in bits per second.
    pub(super) fn rate(&self, link: &LinkInfo) -> Option<(f64, f64)> {
        self.rates.get(&link.name()).copied()
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: Key) -> Step {
        let last = self.len().saturating_sub(1);
        match key {
            Key::Quit => return Step::Quit,
            Key::Next => self.go((self.tab + 1) % TABS.len()),
            Key::Previous => self.go((self.tab + TABS.len() - 1) % TABS.len()),
            Key::Tab(n) => self.go(n.min(TABS.len() - 1)),
            Key::Up => self.selected = self.selected.saturating_sub(1),
            Key::Down => self.selected = (self.selected + 1).min(last),
            Key::Into if self.tab() == Tab::Rooms && self.room.is_none() => {
                self.room = self.now.rooms.get(self.selected).map(|room| room.id.clone());
                self.selected = 0;
            }
            Key::Out => (self.room, self.selected) = (None, 0),
            Key::Into | Key::Other => {}
        }
        Step::Stay
    }

    fn go(&mut self, tab: usize) {
        (self.tab, self.selected, self.room) = (tab, 0, None);
    }

    fn len(&self) -> usize {
        match self.tab() {
            Tab::Nodes => self.now.nodes.len(),
            Tab::Rooms if self.room.is_some() => self.now.peers.len(),
            Tab::Rooms => self.now.rooms.len(),
            Tab::Pipes => self.now.pipes.len(),
            Tab::Links => self.now.links.len(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// Two nodes, two rooms, one link that has sent so much.
    pub(crate) fn snapshot(at: Instant, sent: u64) -> Snapshot {
        let node = |id: &str, here: bool, peers: u32| {
            json!({
                "id": id, "epoch": 1, "region": "eu", "apiUrl": format!("http://{id}:4443"),
                "version": "0.1.0", "state": "up", "here": here, "linked": !here, "rttMs": 0.5,
                "load": {"stress": 0.25, "peers": peers, "rooms": 2, "consumers": 9, "maxPeers": 0},
                "cost": {"cpu": 0.2, "packetsPerSecond": 1200, "bitsPerSecond": 4_000_000,
                    "bandwidth": 0.0, "delayMs": 0.1, "memory": 0.1}
            })
        };
        let room = |id: &str| json!({"id": id, "incarnation": 1, "policy": {}, "persistent": false, "nodes": ["n1"]});
        let peer = json!({"id": "ada", "displayName": "Ada", "node": "n1", "device": {},
            "lost": false, "producers": []});
        let link = json!({
            "from": "n1", "to": "n2", "protocol": 4, "rttMs": 1.0, "rttP50Ms": 1.0, "rttP99Ms": 2.0,
            "packetsSent": 1, "bytesSent": sent, "packetsReceived": 1, "bytesReceived": 0,
            "shedVideo": 0, "shedAudio": 0, "shedControl": 0, "quicPacketsLost": 3, "split": 0,
            "datagramBytes": 1200
        });
        let pipe = json!({
            "room": "demo", "producer": "p1", "kind": "video", "from": "n1", "to": "n2",
            "path": ["n1"], "hops": 1, "passedOnTo": [], "used": true, "layers": [0, 1],
            "packets": 10, "bytes": 12_000, "bitrate": 800_000, "lost": 0, "repaired": 0
        });
        Snapshot {
            at,
            nodes: serde_json::from_value(json!([node("n1", true, 3), node("n2", false, 4)]))
                .unwrap(),
            rooms: serde_json::from_value(json!([room("demo"), room("other")])).unwrap(),
            links: serde_json::from_value(json!([link])).unwrap(),
            pipes: serde_json::from_value(json!([pipe])).unwrap(),
            peers: serde_json::from_value(json!([peer])).unwrap(),
        }
    }

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let begin = Instant::now();
        let mut state = State::new("http://n1", snapshot(begin, 1_000));
        assert_eq!(state.rate(&state.now().links[0]), None);
        state.take(snapshot(begin + Duration::from_secs(2), 251_000));
        assert_eq!(state.rate(&state.now().links[0]), Some((1_000_000.0, 0.0)));
        state.take(snapshot(begin + Duration::from_secs(4), 10));
        assert_eq!(state.rate(&state.now().links[0]), Some((0.0, 0.0)), "it came up anew");
    }

    #[test]
    fn keys_move_between_tabs_rows_and_into_rooms() {
        let mut state = State::new("http://n1", snapshot(Instant::now(), 0));
        let mut keys = |keys: &[Key]| {
            keys.iter().for_each(|key| assert_eq!(state.key(*key), Step::Stay));
            (state.tab(), state.selected, state.room().map(ToString::to_string))
        };
        assert_eq!(keys(&[Key::Down, Key::Down, Key::Down]), (Tab::Nodes, 1, None));
        assert_eq!(keys(&[Key::Next, Key::Down]), (Tab::Rooms, 1, None));
        assert_eq!(keys(&[Key::Into]), (Tab::Rooms, 0, Some("other".into())));
        assert_eq!(keys(&[Key::Out]), (Tab::Rooms, 0, None));
        assert_eq!(keys(&[Key::Previous, Key::Previous]), (Tab::Links, 0, None));
        assert_eq!(keys(&[Key::Tab(2), Key::Up]), (Tab::Pipes, 0, None));
        assert_eq!(state.key(Key::Quit), Step::Quit);
    }

    #[test]
    fn q_and_control_c_quit() {
        let key = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Key::Quit);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Key::Quit);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), Key::Other);
        assert_eq!(key(KeyCode::Char('3'), KeyModifiers::NONE), Key::Tab(2));
    }

    #[test]
    fn a_failed_look_is_told_until_one_works() {
        let mut state = State::new("http://n1", snapshot(Instant::now(), 0));
        state.fail("n1 did not answer".into());
        assert_eq!(
            (state.failure.as_deref(), state.now().nodes.len()),
            (Some("n1 did not answer"), 2)
        );
        state.take(snapshot(Instant::now(), 0));
        assert_eq!(state.failure, None);
    }
}
