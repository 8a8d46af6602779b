//! A publisher that moves: its consumers get the old session's media until the new one's can be
//! begun with.

use starling_proto::{MediaKind, rtp::RtpType};

use super::bench::*;
use crate::{
    Command, ConsumerKey, Event, PipeKey, ProducerKey, TransportKey, command::ConsumerParams,
    rtcp::RtcpItem,
};

const OLD: u32 = 1111;
const NEW: u32 = 3333;
const SEEN: u32 = 2222;

/// A camera that is there twice: its old session on transport 1, from now on its new one on 3, and
/// somebody on 2 who sees the old one.
struct Moving {
    bench: Bench,
    picture: u16,
    /// Packets sent in the old session and in the new one.
    sent: [u16; 2],
}

impl Moving {
    fn new() -> Self {
        let mut bench = Bench::new(7);
        for key in 1..=3 {
            bench.plain(key, address(5000 + key as u16));
        }
        bench.produce(1, 1, vp8(OLD));
        bench.consume(2, 1, 1, video_consumer(SEEN, RtpType::Simple));
        let mut moving = Self { bench, picture: 0, sent: [0; 2] };
        moving.send(OLD, true);
        assert_eq!(moving.sees(), [1]);
        moving
    }

    fn succeed(&mut self) {
        let (old, new) = (ProducerKey(1), ProducerKey(2));
        self.bench.command(Command::SucceedProducer { old, new });
    }

    fn produce(&mut self) {
        self.bench.produce(3, 2, vp8(NEW));
    }

    /// The next picture, in the one session or in the other.
    fn send(&mut self, ssrc: u32, key: bool) {
        self.picture += 1;
        self.bench.advance(33);
        let (number, time) = (self.picture, u32::from(self.picture) * 3_000);
        let payload = vp8_payload(key, number, number as u8, 0, false);
        let (socket, sent) =
            if ssrc == OLD { (1, &mut self.sent[0]) } else { (3, &mut self.sent[1]) };
        *sent += 1;
        let packet = rtp(96, ssrc, *sent, time, true, &[], &payload);
        self.bench.receive(socket + 10, address(5000 + socket as u16), &packet);
    }

    /// Pictures that were seen since the last look, by the numbers they left with.
    fn sees(&mut self) -> Vec<u16> {
        let got = self.bench.take_rtp(SEEN);
        let first = got.first().map_or(0, |packet| packet.header().sequence);
        let numbers = got.iter().map(|packet| packet.header().sequence - first + 1);
        numbers.collect()
    }

    fn asked(&mut self) -> usize {
        let asked = self.bench.take_rtcp(address(5003));
        asked.iter().filter(|item| matches!(item, RtcpItem::Pli { media: NEW, .. })).count()
    }
}

#[test]
fn the_old_session_is_seen_until_a_key_frame_of_the_new_one_and_never_after() {
    let mut moving = Moving::new();
    moving.produce();
    moving.succeed();
    moving.send(OLD, false);
    assert_eq!(moving.sees(), [1], "the new one has sent nothing");
    moving.send(NEW, false);
    assert!(moving.sees().is_empty());
    moving.send(OLD, false);
    assert_eq!(moving.sees(), [1], "nobody can begin with what the new one has sent");
    moving.bench.advance(100);
    assert_eq!(moving.asked(), 1);
    moving.send(NEW, true);
    moving.send(OLD, false);
    moving.send(NEW, false);
    assert_eq!(moving.sees(), [1, 2], "without a gap");
    assert_eq!(moving.asked(), 0);
}

#[test]
fn numbers_and_times_go_on_from_one_session_to_the_other() {
    let mut moving = Moving::new();
    moving.produce();
    moving.send(OLD, false);
    let before = moving.bench.take_rtp(SEEN).remove(0).header();
    moving.succeed();
    moving.send(NEW, true);
    let after = moving.bench.take_rtp(SEEN).remove(0).header();
    assert_eq!(after.sequence, before.sequence + 1);
    assert_eq!(after.timestamp - before.timestamp, 33 * 90);
}

#[test]
fn a_key_frame_that_is_kept_is_begun_with_at_once_and_none_is_asked_for() {
    let mut moving = Moving::new();
    moving.produce();
    moving.send(NEW, true);
    moving.send(OLD, false);
    moving.sees();
    moving.bench.advance(5);
    moving.succeed();
    moving.bench.advance(10);
    assert_eq!(moving.sees(), [1]);
    moving.send(OLD, false);
    assert!(moving.sees().is_empty());
    moving.send(NEW, false);
    assert_eq!((moving.sees(), moving.asked()), (vec![1], 0));
}

