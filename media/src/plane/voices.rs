//! Microphones of this plane that are heard, told of three times a second. A packet with a level
//! costs a few instructions, and silence nothing.

use std::time::Instant;

use crate::{event::Event, observer::INTERVAL, rtp::RtpHeader};

use super::Plane;

impl Plane {
    /// A packet of a producer; its level counts if it has one and the producer is not paused.
    pub(super) fn hear(&mut self, now: Instant, index: usize, header: &RtpHeader, packet: &[u8]) {
        let producer = &mut self.producers[index];
        let Some(meter) = producer.meter.as_deref_mut() else { return };
        let id = producer.setup.ids.audio_level;
        let Some(&[level, ..]) = header.extension(packet, id) else { return };
        if producer.paused {
            return;
        }
        meter.on_level(now, level);
        if !std::mem::replace(&mut producer.heard, true) {
            self.timers.voices.push(index as u32);
            self.timers.voices_at.get_or_insert(now + INTERVAL);
        }
    }

    /// Tells of all that are heard, and of those that have just fallen silent.
    pub(super) fn tell_voices(&mut self, now: Instant) {
        let mut voices = std::mem::take(&mut self.timers.voices);
        voices.retain(|index| {
            let producer = &mut self.producers[*index as usize];
            let reading = producer.meter.as_deref_mut().and_then(|meter| meter.read(now));
            producer.heard = reading.is_some();
            let (producer, heard) = (producer.key, producer.heard);
            self.tell(Event::Voice { producer, reading });
            heard
        });
        self.timers.voices_at = (!voices.is_empty()).then_some(now + INTERVAL);
        self.timers.voices = voices;
    }
}
