//! Writes the packet a receiver gets: new header, the receiver's header extensions, the sender's
//! payload. Runs once per packet and receiver: no allocation beyond the output's growth. Never
//! decides what is forwarded.

use super::header::{FIXED_HEADER_LEN, RtpHeader};

/// The header fields a receiver sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// 0..=127.
    pub payload_type: u8,
    /// Last packet of a frame.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Makes it a retransmission: this original sequence number precedes the payload (RFC 4588 §4).
    pub osn: Option<u16>,
}

/// Where things are in the output, counted from the beginning of the output vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// First byte of the packet.
    pub start: usize,
    /// First byte after the header; an OSN is there if one was asked for.
    pub body: usize,
    /// First byte of the sender's payload.
    pub payload: usize,
    /// Three bytes for abs-send-time.
    pub abs_send_time: Option<usize>,
    /// Two bytes for the transport-wide sequence number.
    pub twcc: Option<usize>,
}

/// Most elements a plan can name: the router knows twelve extensions.
const MAX_ELEMENTS: usize = 16;

/// Which extensions a receiver gets, compiled once per consumer.
#[derive(Clone, Debug)]
pub struct ExtensionPlan {
    /// By incoming id 1..=14: the outgoing id, or 0.
    by_id: [u8; 15],
    /// Incoming ids above 14.
    wide: Vec<(u8, u8)>,
    /// Incoming id of the element whose value is another one for this receiver; or 0.
    rewritten: u8,
    one_byte: Option<Prefix>,
    two_byte: Prefix,
    elements: usize,
}

/// The elements that do not depend on the packet, ready to be copied.
#[derive(Clone, Debug, Default)]
struct Prefix {
    bytes: Vec<u8>,
    abs_send_time: Option<usize>,
    twcc: Option<usize>,
}

impl Default for ExtensionPlan {
    fn default() -> Self {
        Self::new()
    }
}

impl ExtensionPlan {
    /// No extensions.
    pub fn new() -> Self {
        Self {
            by_id: [0; 15],
            wide: Vec::new(),
            rewritten: 0,
            one_byte: Some(Prefix::default()),
            two_byte: Prefix::default(),
            elements: 0,
        }
    }

    /// Copies element `from` of the sender as `to`. Ids of 0 and more than 16 rules are ignored.
    pub fn copy(&mut self, from: u8, to: u8) {
        if from == 0 || to == 0 || !self.has_room() {
            return;
        }
        match self.by_id.get_mut(usize::from(from)) {
            Some(slot) => *slot = to,
            None => self.wide.push((from, to)),
        }
    }

    /// Copies element `from` as `to`, but with the value that [`write_packet`] is given.
    pub fn rewrite(&mut self, from: u8, to: u8) {
        self.copy(from, to);
        self.rewritten = from;
    }

    /// Incoming id of the element whose value is to be given; 0 if there is none.
    pub const fn rewritten(&self) -> u8 {
        self.rewritten
    }

    /// The value a receiver gets of element `id`.
    fn value<'a>(&self, id: u8, sent: &'a [u8], rewritten: Option<&'a [u8]>) -> &'a [u8] {
        rewritten.filter(|_| id == self.rewritten).unwrap_or(sent)
    }

    /// Every packet carries these bytes, such as the MID; at most 255.
    pub fn constant(&mut self, to: u8, value: &[u8]) {
        self.fixed(to, value);
    }

    /// Every packet has room for abs-send-time.
    pub fn abs_send_time(&mut self, to: u8) {
        if let Some((one, two)) = self.fixed(to, &[0; 3]) {
            self.two_byte.abs_send_time = Some(two);
            if let Some(prefix) = &mut self.one_byte {
                prefix.abs_send_time = one;
            }
        }
    }

    /// Every packet has room for the transport-wide sequence number.
    pub fn twcc(&mut self, to: u8) {
        if let Some((one, two)) = self.fixed(to, &[0; 2]) {
            self.two_byte.twcc = Some(two);
            if let Some(prefix) = &mut self.one_byte {
                prefix.twcc = one;
            }
        }
    }

    fn has_room(&mut self) -> bool {
        self.elements += 1;
        self.elements <= MAX_ELEMENTS
    }

    /// Appends to both prefixes; where the value is in each.
    fn fixed(&mut self, to: u8, value: &[u8]) -> Option<(Option<usize>, usize)> {
        let len = u8::try_from(value.len()).ok()?;
        if to == 0 || !self.has_room() {
            return None;
        }
        if to > 14 || !(1..=16).contains(&len) {
            self.one_byte = None;
        }
        let one = self.one_byte.as_mut().map(|prefix| {
            prefix.bytes.push(to << 4 | (len - 1));
            prefix.bytes.extend_from_slice(value);
            prefix.bytes.len() - value.len()
        });
        self.two_byte.bytes.extend_from_slice(&[to, len]);
        self.two_byte.bytes.extend_from_slice(value);
        Some((one, self.two_byte.bytes.len() - value.len()))
    }

