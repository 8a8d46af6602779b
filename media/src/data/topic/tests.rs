use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::Wake,
};

use starling_proto::message::{Audience, MessageKind};

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn message(first: u8, len: usize) -> Arc<DataMessage> {
    let mut payload = vec![0; len];
    payload[0] = first;
    Arc::new(DataMessage::new(MessageKind::Binary, &payload))
}

fn take(topic: &mut Topic, key: ReaderKey) -> Option<u8> {
    match topic.take(key, Waker::noop()) {
        Next::Message(message) => Some(message.payload[0]),
        Next::Nothing => None,
        Next::Evicted => panic!("evicted"),
    }
}

fn fill(topic: &mut Topic, now: Instant) -> u8 {
    let mut pushed = 0;
    while topic.push(now, message(pushed, 60_000)).is_ok() {
        pushed += 1;
    }
    pushed
}

#[test]
fn every_reader_reads_every_message_in_order_from_when_it_came() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    let early = topic.subscribe(true, PATIENCE, None);
    topic.push(now, message(1, 10)).unwrap();
    let late = topic.subscribe(true, PATIENCE, None);
    topic.push(now, message(2, 10)).unwrap();
    assert_eq!([take(&mut topic, early), take(&mut topic, early)], [Some(1), Some(2)]);
    assert_eq!([take(&mut topic, late), take(&mut topic, late)], [Some(2), None]);
    assert_eq!(topic.bytes, 0);
}

#[test]
fn a_reliable_reader_that_is_behind_holds_the_producer_back_and_loses_nothing() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    let (slow, fast) =
        (topic.subscribe(true, PATIENCE, None), topic.subscribe(true, PATIENCE, None));
    let woken = Arc::new(Count::default());
    topic.set_source(woken.clone().into());
    let pushed = fill(&mut topic, now);
    assert_eq!(pushed, 8);
    while take(&mut topic, fast).is_some() {}
    topic.take_woken().into_iter().for_each(Waker::wake);
    assert!(topic.push(now, message(99, 60_000)).is_err());
    assert_eq!(woken.0.load(Relaxed), 0, "nothing is free");
    for expected in 0..2 {
        assert_eq!(take(&mut topic, slow), Some(expected));
    }
    topic.take_woken().into_iter().for_each(Waker::wake);
    assert!(woken.0.load(Relaxed) > 0);
    topic.push(now, message(8, 60_000)).unwrap();
    for expected in 2..=8 {
        assert_eq!(take(&mut topic, slow), Some(expected));
    }
    assert_eq!(topic.counters().shed, 0);
}

#[test]
fn a_partially_reliable_reader_that_is_behind_misses_the_oldest() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    let slow = topic.subscribe(false, PATIENCE, None);
    for n in 0..20 {
        topic.push(now, message(n, 60_000)).unwrap();
    }
    assert_eq!(take(&mut topic, slow), Some(12));
    assert_eq!(topic.counters().shed, 12);
}

#[test]
fn who_lets_the_producer_wait_and_reads_nothing_is_evicted_and_knows_it() {
    let (mut topic, at) = (Topic::default(), Instant::now());
    let (dead, slow) =
        (topic.subscribe(true, PATIENCE, None), topic.subscribe(true, PATIENCE, None));
    let woken = Arc::new(Count::default());
    assert_eq!(topic.take(dead, &woken.clone().into()), Next::Nothing);
    fill(&mut topic, at);
    topic.take_woken().into_iter().for_each(Waker::wake);
    assert_eq!(woken.0.load(Relaxed), 1);
    let later = at + Duration::from_secs(4);
    assert_eq!(take(&mut topic, slow), Some(0), "progress");
    assert!(topic.push(later, message(99, 60_000)).is_err());
    topic.expire(at + PATIENCE);
    assert_ne!(topic.take(dead, Waker::noop()), Next::Evicted, "not yet");
    assert!(topic.push(later, message(99, 200_000)).is_err());
    topic.expire(later + PATIENCE + Duration::from_millis(1));
    assert_eq!(topic.take(dead, Waker::noop()), Next::Evicted);
    assert_eq!(topic.take(slow, Waker::noop()), Next::Evicted, "it waits for both");
    assert_eq!((topic.counters().evicted, topic.bytes), (2, 0));
}

#[test]
fn pauses_drop_what_comes_and_hold_nobody_back() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    let key = topic.subscribe(true, PATIENCE, None);
    topic.push(now, message(1, 10)).unwrap();
    topic.pause_reader(key, true);
    for _ in 0..20 {
        topic.push(now, message(2, 60_000)).unwrap();
    }
    topic.pause_reader(key, false);
    topic.pause(true);
    topic.push(now, message(3, 10)).unwrap();
    topic.pause(false);
    topic.push(now, message(4, 10)).unwrap();
    assert_eq!([take(&mut topic, key), take(&mut topic, key)], [Some(4), None]);
    assert_eq!(topic.counters().paused, 1);
}

#[test]
fn the_log_is_bounded_by_bytes_and_by_messages() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    topic.subscribe(true, PATIENCE, None);
    let tiny = Arc::new(DataMessage::new(MessageKind::String, b""));
    let pushed = (0..).take_while(|_| topic.push(now, tiny.clone()).is_ok()).count();
    assert_eq!(pushed, LOG / OVERHEAD);
    assert!(topic.bytes <= LOG);
}

#[test]
fn a_consumer_gets_what_is_for_its_subchannels() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    let key = topic.subscribe(true, PATIENCE, Some(BTreeSet::from([5])));
    let pipe = topic.subscribe(true, PATIENCE, None);
    for subchannel in [4, 5] {
        let audience = Audience { subchannels: vec![subchannel], required: None, ignored: None };
        let payload = [subchannel as u8][..].into();
        let message = DataMessage { kind: MessageKind::Binary, payload, audience };
        topic.push(now, Arc::new(message)).unwrap();
    }
    assert_eq!([take(&mut topic, key), take(&mut topic, key)], [Some(5), None]);
    assert_eq!([take(&mut topic, pipe), take(&mut topic, pipe)], [Some(4), Some(5)]);
}

#[test]
fn without_readers_messages_are_counted_and_gone() {
    let (mut topic, now) = (Topic::default(), Instant::now());
    for _ in 0..100 {
        topic.push(now, message(1, 60_000)).unwrap();
    }
    assert_eq!((topic.counters().messages, topic.bytes), (100, 0));
    assert_eq!(topic.take_freed(), 100 * (60_000 + OVERHEAD));
}
