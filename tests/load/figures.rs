//! What a node counts, from its metrics.

use std::{collections::BTreeMap, time::Duration};

use starling_node::client::{Ask, ask};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Method, header::AUTHORIZATION};

use crate::client::Failure;

/// Longer than a node takes to count.
const PATIENCE: Duration = Duration::from_secs(5);

/// One reading: values by name and labels, as they stand in the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Asks the node; with `token`, as its operator.
    pub(crate) async fn read(url: &str, token: &str) -> Result<Self, Failure> {
        Ok(Self::parse(&Self::text(url, token).await?))
    }

    /// The text itself.
    pub(crate) async fn text(url: &str, token: &str) -> Result<String, Failure> {
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push((AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?));
        }
        let (method, url, body) = (Method::GET, format!("{url}/metrics"), Vec::new().into());
        let answer = ask(Ask { method, url, headers, body, within: PATIENCE }).await?;
        if !answer.status.is_success() {
            return Err(format!("metrics: {}; give --token", answer.status).into());
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(sample).collect())
    }

    /// Each sample of this name: its labels as text, and its value.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(key, value)| {
            let labels = key.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, *value))
        })
    }

    /// All samples of this name together, 0 if there are none.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }

    /// Those of them whose labels contain `label`, as `reason="srtp"`.
    pub(crate) fn labelled(&self, name: &str, label: &str) -> f64 {
        self.of(name).filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_label_and_nothing_else_is() {
        let figures = Figures::parse(
            "# HELP starling_dropped_total Packets.\n\
             starling_dropped_total{reason=\"srtp\",worker=\"0\"} 3\n\
             starling_dropped_total{reason=\"srtp\",worker=\"1\"} 4\n\
             starling_dropped_total{reason=\"stun\",worker=\"0\"} 5\n\
             starling_dropped_total_more 9\nstarling_peers 2.5\n",
        );
        assert_eq!(figures.sum("starling_dropped_total"), 12.0);
        assert_eq!(figures.labelled("starling_dropped_total", "reason=\"srtp\""), 7.0);
        assert_eq!((figures.sum("starling_peers"), figures.sum("none")), (2.5, 0.0));
    }
}
