//! What a worker's thread and its handles share: the queue of orders, the wake, the counters, the
//! end.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use starling_media::{Command, PipeKey, SocketId};

use super::{
    counters::WorkerCounters,
    pipe::{PipeOut, PipeQueue},
    poll::Waker,
    socket::Socket,
};

/// Orders waiting for a worker: 500 peers of a dead node that rejoin at once with 30 commands each.
pub const MAX_COMMANDS: usize = 16_384;

/// What a handle wants of its thread, in the order it was said.
#[derive(Debug)]
pub(crate) enum Order {
    Plane(Command),
    AddSocket(SocketId, Socket),
    ReleaseSocket(SocketId),
    PipeOut(PipeKey, PipeOut),
    ClearPipeOut(PipeKey),
    #[cfg(any(test, feature = "testing"))]
    Run(Probe),
}

/// Something a test does on the worker's thread.
#[cfg(any(test, feature = "testing"))]
pub(crate) struct Probe(pub(crate) Box<dyn FnOnce() + Send>);

#[cfg(any(test, feature = "testing"))]
impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

/// Shared by a thread and its handles.
#[derive(Debug)]
pub(crate) struct Shared {
    orders: Mutex<VecDeque<Order>>,
    refused: AtomicU64,
    stopping: AtomicBool,
    dead: AtomicBool,
    start: Instant,
    last_turn: AtomicU64,
    counters: Mutex<WorkerCounters>,
    pub(crate) pipes: Arc<PipeQueue>,
    pub(crate) waker: Arc<Waker>,
}

impl Shared {
    pub(crate) fn new(start: Instant, waker: Arc<Waker>) -> Self {
        Self {
            orders: Mutex::default(),
            refused: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            start,
            last_turn: AtomicU64::new(0),
            counters: Mutex::default(),
            pipes: Arc::new(PipeQueue::new(waker.clone())),
            waker,
        }
    }

    /// Queues an order and wakes the thread. False if it is dead or too many wait.
    pub(crate) fn order(&self, order: Order) -> bool {
        let queued = {
            let mut orders = lock(&self.orders);
            let room = !self.is_dead() && orders.len() < MAX_COMMANDS;
            if room {
                orders.push_back(order);
            }
            room
        };
        if queued {
            self.waker.wake();
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        queued
    }

    /// Moves up to `max` orders into `taken`. True if some are left.
    pub(crate) fn take_orders(&self, max: usize, taken: &mut Vec<Order>) -> bool {
        let mut orders = lock(&self.orders);
        let count = orders.len().min(max);
        taken.extend(orders.drain(..count));
        !orders.is_empty()
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The thread is gone: nothing is taken any more, and what waited is freed.
    pub(crate) fn bury(&self) {
        let mut orders = lock(&self.orders);
        self.dead.store(true, Ordering::Release);
        orders.clear();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(crate) fn turn_begins(&self, now: Instant) {
        let at = now.saturating_duration_since(self.start).as_nanos();
        self.last_turn.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn report(&self, counters: &WorkerCounters) {
        *lock(&self.counters) = *counters;
    }

    pub(crate) fn counters(&self) -> WorkerCounters {
        let commands_waiting = lock(&self.orders).len() as u64;
        WorkerCounters {
            commands_waiting,
            commands_refused: self.refused.load(Ordering::Relaxed),
            pipe_dropped: self.pipes.dropped(),
            last_turn: Duration::from_nanos(self.last_turn.load(Ordering::Relaxed)),
            ..*lock(&self.counters)
        }
    }
}

/// What a panicking thread left under a lock is a queue or a copy of counters: always whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
