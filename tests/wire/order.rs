//! A line of the wire's input.

use crate::settings::Settings;

/// What somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Both directions as they shall be.
    Change {
        down: Settings,
        up: Settings,
    },
    /// Begin percentiles anew.
    Mark,
    /// Tell counters and percentiles.
    Stats,
    Quit,
}

impl Order {
    /// Reads `down|up|both key=value …`, `mark`, `stats` or `quit`.
    pub(crate) fn parse(line: &str, down: &Settings, up: &Settings) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (mut down, mut up) = (down.clone(), up.clone());
        match words.split_first() {
            Some((&"down", changes)) => down.change(changes)?,
            Some((&"up", changes)) => up.change(changes)?,
            Some((&"both", changes)) => {
                down.change(changes)?;
                up.change(changes)?;
            }
            Some((&"mark", [])) => return Ok(Self::Mark),
            Some((&"stats", [])) => return Ok(Self::Stats),
            Some((&"quit", [])) => return Ok(Self::Quit),
            _ => {
                return Err(format!(
                    "{line}: want down, up or both with settings, mark, stats, quit"
                ));
            }
        }
        Ok(Self::Change { down, up })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Order, String> {
        Order::parse(line, &Settings::default(), &Settings::default())
    }

    #[test]
    fn a_direction_changes_alone() {
        let delayed = Settings { delay: 5_000_000, ..Settings::default() };
        let change = |down: &Settings, up: &Settings| {
            Ok(Order::Change { down: down.clone(), up: up.clone() })
        };
        let bare = Settings::default();
        assert_eq!(parse("down delay_ms=5"), change(&delayed, &bare));
        assert_eq!(parse("up delay_ms=5"), change(&bare, &delayed));
        assert_eq!(parse("both delay_ms=5"), change(&delayed, &delayed));
    }

    #[test]
    fn other_orders_take_no_words() {
        assert_eq!(parse("stats"), Ok(Order::Stats));
        assert_eq!(parse("mark"), Ok(Order::Mark));
        assert_eq!(parse("quit"), Ok(Order::Quit));
        assert!(parse("stats now").is_err());
        assert!(parse("sideways delay_ms=5").is_err());
        assert!(parse("").is_err());
    }
}
