use super::*;

const SSRC: u32 = 7;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn direct() -> KeyFrameRequests {
    KeyFrameRequests::new(Duration::ZERO, false)
}

fn piped() -> KeyFrameRequests {
    KeyFrameRequests::new(Duration::ZERO, true)
}

/// While nobody waits but those who have asked.
fn polled(requests: &mut KeyFrameRequests, now: Instant) -> Vec<u32> {
    let mut ask = Vec::new();
    requests.poll(now, |_| false, &mut ask);
    ask
}

#[test]
fn first_request_goes_out_and_others_wait_for_its_end() {
    let now = Instant::now();
    let mut requests = direct();
    assert!(requests.request(now, SSRC));
    assert!(!requests.request(now + ms(300), SSRC));
    assert!(polled(&mut requests, now + ms(599)).is_empty());
    assert_eq!(polled(&mut requests, now + ms(600)), [SSRC]);
    assert_eq!(requests.next_deadline(), Some(now + ms(1200)));
}

#[test]
fn lone_request_is_not_repeated() {
    let now = Instant::now();
    let mut requests = direct();
    assert!(requests.request(now, SSRC));
    assert!(polled(&mut requests, now + ms(600)).is_empty());
    assert_eq!(requests.next_deadline(), None);
    assert!(requests.request(now + ms(600), SSRC));
}

#[test]
fn key_frame_answers_all_requests() {
    let now = Instant::now();
    let mut requests = direct();
    assert!(requests.request(now, SSRC));
    assert!(!requests.request(now, SSRC));
    requests.on_key_frame(now, SSRC, false);
    assert_eq!(requests.next_deadline(), None);
    assert!(polled(&mut requests, now + ms(1000)).is_empty());
}

#[test]
fn a_sender_is_asked_twice_a_second_at_most() {
    let now = Instant::now();
    let mut requests = direct();
    assert!(requests.request(now, 1));
    assert!(requests.request(now + ms(100), 2));
    assert!(!requests.request(now + ms(200), 3));
    for ssrc in 1..=2 {
        requests.on_key_frame(now + ms(210), ssrc, false);
    }
    assert!(polled(&mut requests, now + ms(1049)).is_empty());
    assert_eq!(polled(&mut requests, now + ms(1050)), [3]);
    assert!(!requests.request(now + ms(1149), 1));
    assert_eq!(polled(&mut requests, now + ms(1150)), [1]);
}

#[test]
fn whatever_is_wanted_the_sender_hears_no_more_in_a_second_and_each_stream_has_its_turn() {
    let now = Instant::now();
    let mut requests = direct();
    let mut asked = Vec::new();
    for at in 0..10_000 {
        let (time, ssrc) = (now + ms(at), (at % 3) as u32);
        if at % 7 == 0 && requests.request(time, ssrc) {
            asked.push((at, ssrc));
        }
        asked.extend(polled(&mut requests, time).iter().map(|ssrc| (at, *ssrc)));
        if let Some((_, ssrc)) = asked.last().filter(|(last, _)| at == last + 40) {
            requests.on_key_frame(time, *ssrc, false);
        }
    }
    // One may take 50 ms longer than another.
    let apart = asked.windows(MOST + 1).map(|some| some[MOST].0 - some[0].0);
    assert!(apart.min() >= Some(1_050), "{asked:?}");
    assert!(asked.len() >= 18, "{asked:?}");
    for ssrc in 0..3 {
        let times: Vec<_> = asked.iter().filter(|(_, it)| *it == ssrc).map(|(at, _)| at).collect();
        assert!(times.windows(2).all(|two| two[1] - two[0] <= 2_100), "{ssrc}: {times:?}");
    }
}

#[test]
fn those_who_come_just_after_a_key_frame_are_answered_together() {
    let now = Instant::now();
    let mut requests = direct();
    assert!(requests.request(now, SSRC));
    requests.on_key_frame(now + ms(50), SSRC, false);
    assert!(!requests.request(now + ms(60), SSRC));
    assert!(!requests.request(now + ms(370), SSRC));
    assert_eq!(requests.next_deadline(), Some(now + ms(380)));
    assert_eq!(polled(&mut requests, now + ms(380)), [SSRC]);
    requests.on_key_frame(now + ms(430), SSRC, false);
    assert!(!requests.request(now + ms(780), SSRC));
    assert_eq!(polled(&mut requests, now + ms(1_050)), [SSRC]);
}

#[test]
fn a_key_frame_that_somebody_else_got_ends_the_wait() {
    let now = Instant::now();
    let mut requests = direct();
    assert!(requests.request(now, SSRC));
    requests.on_key_frame(now + ms(50), SSRC, false);
    assert!(!requests.request(now + ms(60), SSRC));
    requests.on_key_frame(now + ms(300), SSRC, false);
    assert_eq!(requests.next_deadline(), None);
    assert!(polled(&mut requests, now + ms(380)).is_empty());
}

#[test]
fn a_sender_that_answers_for_all_streams_is_asked_for_one_at_a_time() {
    let now = Instant::now();
    let mut requests = direct();
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
fn a_request_that_is_lost_is_repeated_as_long_as_somebody_waits() {
    let now = Instant::now();
    for mut requests in [direct(), piped()] {
        assert!(requests.request(now, 1));
        assert!(requests.request(now + ms(10), 2));
        let mut ask = Vec::new();
        requests.poll(now + ms(1_100), |ssrc| ssrc == 2, &mut ask);
        assert_eq!(ask, [2]);
        requests.on_key_frame(now + ms(1_150), 2, false);
        requests.poll(now + ms(3_000), |_| true, &mut ask);
        assert_eq!((ask.len(), requests.next_deadline()), (1, None));
    }
}

#[test]
fn over_a_pipe_streams_are_asked_for_at_once_and_wait_apart() {
    let now = Instant::now();
    let mut requests = piped();
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