#[test]
fn when_the_old_session_ends_nobody_waits_for_it() {
    let mut moving = Moving::new();
    moving.succeed();
    moving.send(OLD, false);
    assert_eq!(moving.sees(), [1], "the new one is yet to be produced");
    moving.produce();
    moving.bench.command(Command::RemoveTransport { transport: TransportKey(1) });
    assert_eq!(moving.asked(), 1);
    moving.send(NEW, true);
    assert_eq!(moving.sees(), [1]);
}

#[test]
fn a_session_that_takes_the_place_of_the_new_one_is_gone_over_to() {
    let mut moving = Moving::new();
    moving.succeed();
    moving.bench.produce(3, 3, vp8(NEW));
    let (old, new) = (ProducerKey(2), ProducerKey(3));
    moving.bench.command(Command::ReplaceProducer { old, new });
    moving.send(OLD, false);
    assert_eq!(moving.sees(), [1]);
    moving.send(NEW, true);
    moving.send(OLD, false);
    moving.send(NEW, false);
    assert_eq!(moving.sees(), [1, 2]);
}

#[test]
fn who_gets_nothing_now_waits_for_the_new_session_alone() {
    let mut moving = Moving::new();
    let consumer = ConsumerKey(1);
    moving.bench.command(Command::PauseConsumer { consumer, paused: true });
    moving.succeed();
    moving.produce();
    moving.bench.command(Command::PauseConsumer { consumer, paused: false });
    moving.send(OLD, true);
    assert!(moving.sees().is_empty());
    moving.send(NEW, true);
    assert_eq!(moving.sees(), [1]);
}

#[test]
fn a_camera_that_is_off_in_the_new_session_is_off() {
    let mut moving = Moving::new();
    moving.produce();
    let producer = ProducerKey(2);
    moving.bench.command(Command::PauseProducer { producer, paused: true });
    moving.succeed();
    moving.send(OLD, true);
    assert!(moving.sees().is_empty());
}

#[test]
fn sound_goes_over_with_the_first_packet() {
    let mut moving = Moving::new();
    let bench = &mut moving.bench;
    bench.plain(4, address(5004));
    bench.produce(4, 4, opus(44));
    bench.produce(3, 5, opus(55));
    bench.consume(2, 4, 4, audio_consumer(66));
    let sound = |bench: &mut Bench, transport: u32, ssrc: u32, number: u16| {
        bench.advance(20);
        let packet = rtp(111, ssrc, number, u32::from(number) * 960, false, &[], &[1]);
        bench.receive(transport + 10, address(5000 + transport as u16), &packet);
        bench.take_rtp(66).len()
    };
    assert_eq!(sound(bench, 4, 44, 1), 1);
    bench.command(Command::SucceedProducer { old: ProducerKey(4), new: ProducerKey(5) });
    assert_eq!(sound(bench, 4, 44, 2), 1);
    assert_eq!(sound(bench, 3, 55, 3), 1);
    assert_eq!(sound(bench, 4, 44, 4), 0);
}

#[test]
fn who_is_served_over_a_pipe_gets_the_old_session_for_as_long_as_it_is_there() {
    let mut moving = Moving::new();
    let bench = &mut moving.bench;
    bench.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(90) });
    let params = ConsumerParams {
        kind: MediaKind::Video,
        rtp_type: RtpType::Pipe,
        pipe_layers: 1,
        ..video_consumer(700, RtpType::Simple)
    };
    bench.consume(9, 2, 1, params);
    moving.produce();
    moving.succeed();
    moving.send(OLD, true);
    moving.bench.piped.clear();
    moving.send(NEW, true);
    assert!(moving.bench.piped.is_empty(), "{:?}", moving.bench.piped);
    moving.send(OLD, false);
    assert_eq!(moving.bench.piped.len(), 1);
}

#[test]
fn layers_of_a_session_that_comes_over_a_pipe_are_wished_for_while_the_old_one_is_seen() {
    let mut moving = Moving::new();
    let bench = &mut moving.bench;
    bench.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(91) });
    bench.take_events();
    moving.succeed();
    let rtp = video_consumer(900, RtpType::Simple).rtp;
    moving.bench.produce(9, 2, rtp);
    let wished = moving.bench.take_events().into_iter().find_map(|event| match event {
        Event::LayersWanted { producer: ProducerKey(2), layers } => Some(layers),
        _ => None,
    });
    assert_eq!(wished, Some(1));
    moving.send(OLD, false);
    assert_eq!(moving.sees(), [1]);
    moving.bench.command(Command::RemoveConsumer { consumer: ConsumerKey(1) });
    moving.bench.advance(2_000);
    let last = moving.bench.take_events().into_iter().rev().find_map(|event| match event {
        Event::LayersWanted { producer: ProducerKey(2), layers } => Some(layers),
        _ => None,
    });
    assert_eq!(last, Some(0), "and no more when nobody is to go over");
}
