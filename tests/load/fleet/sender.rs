//! A member's camera and microphone: numbered pictures and sounds of one packet each, which go out
//! on every seat the member has. Two layers of VP8, the second one larger.

use super::ear::Stamp;

/// Behind the payload descriptor of VP8 and its first byte; sounds leave as much free.
const STAMP_AT: usize = 7;
const HEADER: usize = 12;
/// Payload of each layer, and of a sound: the least that can be told apart in a capture.
const LAYERS: [usize; 2] = [60, 120];
const SOUND: usize = 48;
const VIDEO_CLOCK: u32 = 90_000;
const AUDIO_CLOCK: u32 = 48_000;

/// Where a packet's payload says what it is; none of a packet that is too short.
pub(super) fn stamp_of(payload: &[u8]) -> Option<Stamp> {
    Stamp::read(payload.get(STAMP_AT..)?)
}

/// One RTP stream of a seat.
#[derive(Clone, Copy, Debug)]
struct Line {
    ssrc: u32,
    sequence: u16,
    packets: u32,
    octets: u32,
}

impl Line {
    const fn new(ssrc: u32) -> Self {
        Self { ssrc, sequence: 1, packets: 0, octets: 0 }
    }

    fn packet(
        &mut self,
        first: u8,
        timestamp: u32,
        lead: [u8; STAMP_AT],
        stamp: Stamp,
        payload: usize,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + payload + 16);
        out.extend_from_slice(&[0x80, first]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&lead);
        stamp.write(&mut out);
        out.resize(HEADER + payload, 0x5a);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
        out
    }
}

/// What a sender report says of one stream: SSRC, RTP time, packets, octets.
pub(super) type Sent = (u32, u32, u32, u32);

/// A camera and a microphone on one seat.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    member: u32,
    room: u32,
    life: u32,
    video_type: u8,
    audio_type: u8,
    layers: [Line; 2],
    key_wanted: [bool; 2],
    picture: u16,
    sound: Line,
    video_time: u32,
    audio_time: u32,
}

impl Sender {
    pub(super) const fn new(member: u32, room: u32, life: u32, ssrc: u32, types: (u8, u8)) -> Self {
        Self {
            member,
            room,
            life,
            video_type: types.0,
            audio_type: types.1,
            layers: [Line::new(ssrc), Line::new(ssrc + 1)],
            key_wanted: [true; 2],
            picture: 0,
            sound: Line::new(ssrc + 2),
            video_time: 0,
            audio_time: 0,
        }
    }

    pub(super) const fn video_ssrcs(&self) -> [u32; 2] {
        [self.layers[0].ssrc, self.layers[1].ssrc]
    }

    pub(super) const fn audio_ssrc(&self) -> u32 {
        self.sound.ssrc
    }

    /// The next picture of this layer is to be a key frame.
    pub(super) fn want_key_frame(&mut self, ssrc: u32) {
        for (layer, wanted) in self.layers.iter().zip(&mut self.key_wanted) {
            *wanted |= layer.ssrc == ssrc;
        }
    }

    /// A picture, in each of its layers; `fps` is the camera's.
    pub(super) fn picture(&mut self, number: u64, fps: u32) -> [Vec<u8>; 2] {
        let stamp = self.stamp(number);
        let time = (number as u32).wrapping_mul(VIDEO_CLOCK / fps);
        self.video_time = time;
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        let base = self.picture as u8;
        self.picture = self.picture.wrapping_add(1) & 0x7fff;
        let first = self.video_type | 0x80;
        let (layers, wanted) = (&mut self.layers, &mut self.key_wanted);
        [0, 1].map(|n| {
            let delta = u8::from(!std::mem::take(&mut wanted[n]));
            let lead = [0x90, 0xe0, high, low, base, 0, delta];
            let stamp = Stamp { layer: n as u8, ..stamp };
            layers[n].packet(first, time, lead, stamp, LAYERS[n])
        })
    }

    /// A sound of `ms` milliseconds.
    pub(super) fn sound(&mut self, number: u64, ms: u32) -> Vec<u8> {
        let stamp = self.stamp(number);
        self.audio_time = (number as u32).wrapping_mul(AUDIO_CLOCK / 1_000 * ms);
        self.sound.packet(self.audio_type, self.audio_time, [0; STAMP_AT], stamp, SOUND)
    }

    /// For sender reports.
    pub(super) fn sent(&self) -> [Sent; 3] {
        let of = |line: &Line, time| (line.ssrc, time, line.packets, line.octets);
        let video = |n: usize| of(&self.layers[n], self.video_time);
        [video(0), video(1), of(&self.sound, self.audio_time)]
    }

    const fn stamp(&self, number: u64) -> Stamp {
        Stamp { member: self.member, room: self.room, life: self.life, layer: 0, number }
    }
}

#[cfg(test)]
mod tests {
    use starling_media::rtp::RtpHeader;

    use super::*;

    fn read(packet: &[u8]) -> (RtpHeader, u8, Stamp) {
        let header = RtpHeader::parse(packet).unwrap();
        let payload = header.payload(packet);
        let (frame, stamp) = (payload[STAMP_AT - 1], stamp_of(payload).unwrap());
        (header, frame, stamp)
    }

    #[test]
    fn a_picture_has_one_number_in_all_its_layers_and_on_all_seats() {
        let mut old = Sender::new(4, 2, 1, 100, (101, 100));
        let mut new = Sender::new(4, 2, 2, 100, (101, 100));
        for (n, packet) in old.picture(9, 15).iter().chain(&new.picture(9, 15)).enumerate() {
            let (header, _, stamp) = read(packet);
            assert_eq!((stamp.number, stamp.life), (9, 1 + n as u32 / 2));
            assert_eq!((header.ssrc, header.timestamp), (100 + n as u32 % 2, 9 * 6_000));
        }
    }

    #[test]
    fn a_key_frame_comes_first_and_where_it_is_wanted() {
        let mut sender = Sender::new(4, 2, 1, 100, (101, 100));
        let keys = |sender: &mut Sender, number| {
            sender.picture(number, 15).map(|packet| read(&packet).1 & 1 == 0)
        };
        assert_eq!(keys(&mut sender, 0), [true, true]);
        assert_eq!(keys(&mut sender, 1), [false, false]);
        sender.want_key_frame(101);
        assert_eq!(keys(&mut sender, 2), [false, true]);
        assert_eq!(keys(&mut sender, 3), [false, false]);
    }
}
