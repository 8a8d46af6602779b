//! Keys of one router in its worker's plane. The upper half says which router, so that a worker can
//! hand an event to its router without knowing the key.

use starling_media::{ConsumerKey, PipeKey, ProducerKey, TransportKey};

/// Which router of a node; counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouterSeq(pub(crate) u32);

impl RouterSeq {
    /// The router of a key or token.
    pub(crate) fn of(key: u64) -> Self {
        Self((key >> 32) as u32)
    }
}

/// Counts keys.
#[derive(Debug)]
pub(crate) struct Keys {
    next: u64,
}

impl Keys {
    pub(crate) fn new(router: RouterSeq) -> Self {
        Self { next: u64::from(router.0) << 32 }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn transport(&mut self) -> TransportKey {
        TransportKey(self.next())
    }

    pub(crate) fn producer(&mut self) -> ProducerKey {
        ProducerKey(self.next())
    }

    pub(crate) fn consumer(&mut self) -> ConsumerKey {
        ConsumerKey(self.next())
    }

    pub(crate) fn pipe(&mut self) -> PipeKey {
        PipeKey(self.next())
    }

    pub(crate) fn token(&mut self) -> u64 {
        self.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_router() {
        let mut keys = Keys::new(RouterSeq(7));
        assert_eq!(RouterSeq::of(keys.transport().0), RouterSeq(7));
        assert_ne!(keys.consumer().0, keys.consumer().0);
    }
}