    fn outgoing_id(&self, from: u8) -> u8 {
        match self.by_id.get(usize::from(from)) {
            Some(to) => *to,
            None => self.wide.iter().find(|(id, _)| *id == from).map_or(0, |(_, to)| *to),
        }
    }
}

/// Appends to `out` the packet a receiver gets for `packet`, of which `header` was parsed. Padding
/// is left out, CSRCs are kept. `rewritten`: the value of the plan's rewritten element.
pub fn write_packet(
    out: &mut Vec<u8>,
    header: &RtpHeader,
    packet: &[u8],
    fields: &Outgoing,
    plan: &ExtensionPlan,
    rewritten: Option<&[u8]>,
) -> Written {
    let start = out.len();
    let csrcs = header.csrcs(packet);
    let mut fixed = [0u8; FIXED_HEADER_LEN];
    fixed[0] = 0x80 | (csrcs.len() / 4) as u8;
    fixed[1] = (u8::from(fields.marker) << 7) | (fields.payload_type & 0x7f);
    fixed[2..4].copy_from_slice(&fields.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&fields.ssrc.to_be_bytes());
    out.extend_from_slice(&fixed);
    out.extend_from_slice(csrcs);

    let block = out.len();
    let placed = one_byte_block(out, header, packet, plan, rewritten).unwrap_or_else(|| {
        out.truncate(block);
        two_byte_block(out, header, packet, plan, rewritten)
    });
    if out.len() == block + 4 {
        out.truncate(block);
    } else {
        out.resize(block + (out.len() - block).next_multiple_of(4), 0);
        let words = ((out.len() - block) / 4 - 1) as u16;
        out[block + 2..block + 4].copy_from_slice(&words.to_be_bytes());
        out[start] |= 0x10;
    }

    let body = out.len();
    if let Some(osn) = fields.osn {
        out.extend_from_slice(&osn.to_be_bytes());
    }
    let payload = out.len();
    out.extend_from_slice(header.payload(packet));
    Written {
        start,
        body,
        payload,
        abs_send_time: placed.abs_send_time.map(|at| block + 4 + at),
        twcc: placed.twcc.map(|at| block + 4 + at),
    }
}

/// `None` if some element does not fit the one-byte form.
fn one_byte_block<'p>(
    out: &mut Vec<u8>,
    header: &RtpHeader,
    packet: &[u8],
    plan: &'p ExtensionPlan,
    rewritten: Option<&[u8]>,
) -> Option<&'p Prefix> {
    let prefix = plan.one_byte.as_ref()?;
    out.extend_from_slice(&[0xbe, 0xde, 0, 0]);
    out.extend_from_slice(&prefix.bytes);
    for (id, range) in header.extensions(packet) {
        let to = plan.outgoing_id(id);
        if to == 0 {
            continue;
        }
        let value = plan.value(id, &packet[range], rewritten);
        if to > 14 || !(1..=16).contains(&value.len()) {
            return None;
        }
        out.push(to << 4 | (value.len() - 1) as u8);
        out.extend_from_slice(value);
    }
    Some(prefix)
}

fn two_byte_block<'p>(
    out: &mut Vec<u8>,
    header: &RtpHeader,
    packet: &[u8],
    plan: &'p ExtensionPlan,
    rewritten: Option<&[u8]>,
) -> &'p Prefix {
    out.extend_from_slice(&[0x10, 0x00, 0, 0]);
    out.extend_from_slice(&plan.two_byte.bytes);
    for (id, range) in header.extensions(packet) {
        let to = plan.outgoing_id(id);
        if to != 0 {
            let value = plan.value(id, &packet[range], rewritten);
            out.extend_from_slice(&[to, value.len() as u8]);
            out.extend_from_slice(value);
        }
    }
    &plan.two_byte
}

/// Appends `n` bytes of RTP padding to the packet that begins at `start` and ends with `out`
/// (RFC 3550 §5.1). Nothing happens for 0 or for a packet that is padded already.
pub fn pad(out: &mut Vec<u8>, start: usize, n: u8) {
    if n == 0 || out[start] & 0x20 != 0 {
        return;
    }
    out[start] |= 0x20;
    out.resize(out.len() + usize::from(n) - 1, 0);
    out.push(n);
}

/// Turns a retransmission into the packet it repeats, in place (RFC 4588 §4). `None` if it carries
/// nothing but padding, as bandwidth probes do. The result has no padding.
pub fn rtx_decode<'a>(
    header: &RtpHeader,
    packet: &'a mut [u8],
    media_ssrc: u32,
    media_payload_type: u8,
) -> Option<&'a mut [u8]> {
    let osn: [u8; 2] = *header.payload(packet).first_chunk()?;
    let end = packet.len() - header.padding_len;
    packet.copy_within(..header.header_len, osn.len());
    let media = &mut packet[osn.len()..end];
    media[0] &= !0x20;
    media[1] = (media[1] & 0x80) | (media_payload_type & 0x7f);
    media[2..4].copy_from_slice(&osn);
    media[8..12].copy_from_slice(&media_ssrc.to_be_bytes());
    Some(media)
}

#[cfg(test)]
mod tests;
