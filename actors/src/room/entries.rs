//! What producers say of themselves, once for all peers of a room: some kilobytes each, which 300
//! peers would otherwise hold 600 times.

use std::{collections::BTreeMap, sync::Arc};

use starling_proto::{ProducerId, roster::ProducerEntry};

/// See the module. As many as producers of the room.
#[derive(Default)]
pub(super) struct Entries(BTreeMap<ProducerId, Arc<ProducerEntry>>);

impl Entries {
    /// The entry as peers hold it.
    pub(super) fn share(&mut self, entry: &ProducerEntry) -> Arc<ProducerEntry> {
        let shared = self.0.get(&entry.id).filter(|shared| ***shared == *entry);
        if let Some(shared) = shared {
            return shared.clone();
        }
        let shared = Arc::new(entry.clone());
        self.0.insert(entry.id.clone(), shared.clone());
        shared
    }

    /// The producer is gone.
    pub(super) fn forget(&mut self, producer: &ProducerId) {
        self.0.remove(producer);
    }
}
