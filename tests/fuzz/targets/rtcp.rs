//! RTCP compounds, and transport-wide feedback both ways.

use std::time::{Duration, Instant};

use starling_media::{
    ingress::TwccRecorder,
    rtcp::{
        DlrrBlock, ReportBlock, RtcpItem, SenderInfo, TwccFeedback, build,
        parse::{MAX_ITEMS, MAX_NACKED},
        parse_all,
    },
    rtp::NtpTime,
};

use super::{DATAGRAM, Kind, Target, behaviour, size};

pub(super) const RTCP: Kind = Kind {
    name: "rtcp",
    about: "rtcp::parse of compounds",
    cost: 1,
    max_len: DATAGRAM,
    words: &[
        &[0x80, 200],
        &[0x81, 201],
        &[0x81, 202],
        &[0x81, 203],
        &[0x80, 207],
        &[0x81, 205],
        &[0x8f, 205],
        &[0x81, 206],
        &[0x84, 206],
        &[0x8f, 206],
        b"REMB",
    ],
    seeds: compounds,
    make: || Box::new(Rtcp { items: Vec::new() }),
};

pub(super) const TWCC: Kind = Kind {
    name: "twcc",
    about: "TwccFeedback::parse, TwccRecorder",
    cost: 20,
    max_len: 120,
    words: &[&[0x20, 0x05], &[0x80, 0x00], &[0xbf, 0xff], &[0xff, 0xff], &[0x5f, 0xff]],
    seeds: feedback,
    make: || Box::new(Twcc { start: Instant::now() }),
};

struct Rtcp {
    items: Vec<RtcpItem>,
}

impl Target for Rtcp {
    fn run(&mut self, input: &[u8]) -> u64 {
        self.items.clear();
        let malformed = starling_media::rtcp::parse(input, &mut self.items);
        assert!(self.items.len() <= MAX_ITEMS, "{} items", self.items.len());
        let mut shape = Vec::new();
        for item in self.items.iter().take(6) {
            shape.push(match item {
                RtcpItem::Sr { blocks, .. } => (0, size(blocks.len())),
                RtcpItem::Rr { blocks, .. } => (1, size(blocks.len())),
                RtcpItem::Nack { lost, .. } => {
                    assert!(lost.len() <= MAX_NACKED, "{} lost", lost.len());
                    (2, size(lost.len()))
                }
                RtcpItem::Pli { .. } => (3, 0),
                RtcpItem::Fir { entries, .. } => (4, size(entries.len())),
                RtcpItem::Twcc(feedback) => (5, size(feedback.deltas.len())),
                RtcpItem::Remb { bitrate, ssrcs, .. } => {
                    (6, size(ssrcs.len()) + (*bitrate > 1 << 40) as u32)
                }
                RtcpItem::XrRrt { .. } => (7, 0),
                RtcpItem::XrDlrr { blocks, .. } => (8, size(blocks.len())),
                RtcpItem::SdesCname { cname, .. } => (9, size(cname.len())),
                RtcpItem::Bye { ssrcs } => (10, size(ssrcs.len())),
                RtcpItem::Other { packet_type, .. } => (11, u32::from(*packet_type)),
            });
        }
        behaviour((malformed.min(3), shape))
    }
}

struct Twcc {
    start: Instant,
}

impl Target for Twcc {
    fn run(&mut self, input: &[u8]) -> u64 {
        let parsed = TwccFeedback::parse(1, 2, input);
        // The same bytes as arrivals: two of sequence number, one of time, in quarters of a
        // millisecond.
        let mut recorder = TwccRecorder::new(self.start);
        let (mut now, mut told, mut out) = (self.start, 0, Vec::new());
        for arrival in input.chunks_exact(3) {
            now += Duration::from_micros(u64::from(arrival[2]).pow(2) * 4);
            recorder.on_packet(now, u16::from_be_bytes([arrival[0], arrival[1]]));
            out.clear();
            recorder.poll(now, 1, 2, &mut out);
            for item in parse_all(&out) {
                let RtcpItem::Twcc(feedback) = item else { panic!("only feedback: {item:?}") };
                told += feedback.deltas.len();
            }
            assert!(out.is_empty() || told > 0, "our own feedback is read");
        }
        let shape = parsed.as_ref().map(|feedback| {
            let arrived = feedback.deltas.iter().flatten().count();
            (size(feedback.deltas.len()), size(arrived))
        });
        behaviour((shape, size(told)))
    }
}

fn compounds() -> Vec<Vec<u8>> {
    let block = ReportBlock { ssrc: 9, fraction_lost: 3, total_lost: -1, ..ReportBlock::default() };
    let info = SenderInfo { ssrc: 1, ntp: NtpTime(7 << 32), timestamp: 5, packets: 6, octets: 7 };
    let mut sender = Vec::new();
    build::sender_report(&mut sender, &info, &[block, block]);
    build::sdes_cname(&mut sender, 1, "a name");
    build::xr_dlrr(&mut sender, 1, &[DlrrBlock { ssrc: 2, last_rr: 3, delay: 4 }]);
    let mut receiver = Vec::new();
    build::receiver_report(&mut receiver, 1, &[block]);
    build::xr_receiver_reference_time(&mut receiver, 1, NtpTime(9 << 32));
    let mut asking = Vec::new();
    build::receiver_report(&mut asking, 1, &[]);
    build::nack(&mut asking, 1, 2, &[1, 2, 5, 17, 400, 65_535], 200);
    build::pli(&mut asking, 1, 2);
    build::fir(&mut asking, 1, &[(2, 3), (4, 5)]);
    build::remb(&mut asking, 1, 3_000_000, &[2, 4]);
    let mut leaving = Vec::new();
    build::receiver_report(&mut leaving, 1, &[]);
    build::bye(&mut leaving, &[1, 2, 3]);
    let mut all = vec![sender, receiver, asking, leaving];
    all.extend(feedback().into_iter().map(|fci| {
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        packet.extend_from_slice(&fci);
        packet.resize(packet.len().next_multiple_of(4), 0);
        packet[3] = (packet.len() / 4 - 1) as u8;
        packet
    }));
    all
}

/// Feedback control information: run lengths, one-bit and two-bit vectors.
fn feedback() -> Vec<Vec<u8>> {
    vec![
        vec![0, 5, 0, 3, 0, 1, 2, 7, 0x20, 0x03, 4, 5, 6],
        vec![
            0xff, 0xf0, 0, 20, 0, 1, 2, 8, 0xbf, 0xff, 0x20, 0x06, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            1, 1, 1, 2, 2, 2, 2, 2, 2,
        ],
        vec![0, 5, 0, 7, 0, 1, 2, 9, 0xd9, 0x51, 1, 0, 9, 2, 1, 1],
        vec![0, 1, 5, 0, 2, 10, 0, 3, 250, 0, 4, 1],
    ]
}
