//! A producer's new packets to all its consumers: each is judged by the consumer's output and
//! leaves a reference in its transport's queue. Per consumer all packets of a batch at once, so
//! that its state is loaded once, and what one receiver gets is one run.

use std::time::Instant;

use crate::{
    consumer::{Consumer, Offer, Place, Source},
    producer::Producer,
};

use super::{
    Plane,
    transport::{Item, MAX_QUEUE, Transport},
};

/// What a consumer's share of a batch made necessary.
#[derive(Clone, Copy, Debug, Default)]
struct After {
    started: bool,
    ask: u32,
    dropped: u64,
}

impl Plane {
    /// Hands a producer's pending packets on.
    pub(super) fn fan_out(&mut self, now: Instant, index: usize) {
        let Some(producer) = self.producers.get_mut(index) else { return };
        if producer.pending.is_empty() {
            return;
        }
        let mut reports = std::mem::take(&mut self.scratch.places);
        let mut again = std::mem::take(&mut self.scratch.key_frames);
        reports.clear();
        again.clear();
        let producer = &self.producers[index];
        let mut changed = false;
        for &place in &producer.consumers {
            let consumer = &mut self.consumers[place as usize];
            if !consumer.active {
                continue;
            }
            let transport = &mut self.transports[consumer.transport];
            let after = offer_batch(now, (index, producer), (place, consumer), transport);
            self.counters.dropped_queue_full += after.dropped;
            if !transport.queue.is_empty() && !std::mem::replace(&mut transport.queued, true) {
                self.send_due.push(consumer.transport as u32);
            }
            if after.started || consumer.has_untold_layers() {
                reports.push(place);
                changed |= after.started;
            }
            for encoding in 0..producer.streams.len() {
                if after.ask & (1 << encoding) != 0 {
                    again.push((index, encoding));
                }
            }
        }
        self.producers[index].pending.clear();
        for (index, encoding) in again.drain(..) {
            self.request_key_frame(now, index, encoding);
        }
        for place in reports.drain(..) {
            self.tell_start(place as usize);
            self.tell_layers(place as usize);
            self.tell_consumer_score(place as usize);
            self.report_if_due(now, place as usize);
        }
        self.scratch.places = reports;
        self.scratch.key_frames = again;
        if changed {
            self.update_wanted(now, index);
        }
    }
}

fn offer_batch(
    now: Instant,
    (index, producer): (usize, &Producer),
    (place, consumer): (u32, &mut Consumer),
    transport: &mut Transport,
) -> After {
    let mut after = After::default();
    let target = consumer.target();
    for pending in &producer.pending {
        let encoding = pending.encoding;
        let position = consumer.output_of(encoding);
        let Some(output) = consumer.outputs.get_mut(position) else { continue };
        let Some(stream) = producer.streams[usize::from(encoding)].as_deref() else { continue };
        let Some(packet) = stream.ring.slot(pending.slot) else { continue };
        let source = Source { encoding, uid: stream.uid };
        let mut push = |place_in_stream: Place| {
            if transport.queue.len() >= MAX_QUEUE {
                after.dropped += 1;
                return;
            }
            transport.queue.push(Item {
                consumer: place,
                order: transport.queue.len() as u32,
                producer: index as u32,
                uid: source.uid,
                encoding,
                output: position as u8,
                again: false,
                rtx: false,
                probe: false,
                past: false,
                kept: false,
                place: place_in_stream,
            });
        };
        match output.offer(now, source, pending.slot, packet, &producer.streams, target) {
            Offer::Nothing => {}
            Offer::AskAgain => after.ask |= 1 << encoding,
            Offer::Send(found) => push(found),
            Offer::Started(found) => {
                push(found);
                output.overtaken(now, &stream.ring, pending.slot, target, &mut push);
                after.started = true;
            }
        }
    }
    for output in &mut consumer.outputs {
        output.stats.end_batch(now);
    }
    after
}
