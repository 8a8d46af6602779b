//! Hash maps whose keys come from the network: SipHash keyed by the plane's seed, so that nobody
//! outside can aim at one bucket and a simulation repeats itself.

use std::{
    collections::HashMap,
    hash::{BuildHasher, DefaultHasher, Hasher},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

pub(crate) type SeededMap<K, V> = HashMap<K, V, Seeded>;
