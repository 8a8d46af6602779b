//! The VP8 payload descriptor (RFC 7741 §4.2), and keeping its picture id and TL0PICIDX continuous
//! for a receiver through layer switches and temporal drops (LY11). Never touches the VP8 data.

use super::{Edit, temporal::TemporalGate};
use crate::rtp::PictureIdManager;

/// What the descriptor of one packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// Begins a key frame: first packet of partition 0, and the frame header says so.
    pub key_frame: bool,
    /// Begins a VP8 partition.
    pub start_of_partition: bool,
    /// 0 for the first one.
    pub partition: u8,
    /// Nothing depends on this frame.
    pub non_reference: bool,
    /// 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// The picture id has 15 bits.
    pub wide_picture_id: bool,
    /// Running number of temporal layer 0 frames.
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer.
    pub temporal_layer: Option<u8>,
    /// The Y bit: depends on temporal layer 0 only.
    pub layer_sync: bool,
    /// Running number of key frames, 5 bits.
    pub key_index: Option<u8>,
    /// Length of the descriptor.
    pub len: u8,
}

/// Where the picture id is, if there is one.
const PICTURE_ID_AT: usize = 2;
const WIDE: u8 = 0x80;

impl Vp8Descriptor {
    /// Reads a payload without RTP padding. `None` if it ends inside the descriptor.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor = Self {
            key_frame: false,
            start_of_partition: first & 0x10 != 0,
            partition: first & 0x07,
            non_reference: first & 0x20 != 0,
            picture_id: None,
            wide_picture_id: false,
            tl0_picture_index: None,
            temporal_layer: None,
            layer_sync: false,
            key_index: None,
            len: 1,
        };
        if first & 0x80 != 0 {
            descriptor.parse_extension(payload)?;
        }
        // RFC 7741 §4.3: the inverse key frame flag is bit 0 of the frame header's first byte.
        let begins_frame = descriptor.start_of_partition && descriptor.partition == 0;
        let header = payload.get(usize::from(descriptor.len));
        descriptor.key_frame = begins_frame && header.is_some_and(|byte| byte & 1 == 0);
        Some(descriptor)
    }

    fn parse_extension(&mut self, payload: &[u8]) -> Option<()> {
        let flags = *payload.get(1)?;
        let mut at = PICTURE_ID_AT;
        if flags & 0x80 != 0 {
            let high = *payload.get(at)?;
            if high & WIDE != 0 {
                let low = *payload.get(at + 1)?;
                self.picture_id = Some(u16::from_be_bytes([high & 0x7f, low]));
                self.wide_picture_id = true;
                at += 2;
            } else {
                self.picture_id = Some(u16::from(high));
                at += 1;
            }
        }
        if flags & 0x40 != 0 {
            self.tl0_picture_index = Some(*payload.get(at)?);
            at += 1;
        }
        if flags & 0x30 != 0 {
            let byte = *payload.get(at)?;
            if flags & 0x20 != 0 {
                self.temporal_layer = Some(byte >> 6);
                self.layer_sync = byte & 0x20 != 0;
            }
            if flags & 0x10 != 0 {
                self.key_index = Some(byte & 0x1f);
            }
            at += 1;
        }
        self.len = at as u8;
        Some(())
    }

    const fn tl0_at(&self) -> usize {
        match (self.picture_id, self.wide_picture_id) {
            (None, _) => PICTURE_ID_AT,
            (Some(_), false) => PICTURE_ID_AT + 1,
            (Some(_), true) => PICTURE_ID_AT + 2,
        }
    }

    /// Whether picture ids of this stream can be rewritten in place.
    const fn rewritable_picture_id(&self) -> Option<u16> {
        if self.wide_picture_id { self.picture_id } else { None }
    }
}

/// Makes the 7-bit picture id of the payload that begins at `payload` a 15-bit one, so that it can
/// be rewritten; libwebrtc reads 7-bit ids as if they wrapped at 15. `None` if there is nothing to
/// widen; otherwise the descriptor afterwards.
pub fn widen_picture_id(packet: &mut Vec<u8>, payload: usize) -> Option<Vp8Descriptor> {
    let before = Vp8Descriptor::parse(packet.get(payload..)?)?;
    if before.wide_picture_id || before.picture_id.is_none() {
        return None;
    }
    packet.insert(payload + PICTURE_ID_AT, WIDE);
    Vp8Descriptor::parse(&packet[payload..])
}

