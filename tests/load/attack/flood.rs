//! Datagrams at a rate, from as many addresses as there are sockets, on a thread of their own.
//! Bounded in count by who starts it; ends when dropped.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::sys::{Name, Outbox, bind};

/// Datagrams in a burst: what one system call sends.
const BURST: u64 = 64;
/// Of a socket that only sends, and hears a little.
const BUFFER: usize = 256 * 1024;
/// Addresses of loopback that strangers have: 127.0.0.1 to 127.0.0.250.
const HOSTS: usize = 250;

/// Sockets of strangers: on other hosts of loopback and, every 250th, on the clients' own.
pub(crate) fn strangers(count: usize) -> io::Result<Vec<UdpSocket>> {
    let host = |n: usize| Ipv4Addr::new(127, 0, 0, 1 + (n % HOSTS) as u8);
    (0..count).map(|n| bind(SocketAddrV4::new(host(n), 0), BUFFER, false)).collect()
}

/// What was answered to strangers: datagrams and bytes.
pub(crate) fn answered(sockets: &[UdpSocket]) -> (u64, u64) {
    let mut buffer = [0; 2_048];
    let (mut datagrams, mut bytes) = (0, 0);
    for socket in sockets {
        let _ = socket.set_nonblocking(true);
        while let Ok((len, _)) = socket.recv_from(&mut buffer) {
            datagrams += 1;
            bytes += len as u64;
        }
        let _ = socket.set_nonblocking(false);
    }
    (datagrams, bytes)
}

/// See the module.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<Vec<UdpSocket>>>,
}

impl Flood {
    /// Sends `count` datagrams that `make` writes, given their number.
    pub(crate) fn start(
        sockets: Vec<UdpSocket>,
        to: SocketAddrV4,
        per_second: u32,
        count: u64,
        mut make: impl FnMut(u64, &mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ends, counts) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let (mut outbox, name) = (Outbox::new(), Name::new(to));
            let (mut bytes, mut batch) = (Vec::new(), Vec::new());
            let pause = Duration::from_secs_f64(BURST as f64 / f64::from(per_second.max(1)));
            let mut due = Instant::now();
            for burst in 0..count.div_ceil(BURST) {
                if ends.load(Relaxed) {
                    break;
                }
                bytes.clear();
                batch.clear();
                for n in burst * BURST..((burst + 1) * BURST).min(count) {
                    let start = bytes.len();
                    make(n, &mut bytes);
                    batch.push((name, start..bytes.len(), bytes.len() - start));
                }
                outbox.send(&sockets[burst as usize % sockets.len()], &bytes, &batch);
                counts.fetch_add(batch.len() as u64, Relaxed);
                due += pause;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            sockets
        });
        Self { stop, sent, thread: Some(thread) }
    }

    /// Waits for its end; datagrams sent, and its sockets.
    pub(crate) async fn done(mut self) -> (u64, Vec<UdpSocket>) {
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let sockets = self.thread.take().and_then(|thread| thread.join().ok());
        (self.sent.load(Relaxed), sockets.unwrap_or_default())
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> (u64, Vec<UdpSocket>) {
        self.stop.store(true, Relaxed);
        self.done().await
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
