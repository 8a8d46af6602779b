//! How busy the node is: told over links twice a second, written to the registry every few seconds.

use std::time::Instant;

use starling_cluster::registry::RegistryError;
use starling_proto::{link::LinkMessage, registry::NodeLoad};

use super::actor::NodeTree;
use crate::{
    limits::{FORGET_AFTER, RECORD_EVERY, RESTORE_AFTER},
    registry_actor::RegistryMsg,
    worker::WorkerHandle,
};

impl NodeTree {
    pub(super) fn tick(&mut self) {
        self.tell_load();
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
                let revision = self.view.revision(&room);
                let _ = self.registry.cast(RegistryMsg::Forget(room, revision));
            }
        }
    }

    pub(super) fn write_record(&mut self) {
        self.refresh_own();
        self.record_written = Some(Instant::now());
        let record = Box::new(self.view.own().clone());
        let _ = self.registry.cast(RegistryMsg::Register(record));
    }

    pub(super) fn tell_load(&mut self) {
        self.refresh_own();
        self.publish_nodes();
        let (load, state) = (self.view.own().load, self.state);
        self.broadcast(&LinkMessage::Load { load, state });
    }

    pub(super) fn refresh_own(&mut self) {
        let workers = self.shared.workers();
        let (mut busy, mut consumers) = (0.0f32, 0u64);
        for counters in workers.iter().map(WorkerHandle::counters) {
            busy += counters.busy;
            consumers += counters.plane.consumers;
        }
        // The mean, because a room whose core is busy takes another one.
        let stress = busy / workers.len().max(1) as f32;
        let load = NodeLoad {
            stress,
            peers: self.shared.peers(),
            rooms: u32::try_from(self.rooms.len()).unwrap_or(u32::MAX),
            consumers: u32::try_from(consumers).unwrap_or(u32::MAX),
            max_peers: self.shared.config.max_peers,
        };
        self.view.set_own(load, self.state);
    }

    pub(super) fn on_registered(&mut self, result: Result<(), RegistryError>) {
        match result {
            Ok(()) => self.registered = true,
            Err(error) => tracing::debug!(%error, "this node's record was not written"),
        }
    }
}