/// One receiver's continuity.
#[derive(Clone, Debug)]
pub struct Vp8Rewriter {
    picture_ids: PictureIdManager,
    /// Added to TL0PICIDX. Dropping upper layers leaves no hole in it, so a switch alone moves it.
    tl0_delta: u8,
    /// Newest TL0PICIDX given out.
    tl0_output: u8,
    sync_wanted: bool,
    temporal: TemporalGate,
}

impl Vp8Rewriter {
    /// The first picture will have `first_picture_id` and `first_tl0`.
    pub fn new(first_picture_id: u16, first_tl0: u8) -> Self {
        Self {
            picture_ids: PictureIdManager::new(first_picture_id),
            tl0_delta: 0,
            tl0_output: first_tl0.wrapping_sub(1),
            sync_wanted: true,
            temporal: TemporalGate::default(),
        }
    }

    /// The next picture is a key frame of another stream, or after a pause: it goes on where the
    /// last one ended.
    pub const fn sync(&mut self) {
        self.sync_wanted = true;
        self.temporal.restart();
    }

    /// The highest temporal layer forwarded since the last switch.
    pub const fn temporal_layer(&self) -> u8 {
        self.temporal.highest()
    }

    /// Whether a packet goes to the receiver, who wants temporal layers up to `target`, and what is
    /// added to its numbers. `None`: leave it out, without a hole in the picture ids.
    pub fn process(&mut self, descriptor: &Vp8Descriptor, target: u8) -> Option<Edit> {
        let picture_id = descriptor.rewritable_picture_id();
        if self.sync_wanted {
            self.sync_to(picture_id, descriptor.tl0_picture_index);
        }
        // Other packets of a picture, and late ones, share the fate of its first.
        let is_new = picture_id.is_none_or(|id| self.picture_ids.is_ahead(id));
        if is_new && !self.takes(descriptor, target) {
            if let Some(id) = picture_id {
                self.picture_ids.drop(id);
            }
            return None;
        }
        let mut edit = Edit { extra: self.tl0_delta, ..Edit::default() };
        if let Some(id) = picture_id {
            edit.number = self.picture_ids.map(id)?.wrapping_sub(id) & 0x7fff;
        }
        if let Some(index) = descriptor.tl0_picture_index {
            let output = index.wrapping_add(self.tl0_delta);
            if output.wrapping_sub(self.tl0_output).cast_signed() > 0 {
                self.tl0_output = output;
            }
        }
        Some(edit)
    }

    fn takes(&mut self, descriptor: &Vp8Descriptor, target: u8) -> bool {
        let layer = descriptor.temporal_layer.unwrap_or(0);
        self.temporal.takes(layer, descriptor.layer_sync, descriptor.key_frame, target)
    }

    fn sync_to(&mut self, picture_id: Option<u16>, tl0: Option<u8>) {
        self.sync_wanted = false;
        if let Some(id) = picture_id {
            self.picture_ids.sync(id.wrapping_sub(1));
        }
        if let Some(index) = tl0 {
            self.tl0_delta = self.tl0_output.wrapping_add(1).wrapping_sub(index);
            self.tl0_output = self.tl0_output.wrapping_add(1);
        }
    }

    /// Writes the receiver's numbers into `payload`, which must be the one `descriptor` was read
    /// from, or a copy of it.
    pub fn rewrite_at(payload: &mut [u8], descriptor: &Vp8Descriptor, edit: Edit) {
        if let Some(id) = descriptor.rewritable_picture_id() {
            let id = id.wrapping_add(edit.number) | 0x8000;
            if let Some(place) = payload.get_mut(PICTURE_ID_AT..PICTURE_ID_AT + 2) {
                place.copy_from_slice(&id.to_be_bytes());
            }
        }
        if let Some(index) = descriptor.tl0_picture_index
            && let Some(place) = payload.get_mut(descriptor.tl0_at())
        {
            *place = index.wrapping_add(edit.extra);
        }
    }
}

#[cfg(test)]
mod tests;
