//! `starling-load attack`: a node under attack, from the outside. Each row of
//! docs/security-tests.md that needs a real process is here: people talk on a node of its own while
//! somebody else tries to hurt them, and what it cost them is measured and held against a bound.
//!
//! Everything stays on loopback and is bounded in count and time.

mod consent;
mod descriptors;
mod findings;
mod fingerprint;
mod flood;
mod forge;
mod forged;
mod forgery;
mod greed;
mod hello;
mod idlers;
mod live_port;
mod malformed;
mod oversize;
mod people;
mod ports;
mod rates;
mod replay;
mod rooms;
mod secrets;
mod slow;
mod spoofed;
mod ssrcs;
mod strangers;
mod tls;
mod wire;

use std::path::PathBuf;

use futures::{StreamExt, stream};

use crate::{
    client::{Failure, Identity},
    node::{Node, Secrets, Wish},
};
use findings::Findings;

/// Rows and what is thrown at the node in each.
const ROWS: [(&str, &str); 22] = [
    ("T-M02", "random and mutated datagrams at the media port"),
    ("T-M03", "what asks to be answered from addresses that proved nothing"),
    ("T-M04", "a captured check from another address"),
    ("T-M05", "ClientHellos that race the client's own"),
    ("T-M06", "SRTP with wrong tags, from the client's own address and from others"),
    ("T-M07", "RTP and RTCP in the clear"),
    ("T-M08", "every packet three times, over a rollover"),
    ("T-M09", "a certificate that was not announced"),
    ("T-M10", "a client that falls silent"),
    ("T-M11", "a publisher and a receiver that keep to the rules and want too much"),
    ("T-M12", "a receiver that reads nothing"),
    ("T-M13", "10,000 SSRCs on one transport, and those of somebody else"),
    ("T-S01", "connections that say nothing, or very slowly"),
    ("T-S02", "what is too large or too deep"),
    ("T-S03", "signalling that makes no sense"),
    ("T-S04", "forged room tokens"),
    ("T-S05", "peers of one room at what is another's"),
    ("T-S06", "too many sessions, requests and reconnects"),
    ("T-S07", "a node without descriptors"),
    ("T-S08", "ports that somebody else has"),
    ("T-S10", "secrets in logs, metrics, answers and command lines"),
    ("T-S11", "certificates that change under those who are connected, and that have ended"),
];

/// What all rows need.
pub(crate) struct Context {
    pub(crate) identity: Identity,
    pub(crate) secrets: Secrets,
    /// A tenth of the work, for every change.
    pub(crate) short: bool,
}

impl Context {
    /// A node of the row's own, without limits on who joins.
    pub(crate) async fn node(&self, row: &str) -> Result<Node, Failure> {
        self.node_with(row, &[("SESSIONS_PER_SECOND", "0"), ("JOINS_PER_SECOND", "0")]).await
    }

    /// A node with these settings.
    pub(crate) async fn node_with(
        &self,
        row: &str,
        settings: &[(&'static str, &str)],
    ) -> Result<Node, Failure> {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let wish = Wish { id: row.to_lowercase(), settings, files: None };
        Node::start(&self.secrets, wish).await
    }

    /// The short form's number, or the whole one's.
    pub(crate) const fn scale<T: Copy>(&self, short: T, whole: T) -> T {
        if self.short { short } else { whole }
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttackConfig {
    short: bool,
    rows: Vec<String>,
}

impl AttackConfig {
    /// `[--short] [T-M02 …]`.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut config = Self::default();
        for word in words {
            match word.as_str() {
                "--short" => config.short = true,
                row if ROWS.iter().any(|(known, _)| *known == row) => {
                    config.rows.push(row.to_owned());
                }
                other => return Err(format!("{other} is no row; see docs/security-tests.md")),
            }
        }
        Ok(config)
    }
}

/// Attacks at the same time, in the short form: most of their time is waiting, and it has no bounds
/// of time.
const TOGETHER: usize = 4;

/// Makes the attacks.
pub(crate) async fn attack(config: AttackConfig) -> Result<(), Failure> {
    let context =
        Context { identity: Identity::new()?, secrets: Secrets::new(), short: config.short };
    let (context, wanted) = (&context, &config.rows);
    let rows =
        ROWS.iter().filter(|(row, _)| wanted.is_empty() || wanted.iter().any(|it| it == row));
    let attacks = rows.map(|(row, what)| async move {
        let mut findings = Findings::new(row, what, !context.short);
        if let Err(why) = make(row, context, &mut findings).await {
            findings.failed(&why.to_string());
        }
        findings.print();
        findings
    });
    let mut all = Findings::new("", "", !context.short);
    let mut made = stream::iter(attacks).buffer_unordered(context.scale(TOGETHER, 1));
    while let Some(findings) = made.next().await {
        all.take(findings);
    }
    all.write(&PathBuf::from("target/reports/attack.json"))?;
    match all.beyond() {
        0 => Ok(()),
        beyond => Err(format!("{beyond} figures fall short").into()),
    }
}

async fn make(row: &str, context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    match row {
        "T-M02" => live_port::run(context, findings).await,
        "T-M03" => strangers::run(context, findings).await,
        "T-M04" => spoofed::run(context, findings).await,
        "T-M05" => hello::run(context, findings).await,
        "T-M06" => forged::wrong_tags(context, findings).await,
        "T-M07" => forged::in_the_clear(context, findings).await,
        "T-M08" => replay::run(context, findings).await,
        "T-M09" => fingerprint::run(context, findings).await,
        "T-M10" => consent::run(context, findings).await,
        "T-M11" => greed::run(context, findings).await,
        "T-M12" => slow::run(context, findings).await,
        "T-M13" => ssrcs::run(context, findings).await,
        "T-S01" => idlers::run(context, findings).await,
        "T-S02" => oversize::run(context, findings).await,
        "T-S03" => malformed::run(context, findings).await,
        "T-S04" => forgery::run(context, findings).await,
        "T-S05" => rooms::run(context, findings).await,
        "T-S06" => rates::run(context, findings).await,
        "T-S07" => descriptors::run(context, findings).await,
        "T-S08" => ports::run(context, findings).await,
        "T-S10" => secrets::run(context, findings).await,
        "T-S11" => tls::run(context, findings).await,
        _ => Err(format!("{row} is not made").into()),
    }
}
