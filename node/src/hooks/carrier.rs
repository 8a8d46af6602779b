//! Brings events to webhooks: asks the [`Office`] what to send and tells it what came of it. Never
//! decides who is told, nor whether to try again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use starling_actors::{Follower, Node, Told, Webhooks};
use starling_client::http::Reach;
use starling_proto::{rest::Event, time::Timestamp};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    lane::Letter,
    office::{Office, Parcel},
    post::{Message, post},
    signature::Signing,
    verdict::Outcome,
};
use crate::events::now as wall;

/// Longest time for a delivery, connection included: a receiver is to write an event down and
/// answer, and do its work afterwards.
const DELIVERY: Duration = Duration::from_secs(10);

/// The office, as the carrier, REST and metrics share it. Held for as long as it takes to look.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<(Mutex<Office>, Notify)>);

impl Counter {
    pub(super) fn office(&self) -> MutexGuard<'_, Office> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the carrier look again.
    pub(super) fn wake(&self) {
        self.0.1.notify_one();
    }
}

/// How requests are sent.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) signing: Signing,
    pub(super) reach: Reach,
}

impl Way {
    /// Sends an event once. Of the answer nothing but the status is read.
    pub(super) async fn deliver(&self, message: Message) -> Outcome {
        match post(&self.signing, message, self.reach, DELIVERY).await {
            Ok(answer) => Outcome::Answered(answer.status.as_u16()),
            Err(error) => Outcome::Silent(error.to_string()),
        }
    }
}

/// How long what a node says when it ends may take to be heard.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the carrier waits for.
enum Woken {
    Told(Told),
    Hooks,
    Back(Box<(Parcel, Outcome)>),
    Due,
    Ended,
}

/// Runs until the node has ended and all has been sent, or [`LAST_WORDS`] later.
pub(super) async fn run(counter: Counter, node: Node, way: Way) {
    let mut hooks = node.webhooks();
    hooks.mark_changed();
    // From its beginning: it tells of itself before it knows whom.
    let mut events = node.follow(Some(Timestamp::default()));
    let mut known = false;
    let mut out: JoinSet<(Parcel, Outcome)> = JoinSet::new();
    let mut ended = std::pin::pin!(node.ended());
    let mut end: Option<Instant> = None;
    loop {
        send(&counter, &way, &mut out);
        let now = Instant::now();
        if end.is_some_and(|end| now >= end || counter.office().waiting() == 0) {
            return;
        }
        let wait = counter.office().wait(now);
        let rest = end.map(|end| end.saturating_duration_since(now));
        let wait = wait.into_iter().chain(rest).min();
        let woken = tokio::select! {
            () = &mut ended, if end.is_none() => Woken::Ended,
            () = counter.0.1.notified() => Woken::Due,
            woken = woken(&mut hooks, known.then_some(&mut events), &mut out, wait) => woken,
        };
        match woken {
            Woken::Hooks => {
                let all: Option<Webhooks> = hooks.borrow_and_update().clone();
                known = all.is_some();
                counter.office().set(&all.unwrap_or_default());
            }
            Woken::Told(told) => take(&counter, &told),
            Woken::Back(back) => settle(&counter, &back),
            Woken::Due => {}
            Woken::Ended => {
                end = Some(Instant::now() + LAST_WORDS);
                std::iter::from_fn(|| events.try_next()).for_each(|told| take(&counter, &told));
            }
        }
    }
}

fn take(counter: &Counter, told: &Told) {
    let mut office = counter.office();
    match told {
        // Where nobody is told, nothing is written out.
        _ if office.is_empty() => {}
        Told::Event(event) => office.accept(wall(), &letter(event)),
        Told::Gap(_) => office.miss(),
    }
}

fn settle(counter: &Counter, (parcel, outcome): &(Parcel, Outcome)) {
    let random = rand::random::<f64>();
    let verdict = counter.office().settle((Instant::now(), wall()), parcel, outcome, random);
    if let Some(trouble) = outcome.trouble() {
        let (webhook, attempt) = (&parcel.hook, parcel.attempt);
        tracing::debug!(%webhook, attempt, ?verdict, trouble, "a webhook was not told");
    }
}

fn send(counter: &Counter, way: &Way, out: &mut JoinSet<(Parcel, Outcome)>) {
    let now = Instant::now();
    loop {
        let Some(parcel) = counter.office().next(now) else { return };
        let way = way.clone();
        out.spawn(async move {
            let Parcel { url, letter, .. } = parcel.clone();
            let id = letter.event.id.clone();
            let outcome = way.deliver(Message { url, id, body: letter.body }).await;
            (parcel, outcome)
        });
    }
}

async fn woken(
    hooks: &mut watch::Receiver<Option<Webhooks>>,
    events: Option<&mut Follower>,
    out: &mut JoinSet<(Parcel, Outcome)>,
    wait: Option<Duration>,
) -> Woken {
    let told = async {
        match events {
            Some(events) => events.next().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // A webhook is told what happens after it was made: the list is looked at first.
        biased;
        Ok(()) = hooks.changed() => Woken::Hooks,
        Some(Ok(back)) = out.join_next(), if !out.is_empty() => Woken::Back(Box::new(back)),
        told = told => Woken::Told(told),
        () = sleep(wait.unwrap_or(LAST_WORDS)) => Woken::Due,
    }
}

/// An event, written out for whoever is told.
fn letter(event: &Arc<Event>) -> Letter {
    let body = serde_json::to_vec(&**event).expect("events have string keys and finite shapes");
    Letter { event: event.clone(), body: body.into(), born: Instant::now() }
}

/// Between two looks whether all has been sent.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until nothing waits any more, at most [`LAST_WORDS`].
pub(super) async fn emptied(counter: &Counter) {
    let empty = async {
        // The carrier may not have heard the last events yet.
        sleep(LOOK).await;
        while counter.office().waiting() > 0 {
            sleep(LOOK).await;
        }
    };
    let _ = timeout(LAST_WORDS, empty).await;
}
