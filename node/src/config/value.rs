//! Texts of settings to values. Never does: know which setting.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Fewest bytes of a secret: 256 bits, what HS256 wants (RFC 7518 §3.2).
pub const MIN_SECRET: usize = 32;

/// Why `text` is no secret, if it is none.
pub fn weak(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let known = ["changeme", "change-me", "change_me", "secret", "password", "example", "default"];
    if text.len() < MIN_SECRET {
        return Some(format!("it has {} bytes and needs {MIN_SECRET}", text.len()));
    }
    if known.iter().any(|word| lower.contains(word)) {
        return Some("it is a placeholder that others know".to_owned());
    }
    let mut bytes = text.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    (bytes.len() < 8).then(|| format!("it repeats {} characters", bytes.len()))
}

/// `40000-40999`: the first is not 0 and not above the last.
pub struct PortRange(pub RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (first, last) = text.split_once('-').ok_or(())?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(drop);
        let (first, last) = (port(first)?, port(last)?);
        if first == 0 || first > last { Err(()) } else { Ok(Self(first..=last)) }
    }
}

/// `250ms`, `150s`, `2m` or `1h`.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().ok()?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return None,
    };
    unit.checked_mul(number)
}

/// The items of a list.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Whether `text` may stand for a host in a URL or candidate: an address or a DNS name.
pub fn is_host(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
        || (!text.is_empty()
            && text.len() <= 253
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("150s"), Some(Duration::from_secs(150)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        for bad in ["", "5", "s", "-1s", "1.5s", "1 s", "99999999999s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn short_known_and_repeated_secrets_are_weak() {
        assert!(weak("short").is_some_and(|why| why.contains("5 bytes")));
        assert!(weak("please-changeme-please-changeme-please").is_some());
        assert!(weak(&"ab".repeat(20)).is_some());
        assert_eq!(weak("pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe"), None);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("abc")), "<secret>");
    }
}
