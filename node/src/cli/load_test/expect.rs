//! `loss<0.1%`: what must hold of a figure. Pure.

use std::{fmt, str::FromStr};

/// The figures that something may be expected of, with their units.
pub(super) const FIGURES: [(&str, &str); 10] = [
    ("loss", "%"),
    ("first-loss", "%"),
    ("p50", "ms"),
    ("p95", "ms"),
    ("p99", "ms"),
    ("max", "ms"),
    ("join-p99", "ms"),
    ("freezes", ""),
    ("joined", "%"),
    ("streams", "%"),
];

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

const SIGNS: [(&str, Sign); 5] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("<", Sign::Below),
    (">", Sign::Above),
    ("=", Sign::Equal),
];

/// What must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expectation {
    /// Of which figure.
    pub(super) figure: &'static str,
    sign: Sign,
    bound: f64,
    text: String,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let at = SIGNS.iter().find_map(|(sign, kind)| Some((text.find(sign)?, sign.len(), *kind)));
        let (at, len, sign) =
            at.ok_or_else(|| format!("{text:?} compares nothing: write it as loss<0.1%"))?;
        let (name, value) = (text[..at].trim(), text[at + len..].trim());
        let known = FIGURES.iter().find(|(known, _)| *known == name);
        let (figure, unit) = known.ok_or_else(|| {
            let known: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is no figure; there are {}", known.join(", "))
        })?;
        let number = value.strip_suffix(unit).unwrap_or(value).trim();
        let bound = number.parse::<f64>().ok().filter(|bound| bound.is_finite());
        let bound =
            bound.ok_or_else(|| format!("{value:?} is no number of {unit:?} for {figure}"))?;
        Ok(Self { figure, sign, bound, text: text.to_owned() })
    }
}

impl Expectation {
    /// Whether a figure is as expected.
    pub(super) fn holds(&self, value: f64) -> bool {
        match self.sign {
            Sign::Below => value < self.bound,
            Sign::AtMost => value <= self.bound,
            Sign::Above => value > self.bound,
            Sign::AtLeast => value >= self.bound,
            // Figures are printed with two places.
            Sign::Equal => (value - self.bound).abs() < 0.005,
        }
    }

    /// Its figure's unit.
    pub(super) fn unit(&self) -> &'static str {
        FIGURES.iter().find(|(name, _)| *name == self.figure).map_or("", |(_, unit)| unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, value: f64) -> bool {
        text.parse::<Expectation>().unwrap().holds(value)
    }

    #[test]
    fn figures_are_compared_as_written() {
        assert!(holds("loss<0.1%", 0.09) && !holds("loss<0.1%", 0.1));
        assert!(holds("p99 <= 20 ms", 20.0) && !holds("p99<=20ms", 20.01));
        assert!(holds("joined>=100", 100.0) && !holds("joined>=100%", 99.9));
        assert!(holds("freezes=0", 0.0) && !holds("freezes=0", 1.0));
        assert!(holds("streams>50%", 51.0));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let wrong = |text: &str| text.parse::<Expectation>().unwrap_err();
        assert!(wrong("loss").contains("compares nothing"));
        assert!(wrong("lag<3").contains("there are loss, first-loss"));
        assert!(wrong("p99<3kg").contains("\"3kg\""));
        assert!(wrong("p99<NaN").contains("NaN"));
    }
}
