//! Planes among fake clients, with literal times: no socket, no clock, no sleep.

mod bench;
mod forwarding;
mod webrtc;
