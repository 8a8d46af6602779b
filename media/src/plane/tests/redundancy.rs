//! Redundant audio (RFC 2198): handed on to those who want it, and taken apart for the others.

use serde_json::json;
use starling_proto::{RtpParameters, rtp::RtpType};

use super::bench::*;
use crate::{Command, PipeKey, TransportKey, command::ConsumerParams, rtcp::build};

/// The sender's payload types.
const OPUS: u8 = 111;
const RED: u8 = 63;

fn with_red(mut rtp: RtpParameters, payload_type: u8) -> RtpParameters {
    let more = parameters(json!({"encodings": [], "codecs": [{"mimeType": "audio/red",
        "payloadType": payload_type, "clockRate": 48000, "channels": 2}]}));
    rtp.codecs.extend(more.codecs);
    rtp
}

fn wants_red(ssrc: u32) -> ConsumerParams {
    let params = audio_consumer(ssrc);
    ConsumerParams { rtp: with_red(params.rtp.clone(), 117), ..params }
}

/// A copy of what was sent 20 ms before, and what is sent now.
fn redundant(payload_type: u8, copy: &[u8], primary: &[u8]) -> Vec<u8> {
    let timestamp_and_len = (960 << 10 | copy.len() as u32).to_be_bytes();
    let head = [&[payload_type | 0x80], &timestamp_and_len[1..], &[payload_type]].concat();
    [&head, copy, primary].concat()
}

/// One packet without redundancy, and three with.
fn speak(bench: &mut Bench) {
    for n in 0..4u8 {
        let (payload_type, payload) = match n {
            0 => (OPUS, voice(0)),
            _ => (RED, redundant(OPUS, &voice(n - 1), &voice(n))),
        };
        let level = [0x80 | n];
        let timestamp = 960 * u32::from(n);
        let packet = rtp(payload_type, 1111, n.into(), timestamp, n == 0, &[(1, &level)], &payload);
        bench.receive(11, address(5001), &packet);
    }
}

fn voice(n: u8) -> Vec<u8> {
    vec![0x78, n, n, n]
}

fn speaker() -> Bench {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, with_red(opus(1111), RED));
    bench
}

fn assert_unwrapped(got: &[Packet]) {
    assert_eq!(got.len(), 4);
    for (n, packet) in got.iter().enumerate() {
        let header = packet.header();
        assert_eq!(header.payload_type, 100, "{n}");
        assert_eq!(packet.payload(), voice(n as u8), "{n}");
        assert_eq!(header.sequence, got[0].header().sequence.wrapping_add(n as u16));
        assert_eq!(packet.extension(6), Some([0x80 | n as u8].as_slice()), "{n}");
    }
}

#[test]
fn who_wants_redundancy_gets_it_under_its_numbers_and_others_get_the_sound_without() {
    let mut bench = speaker();
    bench.consume(2, 1, 1, audio_consumer(2222));
    bench.consume(2, 2, 1, wants_red(3333));
    speak(&mut bench);
    assert_unwrapped(&bench.take_rtp(2222));
    let got = bench.take_rtp(3333);
    let types: Vec<u8> = got.iter().map(|packet| packet.header().payload_type).collect();
    assert_eq!(types, [100, 117, 117, 117]);
    for n in 1..4 {
        assert_eq!(got[usize::from(n)].payload(), redundant(100, &voice(n - 1), &voice(n)));
    }
}

#[test]
fn what_is_sent_again_is_taken_apart_again() {
    let mut bench = speaker();
    let mut params = audio_consumer(2222);
    let feedback = json!({"encodings": [], "codecs": [{"mimeType": "audio/opus", "payloadType": 100,
        "clockRate": 48000, "rtcpFeedback": [{"type": "nack"}]}]});
    params.rtp.codecs[0].rtcp_feedback = parameters(feedback).codecs[0].rtcp_feedback.clone();
    bench.consume(2, 1, 1, params);
    speak(&mut bench);
    let got = bench.take_rtp(2222);
    let mut nack = Vec::new();
    build::nack(&mut nack, 1, 2222, &[got[2].header().sequence], 1_200);
    bench.receive(12, address(5002), &nack);
    let again = bench.take_rtp(2222);
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].header(), again[0].payload()), (got[2].header(), got[2].payload()));
}

#[test]
fn redundancy_crosses_a_pipe_and_is_taken_apart_behind_it() {
    let mut near = speaker();
    let mut far = Bench::at(2, near.now);
    near.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(90) });
    far.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(91) });
    let piped = ConsumerParams { rtp_type: RtpType::Pipe, pipe_layers: 1, ..wants_red(700) };
    far.produce(9, 1, piped.rtp.clone());
    near.consume(9, 1, 1, piped);
    far.plain(2, address(5002));
    far.consume(2, 1, 1, audio_consumer(2222));
    speak(&mut near);
    for (_, packet) in std::mem::take(&mut near.piped) {
        far.plane.handle_pipe(far.now, PipeKey(91), &packet);
    }
    far.settle();
    assert_unwrapped(&far.take_rtp(2222));
}

#[test]
fn silence_with_redundancy_is_silence_and_broken_redundancy_is_nothing() {
    let mut bench = speaker();
    bench.consume(2, 1, 1, ConsumerParams { ignore_dtx: true, ..audio_consumer(2222) });
    bench.consume(2, 2, 1, wants_red(3333));
    speak(&mut bench);
    bench.take_rtp(2222);
    bench.take_rtp(3333);
    let silence = redundant(OPUS, &voice(3), &[0x78]);
    bench.receive(11, address(5001), &rtp(RED, 1111, 4, 4_800, false, &[], &silence));
    assert_eq!((bench.take_rtp(2222).len(), bench.take_rtp(3333).len()), (0, 1));
    for broken in [&[0xef, 0, 0][..], &[0xef, 0, 3, 0xff, 0x6f, 1], &[0xef, 0, 0, 0, 0x6e, 1]] {
        let packet = rtp(RED, 1111, 5, 5_760, false, &[], broken);
        bench.receive(11, address(5001), &packet);
        assert_eq!((bench.take_rtp(2222).len(), bench.take_rtp(3333).len()), (0, 0));
    }
    assert_eq!(bench.plane.counters().dropped_stale, 3);
}
