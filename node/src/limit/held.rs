//! How many connections each client address holds. Never does: close one.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::address::subscriber;

/// Connections by address, of IPv6 by /64. Its size is bounded by the connections there are.
#[derive(Clone, Debug)]
pub struct Held {
    most: u32,
    by_address: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
}

/// A connection's place; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    of: Held,
    address: IpAddr,
}

impl Held {
    /// At most so many each.
    pub fn new(most: u32) -> Self {
        Self { most, by_address: Arc::default() }
    }

    /// One more of `address`, unless it has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let address = subscriber(address);
        let mut held = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.of.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_so_many_and_nothing_is_kept_of_who_left() {
        let held = Held::new(2);
        let take = |text: &str| held.take(text.parse().unwrap());
        let (one, two) = (take("192.0.2.1").unwrap(), take("192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        assert!(take("::ffff:192.0.2.1").is_none());
        let other = take("2001:db8::1").unwrap();
        drop(one);
        let three = take("192.0.2.1").unwrap();
        drop((two, three, other));
        assert!(held.by_address.lock().unwrap().is_empty());
    }
}
