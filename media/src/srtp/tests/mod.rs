//! SRTP against the RFCs' vectors, against `webrtc-srtp` byte for byte, and against attackers.

mod attack;
mod oracle;
mod vectors;

use starling_proto::transport::SrtpProfile;

use super::{MAX_OVERHEAD, Receiver, Sender};
use crate::command::SrtpKey;

const PROFILES: [SrtpProfile; 4] = [
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::AeadAes256Gcm,
    SrtpProfile::AesCm128HmacSha1_80,
    SrtpProfile::AesCm128HmacSha1_32,
];

/// Key 1, 2, 3, …; salt 101, 102, ….
fn key(profile: SrtpProfile) -> SrtpKey {
    let (key, salt) = profile.lengths();
    SrtpKey { key: (1..=key as u8).collect(), salt: (101..101 + salt as u8).collect() }
}

fn pair(profile: SrtpProfile) -> (Sender, Receiver) {
    let key = key(profile);
    (Sender::new(profile, &key).unwrap(), Receiver::new(profile, &key).unwrap())
}

/// No CSRC, no extension, four bytes of payload.
fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 3, 232]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet
}

/// An empty receiver report.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

fn protect_rtp(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD, 0);
    let len = sender.protect_rtp(&mut buffer, packet.len()).unwrap();
    assert_eq!(len, packet.len() + sender.rtp_overhead());
    buffer.truncate(len);
    buffer
}

fn protect_rtcp(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD, 0);
    let len = sender.protect_rtcp(&mut buffer, packet.len()).unwrap();
    assert_eq!(len, packet.len() + sender.rtcp_overhead());
    buffer.truncate(len);
    buffer
}

fn unprotect_rtp(receiver: &mut Receiver, packet: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = packet.to_vec();
    let len = receiver.unprotect_rtp(&mut buffer)?;
    buffer.truncate(len);
    Some(buffer)
}

fn unprotect_rtcp(receiver: &mut Receiver, packet: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = packet.to_vec();
    let len = receiver.unprotect_rtcp(&mut buffer)?;
    buffer.truncate(len);
    Some(buffer)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
