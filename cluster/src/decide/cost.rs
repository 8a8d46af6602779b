//! What a node's work costs it, from what is counted on it: the figures that it tells others, and
//! its stress, which is the use of whatever is scarcest. Never reads a counter or a clock.

use std::time::{Duration, Instant};

use starling_proto::registry::NodeCost;

/// Rates are over at least so long: the node looks twice a second, and whenever somebody joins.
const WINDOW: Duration = Duration::from_millis(900);
/// A control plane whose timers are this late has nothing left: each step of a join then takes a
/// tenth of a second, and a join has about ten.
const LATEST: f32 = 100.0;
/// Memory up to here is as good as unused: what the system does not need it leaves to caches, and
/// rooms take little of it.
const MEMORY_FREE: f32 = 0.75;
/// Memory above this is none: the next burst of joins meets the kernel's out-of-memory killer.
const MEMORY_FULL: f32 = 0.95;

/// What is counted on a node, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    /// Mean share of their cores that workers use.
    pub cpu: f32,
    /// Datagrams since the start, in and out.
    pub datagrams: u64,
    /// Bytes in, since the start.
    pub bytes_in: u64,
    /// Bytes out, since the start.
    pub bytes_out: u64,
    /// Bits a second that its network carries each way; 0 if nobody said.
    pub network: u64,
    /// How late timers of the control plane are.
    pub delay: Duration,
    /// Share of the memory in use.
    pub memory: f32,
}

/// Makes rates of totals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    before: Option<(Instant, Counted)>,
    cost: NodeCost,
}

impl Meter {
    /// What it costs at `now`.
    pub fn measure(&mut self, now: Instant, counted: Counted) -> NodeCost {
        let Some((at, before)) = self.before else {
            self.before = Some((now, counted));
            return self.gauges(counted);
        };
        let since = now.saturating_duration_since(at);
        if since >= WINDOW {
            self.before = Some((now, counted));
            // A worker that was started anew counts from nothing.
            let rate =
                |now: u64, before: u64| now.saturating_sub(before) as f64 / since.as_secs_f64();
            let bits_in = rate(counted.bytes_in, before.bytes_in) * 8.0;
            let bits_out = rate(counted.bytes_out, before.bytes_out) * 8.0;
            self.cost.packets_per_second = rate(counted.datagrams, before.datagrams) as u32;
            self.cost.bits_per_second = bits_in.max(bits_out) as u64;
        }
        self.gauges(counted)
    }

    fn gauges(&mut self, counted: Counted) -> NodeCost {
        let bits = self.cost.bits_per_second as f64;
        self.cost.bandwidth =
            if counted.network > 0 { (bits / counted.network as f64) as f32 } else { 0.0 };
        self.cost.cpu = counted.cpu;
        self.cost.delay_ms = counted.delay.as_secs_f32() * 1e3;
        self.cost.memory = counted.memory;
        self.cost
    }
}

/// Share of the scarcest resource that is in use, 0 to 1.
pub fn stress(cost: &NodeCost) -> f32 {
    let memory = (cost.memory - MEMORY_FREE) / (MEMORY_FULL - MEMORY_FREE);
    let parts = [cost.cpu, cost.bandwidth, cost.delay_ms / LATEST, memory];
    let most = parts.into_iter().filter(|part| part.is_finite()).fold(0.0, f32::max);
    most.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 0.001
    }

    #[test]
    fn rates_are_of_the_last_window_and_gauges_of_now() {
        let start = Instant::now();
        let mut meter = Meter::default();
        let counted = Counted { bytes_in: 500, datagrams: 10, ..Counted::default() };
        assert_eq!(meter.measure(start, counted), NodeCost::default());
        let later = Counted {
            cpu: 0.25,
            datagrams: 2_010,
            bytes_in: 1_000,
            bytes_out: 250_000,
            network: 10_000_000,
            delay: Duration::from_millis(3),
            memory: 0.5,
        };
        let soon = meter.measure(start + Duration::from_millis(100), later);
        assert_eq!((soon.packets_per_second, soon.cpu), (0, 0.25), "no rate of so little time");
        let cost = meter.measure(start + Duration::from_secs(2), later);
        assert_eq!((cost.packets_per_second, cost.bits_per_second), (1_000, 1_000_000));
        assert!(near(cost.bandwidth, 0.1) && near(cost.delay_ms, 3.0), "{cost:?}");
        let anew = meter.measure(start + Duration::from_secs(4), Counted::default());
        assert_eq!(anew.packets_per_second, 0);
    }

    #[test]
    fn stress_is_the_use_of_what_is_scarcest() {
        let idle = NodeCost { cpu: 0.1, memory: 0.7, delay_ms: 1.0, ..NodeCost::default() };
        assert!(near(stress(&idle), 0.1));
        assert!(near(stress(&NodeCost { bandwidth: 0.6, ..idle }), 0.6));
        assert!(near(stress(&NodeCost { delay_ms: 50.0, ..idle }), 0.5));
        assert!(near(stress(&NodeCost { memory: 0.85, ..idle }), 0.5));
        assert!(near(stress(&NodeCost { memory: 0.99, ..idle }), 1.0));
        assert!(near(stress(&NodeCost { cpu: f32::NAN, ..idle }), 0.01));
    }
}
