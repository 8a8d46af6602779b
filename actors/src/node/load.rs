//! How busy the node is: told over links twice a second, written to the registry every few seconds.

use std::time::Instant;

use starling_cluster::{
    decide::{
        cost::{Counted, stress},
        placement::Decision,
        reservations::tell_after,
    },
    registry::RegistryError,
};
use starling_proto::{RoomId, link::LinkMessage, registry::NodeLoad};

use super::actor::{NodeMsg, NodeTree};
use crate::{
    limits::{FORGET_AFTER, RECORD_EVERY, RESTORE_AFTER},
    registry_actor::RegistryMsg,
    worker::WorkerHandle,
};

impl NodeTree {
    pub(super) fn tick(&mut self) {
        self.tell_load();
        self.sample_rtts();
        self.renew();
        let due = self.record_written.is_none_or(|at| at.elapsed() >= RECORD_EVERY);
        if due {
            self.write_record();
        }
        self.restore_rooms();
        self.forget_unused();
    }

    /// Rooms that have peers here and no record are wanted: the registry came back empty, or
    /// somebody tidied up too much. Not at once, because the word of a deletion may come after its
    /// effect.
    fn restore_rooms(&mut self) {
        if !self.view.available {
            return;
        }
        for (room, here) in &mut self.rooms {
            if self.view.has_record(room) {
                here.unrecorded = None;
            } else if here.unrecorded.get_or_insert_with(Instant::now).elapsed() >= RESTORE_AFTER {
                here.unrecorded = None;
                let (room, known) = (room.clone(), Some(here.record.clone()));
                let _ = self.registry.cast(RegistryMsg::Ensure { room, known });
            }
        }
    }

    /// Records of rooms whose nodes died, or of which the last two left at the same moment.
    fn forget_unused(&mut self) {
        for room in self.view.forgettable(Instant::now(), FORGET_AFTER) {
            if !self.rooms.contains_key(&room) {
                if self.is_first() {
                    self.tell_room_ended(&room, false);
                }
                let revision = self.view.revision(&room);
                let _ = self.registry.cast(RegistryMsg::Forget(room, revision));
            }
        }
    }

    pub(super) fn write_record(&mut self) {
        if self.life.is_over() {
            return;
        }
        self.refresh_own();
        self.record_written = Some(Instant::now());
        let record = Box::new(self.view.own().clone());
        let _ = self.registry.cast(RegistryMsg::Register(record));
    }

    pub(super) fn tell_load(&mut self) {
        for message in self.own_load() {
            self.broadcast(&message);
        }
    }

    /// What others are told of this node's load.
    pub(super) fn own_load(&mut self) -> Vec<LinkMessage> {
        self.refresh_own();
        let own = self.view.own();
        self.shared.set_node(own.clone());
        let load = LinkMessage::Load { load: own.load, state: self.state };
        [load].into_iter().chain(own.cost.map(LinkMessage::Cost)).collect()
    }

    /// Counts a join where it was placed, and lets the others know in a moment.
    pub(super) fn reserve(&mut self, now: Instant, room: &RoomId, decision: &Decision) {
        self.view.reserve(now, room, decision);
        if self.view.has_untold() && !std::mem::replace(&mut self.telling, true) {
            let wait = tell_after(now, self.told_placed, self.links.len());
            self.myself.send_after(wait, || NodeMsg::TellPlaced);
        }
    }

    pub(super) fn tell_placed(&mut self) {
        (self.telling, self.told_placed) = (false, Some(Instant::now()));
        let placed = self.view.take_untold();
        self.broadcast(&LinkMessage::Placed(placed));
    }

    pub(super) fn refresh_own(&mut self) {
        let workers = self.shared.workers();
        let (mut busy, mut consumers) = (0.0f32, 0u64);
        let mut counted = Counted::default();
        for counters in workers.iter().map(WorkerHandle::counters) {
            let plane = &counters.plane;
            busy += counters.busy;
            consumers += plane.consumers;
            counted.datagrams += plane.datagrams_received + plane.datagrams_sent;
            counted.bytes_in += plane.bytes_received;
            counted.bytes_out += plane.bytes_sent;
        }
        // The mean, because a room whose core is busy takes another one.
        counted.cpu = busy / workers.len().max(1) as f32;
        counted.network = self.shared.config.network;
        let cost = self.gauge.cost(Instant::now(), counted);
        let load = NodeLoad {
            stress: stress(&cost),
            peers: self.shared.peers(),
            rooms: u32::try_from(self.rooms.len()).unwrap_or(u32::MAX),
            consumers: u32::try_from(consumers).unwrap_or(u32::MAX),
            max_peers: self.shared.config.max_peers,
        };
        self.view.set_own(load, cost, self.state);
        self.view.set_cordoned(self.cordoned);
    }

    pub(super) fn on_registered(&mut self, result: Result<(), RegistryError>) {
        match result {
            Ok(()) => {
                if !std::mem::replace(&mut self.registered, true) {
                    self.tell_joined();
                }
                self.taken = None;
            }
            Err(RegistryError::Succeeded) => self.succeeded(),
            Err(RegistryError::Taken(at)) => self.on_taken(&at),
            Err(error) => tracing::debug!(%error, "this node's record was not written"),
        }
    }
}
