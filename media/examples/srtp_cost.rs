//! What SRTP costs: nanoseconds per packet for this crate and for `webrtc-srtp`, on one thread,
//! interleaved so that both meet the same noise, best of the rounds. Run with
//! `cargo run --release -p starling-media --example srtp_cost`.
#![expect(clippy::disallowed_methods, reason = "measures real time")]
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use starling_media::{
    command::SrtpKey,
    srtp::{MAX_OVERHEAD, Receiver, Sender},
};
use starling_proto::transport::SrtpProfile;
use webrtc_srtp::{
    context::Context,
    option::{srtcp_replay_protection, srtp_replay_protection},
    protection_profile::ProtectionProfile,
};

/// Rounds: enough that the best one met an idle core, for about 20 s in all.
const ROUNDS: usize = 40;

/// Packets per round and engine: about 2 ms, long against the clock and short against other work.
const PACKETS: usize = 4_000;

/// Receivers of one packet, so many that their keys do not stay in the first two caches.
const RECEIVERS: usize = 1_000;

const PROFILES: [(SrtpProfile, ProtectionProfile, &str); 3] = [
    (SrtpProfile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm, "AEAD_AES_128_GCM"),
    (SrtpProfile::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm, "AEAD_AES_256_GCM"),
    (
        SrtpProfile::AesCm128HmacSha1_80,
        ProtectionProfile::Aes128CmHmacSha1_80,
        "AES_CM_128_HMAC_SHA1_80",
    ),
];

fn main() {
    println!("ns per packet, best of {ROUNDS} rounds of {PACKETS}; payload + 24 B header");
    println!("{:<24} {:>6}  {:>18}  {:>18}", "", "", "protect", "unprotect");
    println!(
        "{:<24} {:>6}  {:>8} {:>9}  {:>8} {:>9}",
        "profile", "bytes", "own", "webrtc", "own", "webrtc"
    );
    for (ours, theirs, name) in PROFILES {
        for len in [120, 1_100] {
            let [protect, unprotect, their_protect, their_unprotect] = costs(ours, theirs, len);
            println!(
                "{name:<24} {len:>6}  {protect:>8.0} {their_protect:>9.0}  \
                 {unprotect:>8.0} {their_unprotect:>9.0}"
            );
        }
    }
    println!("one packet of 1,100 B to {RECEIVERS} receivers, copied and protected, own:");
    for (profile, _, name) in PROFILES {
        println!("{name:<24} {:>15.0} ns per receiver", fan_out(profile));
    }
}

/// Protect and unprotect, ours, then theirs.
fn costs(ours: SrtpProfile, theirs: ProtectionProfile, len: usize) -> [f64; 4] {
    let key = key(ours, 1);
    let fresh = || {
        let (rtp, rtcp) = (srtp_replay_protection(1_024), srtcp_replay_protection(1_024));
        Context::new(&key.key, &key.salt, theirs, Some(rtp), Some(rtcp)).expect("good key")
    };
    let packets: Vec<Vec<u8>> = (0..PACKETS).map(|number| packet(number as u16, len)).collect();
    let mut sealed: Vec<Vec<u8>> = packets.clone();
    let mut best = [Duration::MAX; 4];
    let mut keep = |at: usize, started: Instant| best[at] = best[at].min(started.elapsed());
    for _ in 0..ROUNDS {
        let mut sender = Sender::new(ours, &key).expect("good key");
        let mut receiver = Receiver::new(ours, &key).expect("good key");
        let (mut their_sender, mut their_receiver) = (fresh(), fresh());
        for (buffer, packet) in sealed.iter_mut().zip(&packets) {
            buffer.clear();
            buffer.extend_from_slice(packet);
            buffer.resize(packet.len() + sender.rtp_overhead(), 0);
        }
        let started = Instant::now();
        for buffer in &mut sealed {
            let len = buffer.len() - sender.rtp_overhead();
            black_box(sender.protect_rtp(buffer, len));
        }
        keep(0, started);
        let started = Instant::now();
        for packet in &packets {
            black_box(their_sender.encrypt_rtp(packet).expect("good packet"));
        }
        keep(2, started);
        let started = Instant::now();
        for buffer in &sealed {
            black_box(their_receiver.decrypt_rtp(buffer).expect("good packet"));
        }
        keep(3, started);
        let started = Instant::now();
        for buffer in &mut sealed {
            black_box(receiver.unprotect_rtp(buffer).expect("good packet"));
        }
        keep(1, started);
    }
    best.map(|time| time.as_nanos() as f64 / PACKETS as f64)
}

fn fan_out(profile: SrtpProfile) -> f64 {
    let mut senders: Vec<Sender> = (0..RECEIVERS)
        .map(|number| Sender::new(profile, &key(profile, number as u8)).expect("good key"))
        .collect();
    let mut arena = vec![0; 1_100 + 24 + MAX_OVERHEAD];
    let mut best = Duration::MAX;
    for round in 0..ROUNDS {
        let packet = packet(round as u16, 1_100);
        let started = Instant::now();
        for sender in &mut senders {
            arena[..packet.len()].copy_from_slice(&packet);
            black_box(sender.protect_rtp(&mut arena, packet.len()));
        }
        best = best.min(started.elapsed());
    }
    best.as_nanos() as f64 / RECEIVERS as f64
}

/// With an extension of one element, 24 bytes of header in all.
fn packet(sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x90, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 3, 232, 0, 0, 0, 7]);
    packet.extend([0xbe, 0xde, 0, 2, 0x32, 1, 2, 3, 0, 0, 0, 0]);
    packet.resize(24 + payload, 0x5a);
    packet
}

fn key(profile: SrtpProfile, seed: u8) -> SrtpKey {
    let (key, salt) = profile.lengths();
    SrtpKey { key: vec![seed; key], salt: vec![seed ^ 0xff; salt] }
}
