//! STUN messages, to the parser and to an ICE agent whose password some of them know.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use starling_media::{
    SocketId,
    command::IceCredentials,
    ice::{
        Agent, IntegrityKey, StunMessage, Tuple,
        stun::{self, BindingRequest},
    },
};

use super::{DATAGRAM, Kind, Target, behaviour, size};

const UFRAG: &str = "fuzz";
const PASSWORD: &str = "a password of 24 letters";

pub(super) const KIND: Kind = Kind {
    name: "stun",
    about: "StunMessage::parse, Agent::handle_request",
    cost: 1,
    max_len: DATAGRAM,
    words: &[
        &[0x21, 0x12, 0xa4, 0x42],
        &[0x00, 0x06, 0x00, 0x09],
        &[0x00, 0x08, 0x00, 0x14],
        &[0x80, 0x28, 0x00, 0x04],
        &[0x00, 0x24, 0x00, 0x04],
        &[0x00, 0x25, 0x00, 0x00],
        &[0x80, 0x29, 0x00, 0x08],
        &[0x80, 0x2a, 0x00, 0x08],
        &[0x00, 0x20, 0x00, 0x14],
        &[0xc0, 0x01, 0x00, 0x04],
        b"fuzz:",
    ],
    seeds,
    make: || Box::new(Stun::new()),
};

struct Stun {
    agent: Agent,
    key: IntegrityKey,
    start: Instant,
    runs: u64,
    reply: Vec<u8>,
}

impl Stun {
    fn new() -> Self {
        let ours = IceCredentials { ufrag: UFRAG.into(), password: PASSWORD.into() };
        Self {
            agent: Agent::new(&ours, Duration::from_secs(30)),
            key: IntegrityKey::new(PASSWORD),
            start: Instant::now(),
            runs: 0,
            reply: Vec::new(),
        }
    }

    fn answer(&mut self, message: &StunMessage<'_>) -> u64 {
        let now = self.start + Duration::from_millis(self.runs);
        let port = 1_024 + (self.runs % 16) as u16;
        let tuple = Tuple { socket: SocketId(0), remote: SocketAddr::from(([127, 0, 0, 1], port)) };
        let answer = self.agent.handle_request(now, tuple, message, &mut self.reply);
        if !self.reply.is_empty() {
            let reply = StunMessage::parse(&self.reply).expect("our own answers are well formed");
            assert!(reply.is_authentic(&self.key), "our own answers prove the password");
            assert!(self.reply.len() <= 120, "an answer that amplifies: {}", self.reply.len());
        }
        assert!(self.agent.tuples().count() <= 8, "tuples are bounded");
        let verdict = format!("{:?}", answer.verdict);
        behaviour((
            verdict,
            answer.admitted.is_some(),
            answer.evicted.is_some(),
            answer.state.is_some(),
        ))
    }

    /// A request with a right password and fields out of the input: gets behind the proof.
    fn proven(&mut self, input: &[u8]) -> u64 {
        let number = |at: usize| {
            input.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
        };
        let flags = input.first().copied().unwrap_or_default();
        let name = String::from_utf8_lossy(input.get(40..).unwrap_or_default());
        let username = format!("{UFRAG}:{}", name.chars().take(64).collect::<String>());
        let fields = BindingRequest {
            username: &username,
            priority: number(1).map(|value| value as u32),
            use_candidate: flags & 1 != 0,
            nomination: number(9).filter(|_| flags & 2 != 0).map(|value| value as u32),
            ice_controlling: number(17).filter(|_| flags & 4 == 0),
            ice_controlled: number(25).filter(|_| flags & 8 != 0),
        };
        let mut transaction = [0; 12];
        for (to, from) in transaction.iter_mut().zip(input) {
            *to = *from;
        }
        let mut request = Vec::new();
        stun::write_request(&mut request, &transaction, &fields, &self.key);
        let message = StunMessage::parse(&request).expect("what we write is well formed");
        self.answer(&message)
    }
}

impl Target for Stun {
    fn run(&mut self, input: &[u8]) -> u64 {
        self.runs += 1;
        if self.runs.is_multiple_of(4_096) {
            let now = self.start + Duration::from_millis(self.runs);
            self.agent.handle_timeout(now);
        }
        let proven = self.proven(input);
        let Some(message) = StunMessage::parse(input) else { return behaviour((0, proven)) };
        let fields = (
            format!("{:?}", message.class),
            message.username.map(|name| size(name.len())),
            (message.priority.is_some(), message.use_candidate, message.fingerprint),
            (message.ice_controlled.is_some(), message.ice_controlling.is_some()),
            (message.mapped_address.is_some(), message.error_code.is_some()),
        );
        let raw = self.answer(&message);
        behaviour((fields, raw, message.is_authentic(&self.key)))
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let key = IntegrityKey::new(PASSWORD);
    let mut all = Vec::new();
    let full = BindingRequest {
        username: "fuzz:theirs",
        priority: Some(1_853_824_767),
        use_candidate: true,
        nomination: None,
        ice_controlling: Some(7),
        ice_controlled: None,
    };
    for fields in [
        full.clone(),
        BindingRequest { use_candidate: false, nomination: Some(3), ..full.clone() },
        BindingRequest { ice_controlling: None, ice_controlled: Some(1), ..full.clone() },
        BindingRequest { username: "other:theirs", ..full },
    ] {
        let mut out = Vec::new();
        stun::write_request(&mut out, &[all.len() as u8; 12], &fields, &key);
        all.push(out);
    }
    for mapped in ["192.0.2.1:5000", "[2001:db8::1]:5000"] {
        let mut out = Vec::new();
        let mapped = mapped.parse().expect("a literal address");
        stun::write_success(&mut out, &[9; 12], mapped, &key);
        all.push(out);
    }
    let mut out = Vec::new();
    stun::write_error(&mut out, &[9; 12], 487, &key);
    all.push(out);
    all
}
