use super::*;

const SSRC: u32 = 7;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn polled(requests: &mut KeyFrameRequests, now: Instant) -> Vec<u32> {
    let mut ask = Vec::new();
    requests.poll(now, &mut ask);
    ask
}

#[test]
fn first_request_goes_out_and_others_wait_for_its_end() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, false);
    assert!(requests.request(now, SSRC));
    assert!(!requests.request(now + ms(300), SSRC));
    assert!(polled(&mut requests, now + ms(999)).is_empty());
    assert_eq!(polled(&mut requests, now + ms(1000)), [SSRC]);
    assert_eq!(requests.next_deadline(), Some(now + ms(2000)));
}

#[test]
fn lone_request_is_not_repeated() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, false);
    assert!(requests.request(now, SSRC));
    assert!(polled(&mut requests, now + ms(1000)).is_empty());
    assert_eq!(requests.next_deadline(), None);
    assert!(requests.request(now + ms(1000), SSRC));
}

#[test]
fn key_frame_answers_all_requests() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, false);
    assert!(requests.request(now, SSRC));
    assert!(!requests.request(now, SSRC));
    requests.on_key_frame(now, SSRC, false);
    assert!(polled(&mut requests, now + ms(1000)).is_empty());
    assert!(requests.request(now + ms(1), SSRC));
}

#[test]
fn force_asks_even_while_pending_and_starts_anew() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, false);
    assert!(requests.request(now, SSRC));
    assert!(!requests.request(now, SSRC));
    assert!(requests.force(now + ms(600), SSRC));
    assert!(polled(&mut requests, now + ms(1000)).is_empty());
    assert_eq!(requests.next_deadline(), Some(now + ms(1600)));
    assert!(polled(&mut requests, now + ms(1600)).is_empty());
}

#[test]
fn a_sender_is_asked_twice_a_second_at_most() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, false);
    assert!(requests.request(now, 1));
    assert!(requests.request(now + ms(100), 2));
    assert!(!requests.request(now + ms(200), 3));
    for ssrc in 1..=2 {
        requests.on_key_frame(now + ms(210), ssrc, false);
    }
    assert!(polled(&mut requests, now + ms(999)).is_empty());
    assert_eq!(polled(&mut requests, now + ms(1000)), [3]);
    assert!(!requests.request(now + ms(1099), 1));
    assert_eq!(polled(&mut requests, now + ms(1100)), [1]);
}

#[test]
fn a_sender_that_answers_for_all_streams_is_not_asked_while_it_ignores_it() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, false);
    // Streams begin with key frames; that says nothing.
    assert!(requests.request(now, 1));
    requests.on_key_frame(now + ms(50), 1, true);
    requests.on_key_frame(now + ms(50), 2, true);
    assert!(requests.request(now + ms(100), 2));
    requests.on_key_frame(now + ms(150), 2, false);
    requests.on_key_frame(now + ms(150), 1, false);
    let later = now + ms(2_000);
    assert!(requests.request(later, 1));
    assert!(!requests.request(later + ms(100), 2));
    let mut answered = requests.clone();
    assert!(polled(&mut requests, later + ms(379)).is_empty());
    assert_eq!(polled(&mut requests, later + ms(380)), [2]);
    answered.on_key_frame(later + ms(110), 2, false);
    assert!(polled(&mut answered, later + ms(380)).is_empty());
}

#[test]
fn a_request_that_may_be_ignored_is_repeated_once_it_is_not() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, true);
    assert!(requests.request(now, 1));
    requests.on_key_frame(now, 1, false);
    assert!(requests.request(now + ms(100), 2));
    assert!(polled(&mut requests, now + ms(379)).is_empty());
    assert_eq!(polled(&mut requests, now + ms(380)), [2]);
    assert!(polled(&mut requests, now + ms(1379)).is_empty());
    assert_eq!(requests.next_deadline(), Some(now + ms(1380)));
}

#[test]
fn over_a_pipe_streams_are_asked_for_at_once_and_wait_apart() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(Duration::ZERO, true);
    assert!(requests.request(now, 1));
    assert!(requests.request(now, 2));
    requests.on_key_frame(now, 1, false);
    assert!(requests.request(now, 1));
    assert!(!requests.request(now, 2));
}

#[test]
fn requests_inside_the_delay_become_one_at_its_end() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(ms(400), true);
    assert!(requests.request(now, SSRC));
    requests.on_key_frame(now, SSRC, false);
    assert!(!requests.request(now + ms(100), SSRC));
    assert!(!requests.request(now + ms(200), SSRC));
    assert!(polled(&mut requests, now + ms(399)).is_empty());
    assert_eq!(polled(&mut requests, now + ms(400)), [SSRC]);
    assert!(polled(&mut requests, now + ms(400)).is_empty());
    // With it the next delay has begun.
    requests.on_key_frame(now, SSRC, false);
    assert!(!requests.request(now + ms(500), SSRC));
    assert_eq!(polled(&mut requests, now + ms(800)), [SSRC]);
}

#[test]
fn delay_without_requests_ends_quietly() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(ms(400), true);
    assert!(requests.request(now, SSRC));
    requests.on_key_frame(now, SSRC, false);
    assert!(polled(&mut requests, now + ms(400)).is_empty());
    assert!(requests.request(now + ms(401), SSRC));
}

#[test]
fn streams_are_bounded() {
    let now = Instant::now();
    let mut requests = KeyFrameRequests::new(ms(400), true);
    let asked = (0..100).filter(|ssrc| requests.request(now, *ssrc)).count();
    assert_eq!(asked, MAX_STREAMS);
    assert_eq!((requests.pending.len(), requests.delayed.len()), (MAX_STREAMS, MAX_STREAMS));
}
