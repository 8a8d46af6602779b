//! What the workers of a running node spent on a run, from its metrics.

use std::collections::BTreeMap;

use crate::{client::Failure, figures::Figures};

/// Figures that are told, by worker.
const TOLD: [&str; 3] = [
    "starling_worker_cpu_seconds_total",
    "starling_rtp_forwarded_total",
    "starling_piped_received_total",
];

/// One reading.
pub(crate) struct Workers(BTreeMap<String, [f64; TOLD.len()]>);

impl Workers {
    /// Asks the node; with `token`, as its operator.
    pub(crate) async fn read(url: &str, token: &str) -> Result<Self, Failure> {
        Ok(Self::parse(&Figures::text(url, token).await?))
    }

    fn parse(text: &str) -> Self {
        let mut workers: BTreeMap<String, [f64; TOLD.len()]> = BTreeMap::new();
        for line in text.lines() {
            let Some((name, rest)) = line.split_once('{') else { continue };
            let Some(figure) = TOLD.iter().position(|told| *told == name) else { continue };
            let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
            let worker = labels.split('"').nth(1).unwrap_or_default();
            workers.entry(worker.to_owned()).or_default()[figure] = value.parse().unwrap_or(0.0);
        }
        Self(workers)
    }

    /// Lines about what was spent since `before`.
    pub(crate) fn since(&self, before: &Self) -> String {
        let mut text = String::new();
        for (worker, now) in &self.0 {
            let then = before.0.get(worker).copied().unwrap_or_default();
            let [cpu, forwarded, piped]: [f64; TOLD.len()] =
                std::array::from_fn(|figure| now[figure] - then[figure]);
            text += &format!(
                "worker {worker}: {cpu:.2} s of CPU, {forwarded:.0} packets forwarded, \
                 {piped:.0} from pipes, {:.0} packets per second of CPU\n",
                forwarded / cpu.max(1e-9)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_worker_and_others_are_not() {
        let text = "# HELP starling_rtp_forwarded_total RTP packets.\n\
            starling_rtp_forwarded_total{worker=\"0\"} 30\n\
            starling_rtp_forwarded_total{worker=\"1\"} 12\n\
            starling_worker_cpu_seconds_total{worker=\"1\"} 1.5\nstarling_peers 3\n";
        let workers = Workers::parse(text);
        assert_eq!(workers.0["0"], [0.0, 30.0, 0.0]);
        assert_eq!(workers.0["1"], [1.5, 12.0, 0.0]);
    }
}
