//! Who of this node consumes which producer, and on which core. Never does: pull or end anything.

use std::collections::{BTreeMap, BTreeSet};

use starling_proto::{ConsumerId, ProducerId};

/// A consumer that ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) producer: ProducerId,
    pub(super) core: usize,
    /// Its core has no other consumer of the producer.
    pub(super) last_there: bool,
    /// Neither has any other core.
    pub(super) last: bool,
}

/// See the module. As many entries as consumers.
#[derive(Debug, Default)]
pub(super) struct Uses {
    of: BTreeMap<ConsumerId, (ProducerId, usize)>,
    by: BTreeMap<ProducerId, BTreeMap<usize, BTreeSet<ConsumerId>>>,
}

impl Uses {
    /// A consumer on a core. True if it is the first of that producer there.
    pub(super) fn add(&mut self, consumer: ConsumerId, producer: ProducerId, core: usize) -> bool {
        self.remove(&consumer);
        let there = self.by.entry(producer.clone()).or_default().entry(core).or_default();
        let first = there.is_empty();
        there.insert(consumer.clone());
        self.of.insert(consumer, (producer, core));
        first
    }

    pub(super) fn remove(&mut self, consumer: &ConsumerId) -> Option<Ended> {
        let (producer, core) = self.of.remove(consumer)?;
        let cores = self.by.get_mut(&producer)?;
        let there = cores.get_mut(&core)?;
        there.remove(consumer);
        let last_there = there.is_empty();
        if last_there {
            cores.remove(&core);
        }
        let last = cores.is_empty();
        if last {
            self.by.remove(&producer);
        }
        Some(Ended { producer, core, last_there, last })
    }

    /// Consumers of `old` are of `new` from now on.
    pub(super) fn rename(&mut self, old: &ProducerId, new: &ProducerId) {
        if old == new {
            return;
        }
        let Some(cores) = self.by.remove(old) else { return };
        let into = self.by.entry(new.clone()).or_default();
        for (core, consumers) in cores {
            for consumer in &consumers {
                self.of.insert(consumer.clone(), (new.clone(), core));
            }
            into.entry(core).or_default().extend(consumers);
        }
    }

    /// Nothing is consumed on a core any more.
    pub(super) fn forget_core(&mut self, core: usize) {
        self.of.retain(|_, (_, of)| *of != core);
        for cores in self.by.values_mut() {
            cores.remove(&core);
        }
        self.by.retain(|_, cores| !cores.is_empty());
    }

    /// Consumers of a producer, on any core.
    pub(super) fn consumers(&self, producer: &ProducerId) -> impl Iterator<Item = &ConsumerId> {
        self.by.get(producer).into_iter().flat_map(|cores| cores.values().flatten())
    }

    /// All consumers, and of what they are.
    pub(super) fn all(&self) -> impl Iterator<Item = (&ConsumerId, &ProducerId)> {
        self.of.iter().map(|(consumer, (producer, _))| (consumer, producer))
    }

    /// Cores with consumers of a producer.
    pub(super) fn cores(&self, producer: &ProducerId) -> Vec<usize> {
        self.by.get(producer).into_iter().flat_map(|cores| cores.keys().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(name: &str) -> ConsumerId {
        name.parse().unwrap()
    }

    fn producer(name: &str) -> ProducerId {
        name.parse().unwrap()
    }

    #[test]
    fn the_first_and_the_last_on_a_core_are_told() {
        let mut uses = Uses::default();
        assert!(uses.add(consumer("a"), producer("p"), 0));
        assert!(!uses.add(consumer("b"), producer("p"), 0));
        assert!(uses.add(consumer("c"), producer("p"), 1));
        assert_eq!(uses.cores(&producer("p")), [0, 1]);
        let ends = |uses: &mut Uses, name| {
            let ended = uses.remove(&consumer(name)).unwrap();
            (ended.core, ended.last_there, ended.last)
        };
        assert_eq!(ends(&mut uses, "a"), (0, false, false));
        assert_eq!(ends(&mut uses, "b"), (0, true, false));
        assert_eq!(ends(&mut uses, "c"), (1, true, true));
        assert_eq!(uses.remove(&consumer("c")), None);
        assert!(uses.cores(&producer("p")).is_empty());
    }

    #[test]
    fn a_core_that_died_has_no_consumers() {
        let mut uses = Uses::default();
        uses.add(consumer("a"), producer("p"), 0);
        uses.add(consumer("b"), producer("p"), 1);
        uses.add(consumer("c"), producer("q"), 1);
        uses.forget_core(1);
        assert_eq!(uses.cores(&producer("p")), [0]);
        assert!(uses.cores(&producer("q")).is_empty());
        assert_eq!(uses.remove(&consumer("b")), None);
        assert!(uses.add(consumer("d"), producer("p"), 1), "the first one again");
    }

    #[test]
    fn consumers_of_a_producer_with_a_new_name_are_found_under_it() {
        let mut uses = Uses::default();
        uses.add(consumer("a"), producer("old"), 0);
        uses.add(consumer("b"), producer("old"), 1);
        uses.add(consumer("c"), producer("new"), 1);
        uses.rename(&producer("old"), &producer("new"));
        assert!(uses.cores(&producer("old")).is_empty());
        assert_eq!(uses.cores(&producer("new")), [0, 1]);
        let ended = uses.remove(&consumer("b")).unwrap();
        assert_eq!((ended.producer, ended.last_there), (producer("new"), false));
    }
}
