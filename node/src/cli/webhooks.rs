//! `starling webhooks`: who is told what happens.

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use starling_proto::{
    RoomId, WebhookId,
    rest::{CreateWebhook, DeadLetter, DeadLetters, Redelivered, Webhook, WebhookTried},
};

use super::{
    done::Done,
    live,
    look::{Look, Stay},
    output::{self, Failure, Format, Line, note, or_dash},
    remote::Remote,
    sure::{Deed, Sure},
};

/// Webhooks.
#[derive(Debug, clap::Args)]
pub(super) struct Webhooks {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All webhooks, and how nodes fare with them.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        look: Look,
    },
    /// One of them.
    Get {
        /// The webhook.
        id: WebhookId,
        #[command(flatten)]
        stay: Stay,
    },
    /// Has events sent to a URL.
    Create {
        /// Its name.
        id: WebhookId,
        /// Where to: https://…
        url: String,
        /// Only these kinds, as room.ended or peer.*.
        #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
        events: Vec<String>,
        /// Only what is about this room.
        #[arg(long, add = ArgValueCompleter::new(live::rooms))]
        room: Option<RoomId>,
    },
    /// Deletes one; what waits for it is forgotten.
    #[command(visible_alias = "rm")]
    Delete {
        /// The webhook.
        id: WebhookId,
        #[command(flatten)]
        sure: Sure,
    },
    /// Sends it an event now, once, and tells what came of it.
    Try {
        /// The webhook.
        id: WebhookId,
    },
    /// What was given up last for it, and why.
    DeadLetters {
        /// The webhook.
        id: WebhookId,
    },
    /// Sends that once more.
    Redeliver {
        /// The webhook.
        id: WebhookId,
    },
}

impl Line for Webhook {
    const HEAD: &'static [&'static str] =
        &["webhook", "url", "events", "room", "waiting", "delivered", "given up", "trouble"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let sum = |of: fn(&starling_proto::rest::WebhookAt) -> u64| {
            self.nodes.iter().map(of).sum::<u64>().to_string()
        };
        let trouble = self.nodes.iter().find_map(|at| at.trouble.clone()).unwrap_or_default();
        let events = if self.events.is_empty() { "all".to_owned() } else { self.events.join(",") };
        vec![
            self.name(),
            self.url.clone(),
            events,
            or_dash(self.room.as_ref().map(ToString::to_string).unwrap_or_default()),
            sum(|at| at.waiting),
            sum(|at| at.delivered),
            sum(|at| at.dead_letters),
            or_dash(trouble),
        ]
    }
}

impl Line for WebhookTried {
    const HEAD: &'static [&'static str] = &["delivered", "status", "took", "trouble"];

    fn name(&self) -> String {
        if self.delivered { "yes" } else { "no" }.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        let trouble = or_dash(self.trouble.clone().unwrap_or_default());
        vec![self.name(), or_dash(status), format!("{} ms", self.took_ms), trouble]
    }
}

impl Line for DeadLetter {
    const HEAD: &'static [&'static str] =
        &["time", "event", "room", "reason", "attempts", "trouble", "by"];

    fn name(&self) -> String {
        self.event.id.clone()
    }

    fn cells(&self) -> Vec<String> {
        let room = self.event.what.room().map(ToString::to_string).unwrap_or_default();
        vec![
            self.at.to_string(),
            self.event.what.name().to_owned(),
            or_dash(room),
            self.reason.clone(),
            self.attempts.to_string(),
            or_dash(self.trouble.clone().unwrap_or_default()),
            self.event.by.to_string(),
        ]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Webhooks { verb, remote }: Webhooks) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Verb::List { look } => look.all(remote.output, async || Ok(client.webhooks().await?)).await,
        Verb::Get { id, stay } => {
            stay.one(remote.output, async || Ok(client.webhook(&id).await?)).await
        }
        Verb::Create { id, url, events, room } => {
            let wish = CreateWebhook { id: Some(id), url, events, room };
            remote.show(&client.create_webhook(&wish).await?)
        }
        Verb::Delete { id, sure } => {
            let deed = async { Ok(deed(&client.webhook(&id).await?)) };
            if !sure.may(remote.output, deed).await? {
                return Ok(());
            }
            client.delete_webhook(&id).await?;
            let to: [(_, &dyn ToString); 1] = [("webhook", &id)];
            remote.done(&Done::new("delete", &to, format!("webhook {id} deleted")))
        }
        Verb::Try { id } => remote.show(&client.try_webhook(&id).await?),
        Verb::DeadLetters { id } => letters(&remote, &client.dead_letters(&id).await?),
        Verb::Redeliver { id } => {
            let told = client.redeliver(&id).await?;
            match remote.output {
                Format::Table | Format::Wide | Format::Name => {
                    let Redelivered { count, missing } = told;
                    note(&format!("sent once more: {count} events"));
                    tell_missing(&missing);
                    Ok(())
                }
                other => output::value(other, &serde_json::json!(told)),
            }
        }
    }
}

fn deed(of: &Webhook) -> Deed {
    let waiting: u64 = of.nodes.iter().map(|at| at.waiting).sum();
    let then = vec![
        format!("{} is told nothing any more", of.url),
        format!("{waiting} events that wait are forgotten"),
    ];
    Deed { would: format!("delete webhook {}", of.id), then }
}

fn letters(remote: &Remote, of: &DeadLetters) -> Result<(), Failure> {
    match remote.output {
        Format::Table | Format::Wide | Format::Name => {
            remote.show_all(&of.letters)?;
            tell_missing(&of.missing);
            Ok(())
        }
        other => output::value(other, &serde_json::json!(of)),
    }
}

fn tell_missing(missing: &[starling_proto::NodeId]) {
    for node in missing {
        note(&format!("{node} did not answer"));
    }
}
