//! Planes among fake clients, with literal times: no socket, no clock, no sleep.

mod allocations;
mod bench;
mod bottleneck;
mod camera;
mod encrypted;
mod forwarding;
mod h265;
mod idle;
mod inspect;
mod latency;
mod narrowing;
mod pipes;
mod plain;
mod redundancy;
mod relays;
mod repair;
mod replace;
mod replay;
mod reports;
mod rules;
mod screen;
mod simulcast;
mod soak;
mod succeed;
mod svc_pipes;
mod voices;
mod webrtc;
mod world;

impl super::Plane {
    /// Nothing is remembered of anything that went.
    fn is_empty(&self) -> bool {
        self.transports.is_empty()
            && self.producers.is_empty()
            && self.consumers.is_empty()
            && self.transport_keys.is_empty()
            && self.producer_keys.is_empty()
            && self.consumer_keys.is_empty()
            && self.tuples.is_empty()
            && self.ufrags.is_empty()
            && self.sockets.is_empty()
            && self.pipes.is_empty()
            && self.fan_out_due.is_empty()
            && self.send_due.is_empty()
            && self.timers.missing.is_empty()
            && self.timers.feedback.is_empty()
            && self.timers.paced.is_empty()
            && self.timers.replaying.is_empty()
            && self.timers.estimated.is_empty()
            && self.timers.watched.is_empty()
            && self.timers.reminders.is_empty()
            && self.timers.voices.is_empty()
    }
}
