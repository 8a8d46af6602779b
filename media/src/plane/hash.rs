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

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Instant};

    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::{command::SocketId, ice::Tuple};

    /// Addresses of an attacker, and buckets of a map of as many.
    const ADDRESSES: usize = 256;
    const BUCKETS: u64 = 1_024;
    const LOOKUPS: usize = 1_000_000;

    fn tuple(rng: &mut SmallRng) -> Tuple {
        let remote = SocketAddr::from((rng.random::<[u8; 4]>(), rng.random()));
        Tuple { socket: SocketId(0), remote }
    }

    fn bucket(seed: Seeded, tuple: &Tuple) -> u64 {
        seed.hash_one(tuple) % BUCKETS
    }

    /// What somebody chooses who has the code and takes the seed to be 0.
    fn chosen() -> Vec<Tuple> {
        let mut rng = SmallRng::seed_from_u64(1);
        let all = std::iter::repeat_with(|| tuple(&mut rng));
        all.filter(|tuple| bucket(Seeded(0), tuple) == 0).take(ADDRESSES).collect()
    }

    #[test]
    fn addresses_that_collide_under_one_seed_are_spread_under_another() {
        let chosen = chosen();
        for seed in [1, 2, u64::MAX] {
            let mut filled = vec![0; BUCKETS as usize];
            for tuple in &chosen {
                filled[bucket(Seeded(seed), tuple) as usize] += 1;
            }
            // 256 thrown into 1,024: four in one happen, eight do not.
            assert!(filled.iter().max() < Some(&8), "{seed}: {:?}", filled.iter().max());
        }
    }

    #[test]
    fn a_million_lookups_of_chosen_addresses_take_no_longer_than_of_others() {
        let mut rng = SmallRng::seed_from_u64(2);
        let others: Vec<_> = (0..ADDRESSES).map(|_| tuple(&mut rng)).collect();
        let time = |all: &[Tuple]| {
            let mut map = SeededMap::with_hasher(Seeded(0x5eed));
            map.extend(all.iter().map(|tuple| (*tuple, 1_usize)));
            let began = Instant::now();
            let found: usize = (0..LOOKUPS).map(|n| map[&all[n % ADDRESSES]]).sum();
            assert_eq!(found, LOOKUPS);
            began.elapsed()
        };
        let (chosen, others) = (time(&chosen()), time(&others));
        assert!(chosen <= others * 2, "{chosen:?} against {others:?}");
    }
}
