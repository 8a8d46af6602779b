//! Webhooks: whoever operators name is told what happens, by signed POSTs. Each event is sent by
//! the node that tells it; what waits is in that node's memory and ends with it. This file routes.

pub(crate) mod address;
mod carrier;
mod dead;
mod lane;
mod office;
pub(crate) mod post;
pub(crate) mod signature;
mod verdict;

#[cfg(test)]
pub(crate) mod receiver;
#[cfg(test)]
mod tests;

use std::time::Instant;

use starling_actors::{Metric, Node};
use starling_proto::{
    Code, NodeId, Refusal, WebhookId,
    rest::{DeadLetter, Event, WebhookAt, WebhookTried},
};

use self::{
    carrier::{Counter, Way},
    post::Message,
    signature::Signing,
    verdict::{Dead, Outcome},
};
use crate::{config, events};

/// The webhooks of a node.
#[derive(Clone, Debug)]
pub(crate) struct Hooks {
    counter: Counter,
    way: Way,
    private: bool,
}

impl Hooks {
    /// For a node; sends nothing before [`Hooks::start`].
    pub(crate) fn new(config: &config::Hooks) -> Self {
        let signing = Signing::new(config);
        let way = Way { signing, reach: address::reach(config.private) };
        Self { counter: Counter::default(), way, private: config.private }
    }

    /// What all requests are signed with.
    pub(crate) fn signing(&self) -> Signing {
        self.way.signing.clone()
    }

    /// Takes over the secret of other settings.
    pub(crate) fn replace(&self, config: &config::Hooks) {
        self.way.signing.replace(config);
    }

    /// Sends what happens on a node for as long as it lives.
    pub(crate) fn start(&self, node: Node) {
        tokio::spawn(carrier::run(self.counter.clone(), node, self.way.clone()));
    }

    /// Whether a URL may be told.
    ///
    /// # Errors
    /// `bad_request`; `wrong_state` where nothing can be signed.
    pub(crate) fn check(&self, url: &str) -> Result<(), Refusal> {
        if !self.way.signing.is_possible() {
            let message = "this node has nothing to sign webhooks with";
            return Err(Refusal::new(Code::WrongState, message)
                .hint("set webhook_secret, the same on all nodes"));
        }
        address::check(url, self.private)
    }

    /// How it fares with one.
    pub(crate) fn status(&self, node: NodeId, id: &WebhookId) -> WebhookAt {
        self.counter.office().status(node, id)
    }

    /// What was given up last for one.
    pub(crate) fn dead_letters(&self, id: &WebhookId) -> Vec<DeadLetter> {
        self.counter.office().dead_letters(id)
    }

    /// Sends that once more; answers how much it is.
    pub(crate) fn redeliver(&self, id: &WebhookId) -> usize {
        let count = self.counter.office().redeliver((Instant::now(), events::now()), id);
        self.counter.wake();
        count
    }

    /// Sends an event once, now, and waits for what comes of it.
    pub(crate) async fn try_out(&self, url: String, event: &Event) -> WebhookTried {
        let body = serde_json::to_vec(event).expect("events have string keys and finite shapes");
        let (began, id) = (Instant::now(), event.id.clone());
        let outcome = self.way.deliver(Message { url, id, body: body.into() }).await;
        let status = match outcome {
            Outcome::Answered(status) => Some(status),
            Outcome::Silent(_) => None,
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (delivered, trouble) = (outcome.is_taken(), outcome.trouble());
        WebhookTried { delivered, status, trouble, took_ms }
    }

    /// Waits until all has been sent, but not for long: the node has ended.
    pub(crate) async fn emptied(&self) {
        carrier::emptied(&self.counter).await;
    }

    /// Figures for operators.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let (counts, waiting) = {
            let office = self.counter.office();
            (office.counts(), office.waiting())
        };
        let mut all = vec![
            Metric::gauge(
                "starling_webhook_events_waiting",
                "Events that wait to be sent to webhooks.",
                waiting as f64,
            ),
            Metric::counter(
                "starling_webhook_events_delivered_total",
                "Events that webhooks took.",
                counts.delivered,
            ),
            Metric::counter(
                "starling_webhook_attempts_failed_total",
                "Deliveries to webhooks that are tried again.",
                counts.again,
            ),
        ];
        all.extend(Dead::ALL.iter().zip(counts.dead).map(|(why, events)| {
            let help = "Events given up that a webhook was to be sent.";
            Metric::counter("starling_webhook_dead_letters_total", help, events)
                .label("reason", why.name())
        }));
        all
    }
}
