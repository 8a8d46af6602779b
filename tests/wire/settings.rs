//! What one direction of a wire does to packets, and how a line of text changes it.

/// One direction. What is 0 or none is off.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// Bits per second of IP packets, headers included, that the bottleneck passes; none: all.
    pub(crate) rate: Option<u64>,
    /// Nanoseconds a packet may have to wait for its turn at the bottleneck; longer: dropped at
    /// the tail.
    pub(crate) queue_time: Option<u64>,
    /// Bytes that may wait; more: dropped at the tail.
    pub(crate) queue_bytes: Option<usize>,
    /// Nanoseconds from the bottleneck to the other end.
    pub(crate) delay: u64,
    /// At most so many nanoseconds more or less, evenly spread. Keeps the order.
    pub(crate) jitter: u64,
    /// Share of packets lost, 0 to 1.
    pub(crate) loss: f64,
    /// Packets lost in a row on average; 1 or less: each on its own.
    pub(crate) loss_burst: f64,
    /// Share of packets that others overtake.
    pub(crate) reorder: f64,
    /// Nanoseconds that those are held back.
    pub(crate) reorder_time: u64,
    /// Share of packets that come twice.
    pub(crate) duplicate: f64,
    /// Longest packet that passes, in bytes of IP; what is longer is dropped in silence, as by a
    /// black hole on the path.
    pub(crate) mtu: Option<usize>,
}

/// A packet held longer than this is a mistake of whoever set it.
const LONGEST_MS: f64 = 60_000.0;

impl Settings {
    /// Changes what the words `key=value` name; all or nothing.
    pub(crate) fn change(&mut self, words: &[&str]) -> Result<(), String> {
        let mut changed = self.clone();
        for word in words {
            let (key, value) =
                word.split_once('=').ok_or_else(|| format!("{word}: no key=value"))?;
            changed.set(key, value)?;
        }
        *self = changed;
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number: f64 = value.parse().map_err(|_| format!("{key}: {value} is no number"))?;
        let most = match key {
            "delay_ms" | "jitter_ms" | "reorder_ms" | "queue_ms" => LONGEST_MS,
            "loss_pct" | "reorder_pct" | "duplicate_pct" => 100.0,
            _ => 1e9,
        };
        if !(0.0..=most).contains(&number) {
            return Err(format!("{key}: {value} is not within 0 and {most}"));
        }
        let nanos = (number * 1e6) as u64;
        let whole = (number > 0.0).then_some(number as usize);
        match key {
            "rate_kbps" => self.rate = (number > 0.0).then_some((number * 1e3) as u64),
            "queue_ms" => self.queue_time = (number > 0.0).then_some(nanos),
            "queue_bytes" => self.queue_bytes = whole,
            "delay_ms" => self.delay = nanos,
            "jitter_ms" => self.jitter = nanos,
            "loss_pct" => self.loss = number / 100.0,
            "loss_burst" => self.loss_burst = number,
            "reorder_pct" => self.reorder = number / 100.0,
            "reorder_ms" => self.reorder_time = nanos,
            "duplicate_pct" => self.duplicate = number / 100.0,
            "mtu" => self.mtu = whole,
            _ => return Err(format!("{key} is not known")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change_what_they_name_and_nothing_else() {
        let mut settings = Settings { loss: 0.5, ..Settings::default() };
        let words = ["rate_kbps=600", "queue_ms=200", "delay_ms=12.5", "loss_burst=3", "mtu=1400"];
        settings.change(&words).unwrap();
        let wanted = Settings {
            rate: Some(600_000),
            queue_time: Some(200_000_000),
            delay: 12_500_000,
            loss: 0.5,
            loss_burst: 3.0,
            mtu: Some(1_400),
            ..Settings::default()
        };
        assert_eq!(settings, wanted);
    }

    #[test]
    fn zero_switches_off() {
        let mut settings =
            Settings { rate: Some(1), mtu: Some(5), loss: 0.1, ..Settings::default() };
        settings.change(&["rate_kbps=0", "mtu=0", "loss_pct=0"]).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_line_with_a_mistake_changes_nothing() {
        for wrong in ["delay", "delay_ms=x", "delay_ms=-1", "loss_pct=101", "speed=3", "mtu=nan"] {
            let mut settings = Settings::default();
            assert!(settings.change(&["loss_pct=5", wrong]).is_err(), "{wrong}");
            assert_eq!(settings, Settings::default(), "{wrong}");
        }
    }
}
