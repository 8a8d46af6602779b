//! The agent, as input to outputs.

use super::*;
use crate::{
    command::SocketId,
    ice::stun::{BindingRequest, Class, write_request},
};

const CONSENT: Duration = Duration::from_secs(20);

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), password: format!("password of {name}") }
}

fn tuple(port: u16) -> Tuple {
    Tuple { socket: SocketId(0), remote: ([192, 0, 2, 1], port).into() }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A client that knows credentials and counts its transactions.
struct Client {
    user: IceCredentials,
    sent: u8,
}

impl Client {
    fn new(name: &str) -> Self {
        Self { user: credentials(name), sent: 0 }
    }

    /// A plain check, changed by `change`.
    fn check(&mut self, change: impl FnOnce(&mut BindingRequest<'_>)) -> Vec<u8> {
        self.sent += 1;
        let username = format!("{}:theirs", self.user.ufrag);
        let mut request = BindingRequest {
            username: &username,
            priority: Some(1),
            ice_controlling: Some(1),
            ..BindingRequest::default()
        };
        change(&mut request);
        let key = IntegrityKey::new(&self.user.password);
        let mut bytes = Vec::new();
        write_request(&mut bytes, &[self.sent; 12], &request, &key);
        bytes
    }

    fn plain(&mut self) -> Vec<u8> {
        self.check(|_| {})
    }

    fn nominating(&mut self) -> Vec<u8> {
        self.check(|request| request.use_candidate = true)
    }

    fn renominating(&mut self, value: u32) -> Vec<u8> {
        self.check(|request| request.nomination = Some(value))
    }
}

fn take(agent: &mut Agent, now: Instant, from: Tuple, bytes: &[u8]) -> (Answer, Vec<u8>) {
    let mut reply = vec![0xaa; 3];
    let message = StunMessage::parse(bytes).unwrap();
    let answer = agent.handle_request(now, from, &message, &mut reply);
    (answer, reply)
}

fn started() -> (Agent, Client, Instant) {
    (Agent::new(&credentials("ours"), CONSENT), Client::new("ours"), Instant::now())
}

#[test]
fn first_check_connects_and_nomination_completes() {
    let (mut agent, mut client, now) = started();
    let (answer, reply) = take(&mut agent, now, tuple(1), &client.plain());
    assert_eq!(answer.verdict, Verdict::Accepted);
    assert_eq!((answer.admitted, answer.selected), (Some(tuple(1)), Some(tuple(1))));
    assert_eq!(answer.state, Some(IceState::Connected));
    let reply = StunMessage::parse(&reply).unwrap();
    assert_eq!((reply.class, reply.transaction), (Class::Success, [1; 12]));
    assert_eq!(reply.mapped_address, Some(tuple(1).remote));
    assert!(reply.is_authentic(&IntegrityKey::new("password of ours")));

    let (answer, _) = take(&mut agent, now, tuple(1), &client.nominating());
    assert_eq!((answer.admitted, answer.selected), (None, None));
    assert_eq!(answer.state, Some(IceState::Completed));
    assert_eq!(agent.selected(), Some(tuple(1)));
}

#[test]
fn plain_check_of_another_tuple_does_not_move_the_selection() {
    let (mut agent, mut client, now) = started();
    take(&mut agent, now, tuple(1), &client.plain());
    let (answer, _) = take(&mut agent, now, tuple(2), &client.plain());
    assert_eq!((answer.admitted, answer.selected), (Some(tuple(2)), None));
    assert_eq!(agent.selected(), Some(tuple(1)));
    assert!(agent.is_valid_tuple(tuple(2)) && !agent.is_valid_tuple(tuple(3)));
    let (answer, _) = take(&mut agent, now, tuple(2), &client.nominating());
    assert_eq!(answer.selected, Some(tuple(2)));
}

#[test]
fn larger_nomination_wins() {
    let (mut agent, mut client, now) = started();
    take(&mut agent, now, tuple(1), &client.renominating(5));
    assert_eq!(agent.state(), IceState::Completed);
    let (answer, reply) = take(&mut agent, now, tuple(2), &client.renominating(4));
    assert_eq!((answer.verdict, answer.selected), (Verdict::Accepted, None));
    assert!(!reply.is_empty());
    take(&mut agent, now, tuple(2), &client.renominating(5));
    assert_eq!(agent.selected(), Some(tuple(1)));
    take(&mut agent, now, tuple(2), &client.renominating(6));
    assert_eq!(agent.selected(), Some(tuple(2)));
}

#[test]
fn whoever_proves_nothing_gets_no_byte() {
    let (mut agent, mut client, now) = started();
    let mut liar = Client { user: credentials("ours"), sent: 0 };
    liar.user.password = "guess".to_owned();
    let mut indication = client.plain();
    indication[1] = 0x11;
    let end = indication.len() - 8;
    indication.truncate(end);
    indication[3] -= 8;
    let unsigned = {
        let mut bytes = client.plain();
        bytes.truncate(bytes.len() - 32);
        bytes[3] -= 32;
        bytes
    };
    let cases = [
        (liar.nominating(), Verdict::Forged),
        (unsigned, Verdict::Forged),
        (Client::new("another").plain(), Verdict::UnknownUser),
        (indication, Verdict::Ignored),
    ];
    for (bytes, verdict) in cases {
        let (answer, reply) = take(&mut agent, now, tuple(1), &bytes);
        assert_eq!(answer, Answer::of(verdict));
        assert_eq!(reply, Vec::<u8>::new());
    }
    assert_eq!((agent.state(), agent.selected()), (IceState::New, None));
    assert_eq!(agent.next_deadline(), None);
}

#[test]
fn answers_are_never_longer_than_requests() {
    let (mut agent, mut client, now) = started();
    let v6 = Tuple { socket: SocketId(1), remote: "[2001:db8::1]:9".parse().unwrap() };
    for from in [tuple(1), v6] {
        let request = client.plain();
        let (_, reply) = take(&mut agent, now, from, &request);
        assert!(!reply.is_empty() && reply.len() <= request.len());
    }
}

#[test]
fn authentic_but_wrong_requests_are_refused_without_effect() {
    let (mut agent, mut client, now) = started();
    let mut no_fingerprint = client.plain();
    no_fingerprint.truncate(no_fingerprint.len() - 8);
    no_fingerprint[3] -= 8;
    let cases = [
        (client.check(|request| request.priority = None), 400),
        (client.check(|request| request.ice_controlled = Some(7)), 487),
        (no_fingerprint, 400),
    ];
    for (bytes, code) in cases {
        let (answer, reply) = take(&mut agent, now, tuple(1), &bytes);
        assert_eq!(answer, Answer::of(Verdict::Refused(code)));
        assert_eq!(StunMessage::parse(&reply).unwrap().error_code, Some(code));
    }
    assert_eq!(agent.state(), IceState::New);
}

#[test]
fn captured_request_moves_nothing() {
    let (mut agent, mut client, now) = started();
    let captured = client.nominating();
    take(&mut agent, now, tuple(1), &captured);
    let (answer, reply) = take(&mut agent, now, tuple(666), &captured);
    assert_eq!(answer, Answer::of(Verdict::Replayed));
    assert!(reply.is_empty());
    assert!(!agent.is_valid_tuple(tuple(666)));
    assert_eq!(agent.selected(), Some(tuple(1)));
    let (answer, reply) = take(&mut agent, now, tuple(1), &captured);
    assert_eq!(answer.verdict, Verdict::Accepted);
    assert!(!reply.is_empty(), "the client's own retransmission is answered");
}

#[test]
fn captured_request_that_was_forgotten_loses_to_the_clients_next_packet() {
    let (mut agent, mut client, now) = started();
    let captured = client.nominating();
    take(&mut agent, now, tuple(1), &captured);
    for _ in 0..MAX_TRANSACTIONS {
        take(&mut agent, now, tuple(1), &client.plain());
    }
    take(&mut agent, now, tuple(666), &captured);
    assert_eq!(agent.selected(), Some(tuple(666)));
    assert!(agent.on_packet_from(tuple(1)));
    assert_eq!(agent.selected(), Some(tuple(1)));
    let (answer, _) = take(&mut agent, now, tuple(667), &captured);
    assert_eq!(answer.verdict, Verdict::Replayed);
}

#[test]
fn packets_move_the_selection_between_valid_tuples_only() {
    let (mut agent, mut client, now) = started();
    assert!(!agent.on_packet_from(tuple(1)));
    take(&mut agent, now, tuple(1), &client.nominating());
    take(&mut agent, now, tuple(2), &client.plain());
    assert!(!agent.on_packet_from(tuple(3)));
    assert!(!agent.on_packet_from(tuple(1)));
    assert!(agent.on_packet_from(tuple(2)));
    assert_eq!(agent.selected(), Some(tuple(2)));
}

#[test]
fn the_ninth_tuple_evicts_the_oldest_that_is_not_selected() {
    let (mut agent, mut client, now) = started();
    for port in 1..=8 {
        take(&mut agent, now + seconds(u64::from(port)), tuple(port), &client.plain());
    }
    let (answer, _) = take(&mut agent, now + seconds(9), tuple(9), &client.plain());
    assert_eq!((answer.admitted, answer.evicted), (Some(tuple(9)), Some(tuple(2))));
    assert_eq!(agent.tuples().count(), MAX_TUPLES);
    assert_eq!(agent.selected(), Some(tuple(1)));
}

#[test]
fn consent_ends_exactly_when_the_last_check_is_as_old() {
    let (mut agent, mut client, start) = started();
    take(&mut agent, start, tuple(1), &client.nominating());
    take(&mut agent, start + seconds(5), tuple(1), &client.plain());
    assert_eq!(agent.next_deadline(), Some((start + seconds(25), "ice consent")));
    let early = agent.handle_timeout(start + seconds(25) - Duration::from_millis(1));
    assert_eq!(early, Expiry::default());
    let ended = agent.handle_timeout(start + seconds(25));
    assert_eq!(ended.removed, [tuple(1)]);
    assert_eq!((ended.state, ended.selected), (Some(IceState::Disconnected), None));
    assert_eq!((agent.selected(), agent.next_deadline()), (None, None));

    let (answer, _) = take(&mut agent, start + seconds(40), tuple(1), &client.plain());
    assert_eq!(answer.state, Some(IceState::Connected));
    assert_eq!(answer.selected, Some(tuple(1)));
}

#[test]
fn forgeries_and_refusals_do_not_prolong_consent() {
    let (mut agent, mut client, start) = started();
    take(&mut agent, start, tuple(1), &client.nominating());
    let refused = client.check(|request| request.ice_controlled = Some(7));
    take(&mut agent, start + seconds(10), tuple(1), &refused);
    assert_eq!(agent.next_deadline().unwrap().0, start + seconds(20));
}

#[test]
fn another_tuple_with_consent_takes_over() {
    let (mut agent, mut client, start) = started();
    take(&mut agent, start, tuple(1), &client.nominating());
    take(&mut agent, start + seconds(9), tuple(2), &client.plain());
    take(&mut agent, start + seconds(8), tuple(3), &client.plain());
    let ended = agent.handle_timeout(start + seconds(21));
    assert_eq!((ended.removed, ended.selected), (vec![tuple(1)], Some(tuple(2))));
    assert_eq!((ended.state, agent.state()), (None, IceState::Completed));
}

#[test]
fn consent_is_clamped_and_zero_means_never() {
    let cases = [(1, Some(10)), (20, Some(20)), (3_600, Some(60)), (0, None)];
    for (wish, got) in cases {
        let mut agent = Agent::new(&credentials("ours"), seconds(wish));
        let start = Instant::now();
        take(&mut agent, start, tuple(1), &Client::new("ours").plain());
        let deadline = agent.next_deadline().map(|(at, _)| at - start);
        assert_eq!(deadline, got.map(seconds), "{wish}");
        let later = agent.handle_timeout(start + seconds(1_000_000));
        assert_eq!(later.removed.is_empty(), got.is_none());
    }
}

#[test]
fn restart_keeps_the_old_login_until_the_new_one_is_seen() {
    let (mut agent, mut client, now) = started();
    take(&mut agent, now, tuple(1), &client.renominating(9));
    assert_eq!(agent.restart(&credentials("new")), None);
    assert_eq!(agent.ufrags().collect::<Vec<_>>(), ["new", "ours"]);
    let (answer, reply) = take(&mut agent, now, tuple(1), &client.plain());
    assert_eq!((answer.verdict, answer.retired_ufrag), (Verdict::Accepted, None));
    let reply = StunMessage::parse(&reply).unwrap();
    assert!(reply.is_authentic(&IntegrityKey::new("password of ours")));

    let mut restarted = Client::new("new");
    restarted.sent = 100;
    let (answer, _) = take(&mut agent, now, tuple(2), &restarted.renominating(1));
    assert_eq!(answer.retired_ufrag.as_deref(), Some("ours"));
    assert_eq!(answer.selected, Some(tuple(2)), "nominations count anew");
    let (answer, _) = take(&mut agent, now, tuple(1), &client.plain());
    assert_eq!(answer.verdict, Verdict::UnknownUser);
    assert!(agent.is_valid_tuple(tuple(1)), "its consent continues");
}

#[test]
fn second_restart_before_the_first_is_seen_keeps_the_login_in_use() {
    let (mut agent, mut client, now) = started();
    take(&mut agent, now, tuple(1), &client.plain());
    agent.restart(&credentials("second"));
    assert_eq!(agent.restart(&credentials("third")), Some("second".to_owned()));
    assert_eq!(agent.restart(&credentials("third")), None);
    assert_eq!(agent.ufrags().collect::<Vec<_>>(), ["third", "ours"]);
    let (answer, _) = take(&mut agent, now, tuple(1), &client.plain());
    assert_eq!(answer.verdict, Verdict::Accepted);
}
