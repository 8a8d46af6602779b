//! A rate for each client address. Never does: trust an address (the caller knows who said it).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

use super::Rate;

/// Most addresses that are remembered: 65,536 of about 64 bytes are 4 MB. If more are active at
/// once, the rest are admitted: refusing strangers would be the outage that the attacker wants.
const MAX_ADDRESSES: usize = 65_536;

/// Rates by address; of IPv6 by /64, since that is what one subscriber is given.
#[derive(Debug)]
pub struct PerAddress {
    rate: Option<Rate>,
    used: BTreeMap<IpAddr, Instant>,
}

impl PerAddress {
    /// `None` admits all.
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, used: BTreeMap::new() }
    }

    /// Whether one more from `address` is fine.
    pub fn admit(&mut self, now: Instant, address: IpAddr) -> bool {
        let Some(rate) = self.rate else { return true };
        if self.used.len() >= MAX_ADDRESSES {
            self.used.retain(|_, used| *used > now);
        }
        let address = subscriber(address);
        if self.used.len() >= MAX_ADDRESSES && !self.used.contains_key(&address) {
            return true;
        }
        rate.admit(now, self.used.entry(address).or_insert(now))
    }
}

/// Of IPv6 the /64 that one subscriber is given; an IPv4 address within IPv6 is that address.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let prefix = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(prefix))
            }
        },
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn addresses_have_their_own_rates_and_a_slash_64_has_one() {
        let now = Instant::now();
        let mut limit = PerAddress::new(Some(Rate::new(1, 1)));
        let mut admit = |text: &str| limit.admit(now, text.parse().unwrap());
        assert!(admit("192.0.2.1"));
        assert!(!admit("192.0.2.1"));
        assert!(!admit("::ffff:192.0.2.1"));
        assert!(admit("192.0.2.2"));
        assert!(admit("2001:db8::1"));
        assert!(!admit("2001:db8::2"));
        assert!(admit("2001:db8:0:1::1"));
    }

    #[test]
    fn memory_is_bounded_and_freed() {
        let now = Instant::now();
        let mut limit = PerAddress::new(Some(Rate::new(1, 1)));
        for n in 0..=MAX_ADDRESSES as u32 {
            assert!(limit.admit(now, IpAddr::V4(n.into())));
        }
        assert_eq!(limit.used.len(), MAX_ADDRESSES);
        assert!(limit.admit(now + Duration::from_secs(2), [255, 0, 0, 1].into()));
        assert_eq!(limit.used.len(), 1);
    }
}
