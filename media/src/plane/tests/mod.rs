//! Planes among fake clients, with literal times: no socket, no clock, no sleep.

mod allocations;
mod bench;
mod camera;
mod forwarding;
mod idle;
mod pipes;
mod plain;
mod repair;
mod replace;
mod simulcast;
mod webrtc;
