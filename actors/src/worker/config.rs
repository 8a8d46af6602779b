//! What a worker starts from.

use std::{
    net::IpAddr,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

/// Kernel buffer of a shared socket in bytes, each way: 4 MiB is 35 ms of a saturated 1 Gbit/s
/// link, longer than any turn; the default 212 KiB drops bursts of key frames.
pub const SHARED_BUFFER: usize = 4 << 20;
/// Kernel buffer of a plain transport's socket in bytes, each way: one peer's burst.
pub const PLAIN_BUFFER: usize = 1 << 20;

/// What a worker starts from.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Which of the node's workers; names its thread.
    pub index: usize,
    /// Addresses of the shared sockets: at most one IPv4 (socket 0) and one IPv6 (socket 1).
    pub listen: Vec<IpAddr>,
    /// Port of the shared sockets; 0: any.
    pub port: u16,
    /// Listen for TCP connections at the same addresses and port.
    pub tcp: bool,
    /// Address of the sockets of plain transports.
    pub plain_ip: IpAddr,
    /// Ports of plain transports; `None`: ephemeral ones.
    pub plain_ports: Option<RangeInclusive<u16>>,
    /// Of the plane's random numbers.
    pub seed: u64,
    /// Now.
    pub start: Instant,
    /// Wall clock time at `start`, since 1970.
    pub wall: Duration,
    /// Kernel buffer of each shared socket in bytes, each way.
    pub shared_buffer: usize,
    /// Kernel buffer of each plain socket in bytes, each way.
    pub plain_buffer: usize,
}

impl WorkerConfig {
    /// A worker on these addresses with default buffers and ephemeral plain ports on the first of
    /// them.
    pub fn new(index: usize, listen: Vec<IpAddr>, port: u16) -> Self {
        let plain_ip = listen.first().copied().unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            index,
            listen,
            port,
            tcp: true,
            plain_ip,
            plain_ports: None,
            seed: rand::random(),
            start: Instant::now(),
            wall,
            shared_buffer: SHARED_BUFFER,
            plain_buffer: PLAIN_BUFFER,
        }
    }
}
