//! The admission hook: somebody else's server that is asked before a client comes in. It may refuse
//! with a sentence, and lower what the token grants. A server that does not answer holds nobody up
//! for longer than its timeout, and soon nobody at all. Never asked about clients that come back
//! with a resume ticket, who were let in already, nor about peers that operators make.

mod answer;
mod breaker;

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use starling_actors::{Metric, session::SessionRequest};
use starling_proto::{
    Code, Grants, NodeId, Refusal,
    rest::{Event, Happening},
};
use tokio::{sync::Semaphore, time::timeout};

use self::{
    answer::{Answer, read},
    breaker::Breaker,
};
use crate::{
    config, events,
    hooks::{
        post::{Message, post},
        signature::Signing,
    },
};

/// Questions on their way at once: at 20 ms each they let 3,000 clients in a second, more than a
/// node takes in.
const AT_ONCE: usize = 64;
/// Longest answer, in bytes: a sentence and a few grants.
const MAX_ANSWER: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Admission {
    asked: Option<Asked>,
    counts: [AtomicU64; Outcome::ALL.len()],
}

/// Who is asked, and how.
#[derive(Debug)]
struct Asked {
    url: String,
    timeout: Duration,
    open: bool,
    node: NodeId,
    signing: Signing,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    /// Of the questions so far.
    number: AtomicU64,
}

/// What a question came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Admitted,
    Lowered,
    Refused,
    FailedOpen,
    FailedClosed,
}

impl Outcome {
    const ALL: [Self; 5] =
        [Self::Admitted, Self::Lowered, Self::Refused, Self::FailedOpen, Self::FailedClosed];

    const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Lowered => "lowered",
            Self::Refused => "refused",
            Self::FailedOpen => "failed_open",
            Self::FailedClosed => "failed_closed",
        }
    }
}

/// What is sent: the event, and what the token grants.
#[derive(Serialize)]
struct Question<'a> {
    #[serde(flatten)]
    event: Event,
    grants: &'a Grants,
}

impl Admission {
    /// As configured, for a node.
    pub(crate) fn new(config: &config::Hooks, signing: Signing, node: NodeId) -> Self {
        let asked = config.admission.as_ref().map(|hook| Asked {
            url: hook.url.clone(),
            timeout: hook.timeout,
            open: hook.open,
            node,
            signing,
            places: Semaphore::new(AT_ONCE),
            breaker: Mutex::default(),
            number: AtomicU64::new(0),
        });
        Self { asked, counts: Default::default() }
    }

    /// Whether somebody is asked about a join.
    pub(crate) fn asks(&self, request: &SessionRequest) -> bool {
        self.asked.is_some() && request.resume_ticket.is_none()
    }

    /// Lets a client in with what is left of its grants.
    ///
    /// # Errors
    /// `forbidden` with the hook's sentence; `admission_unavailable`.
    pub(crate) async fn admit(&self, request: &mut SessionRequest) -> Result<(), Refusal> {
        let Some(asked) = self.asked.as_ref().filter(|_| self.asks(request)) else {
            return Ok(());
        };
        match asked.ask(request).await {
            Some(Answer::Admit(lowered)) => {
                let left = lowered.of(&request.grants);
                let lower = left != request.grants;
                (request.grants, request.narrowed) = (left, lower);
                self.count(if lower { Outcome::Lowered } else { Outcome::Admitted });
                Ok(())
            }
            Some(Answer::Refuse(sentence)) => {
                self.count(Outcome::Refused);
                Err(Refusal::new(Code::Forbidden, sentence)
                    .hint("the application behind this service decided so"))
            }
            None if asked.open => {
                self.count(Outcome::FailedOpen);
                Ok(())
            }
            None => {
                self.count(Outcome::FailedClosed);
                let message = "nobody could be asked whether this client may come in";
                Err(Refusal::new(Code::AdmissionUnavailable, message)
                    .hint("try again; operators: admission_url does not answer"))
            }
        }
    }

    fn count(&self, outcome: Outcome) {
        let place = Outcome::ALL.iter().position(|other| *other == outcome);
        self.counts[place.expect("ALL has all outcomes")].fetch_add(1, Relaxed);
    }

    /// Figures for operators.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let help = "Joins that the admission hook was asked about, by what came of it.";
        let all = Outcome::ALL.iter().zip(&self.counts);
        all.map(|(outcome, count)| {
            Metric::counter("starling_admissions_total", help, count.load(Relaxed))
                .label("outcome", outcome.name())
        })
        .collect()
    }
}

impl Asked {
    /// What the hook says; nothing if it says nothing, in time.
    async fn ask(&self, request: &SessionRequest) -> Option<Answer> {
        if !self.breaker().asks(Instant::now()) {
            return None;
        }
        // The wait for a place counts: whoever is behind 64 that are not answered will not be.
        let answer = timeout(self.timeout, self.exchange(request)).await;
        match answer.unwrap_or_else(|_| Err(format!("not within {:?}", self.timeout))) {
            Ok(answer) => {
                self.breaker().answered();
                Some(answer)
            }
            Err(trouble) => {
                self.breaker().failed(Instant::now());
                tracing::warn!(trouble, "the admission hook did not answer");
                None
            }
        }
    }

    async fn exchange(&self, request: &SessionRequest) -> Result<Answer, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let question = Question { event: self.event(request), grants: &request.grants };
        let body = serde_json::to_vec(&question).expect("questions have finite shapes");
        let (url, id) = (self.url.clone(), question.event.id);
        let message = Message { url, id, body: body.into() };
        // An operator of the nodes has named it: it may be anywhere.
        let answer = post(&self.signing, message, |_, _| true, self.timeout).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status.as_u16();
        let body = answer.read_most(&self.url, MAX_ANSWER).await;
        let body = body.map_err(|error| error.to_string())?;
        read(status, &body).ok_or_else(|| format!("answered {status} with what is no answer"))
    }

    fn event(&self, request: &SessionRequest) -> Event {
        let (at, number) = (events::now(), self.number.fetch_add(1, Relaxed));
        Event {
            id: format!("{}.admission.{}.{number}", self.node, at.unix_ms),
            at,
            by: self.node.clone(),
            what: Happening::AdmissionRequested {
                room: request.room.clone(),
                peer: request.peer.clone(),
                node: self.node.clone(),
                address: request.remote.to_string(),
            },
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
