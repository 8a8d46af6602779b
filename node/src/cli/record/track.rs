//! One track that is recorded: a plain transport, a consumer on it, and the program that takes it.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use starling_client::Client;
use starling_proto::{
    PeerId, ProducerId, RoomId, TransportId,
    rest::{ConnectPlainTransport, CreateConsumer, CreatePlainTransport},
    transport::PlainAddress,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::{plan::Track, program::Program};
use crate::cli::output::Failure;

/// How long a program may take to listen: ffmpeg needs a tenth of a second, on a busy machine
/// several.
const LISTENS: Duration = Duration::from_secs(10);
/// How long it may take to write the end of its file.
const ENDS: Duration = Duration::from_secs(10);
/// Pairs of ports tried: others take ports meanwhile, but not this many in a row.
const TRIES: usize = 50;

/// For whom and where.
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    pub(super) room: &'a RoomId,
    pub(super) peer: &'a PeerId,
    pub(super) address: IpAddr,
    pub(super) out: &'a Path,
    pub(super) program: Program,
}

/// A line of recording.json.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told<'a> {
    room: &'a str,
    peer: &'a PeerId,
    producer: &'a ProducerId,
    source: &'a str,
    mime_type: &'a str,
    file: &'a str,
    /// Milliseconds since 1970 when the node began to send: files are put beside each other by it.
    began_at: u64,
}

/// A program at work.
pub(super) struct Running {
    track: Track,
    file: String,
    path: PathBuf,
    sdp: PathBuf,
    transport: TransportId,
    child: Child,
    began_at: u64,
}

impl Running {
    /// Starts the program, and what it records once it listens.
    ///
    /// # Errors
    /// What the node said, and a program that does not start.
    pub(super) async fn start(asked: &Asked<'_>, track: Track) -> Result<Self, Failure> {
        let Asked { client, room, peer, address, out, program } = *asked;
        let port = pair(address).ok_or_else(|| {
            Failure::Failed("no two neighbouring UDP ports are free on this machine".to_owned())
        })?;
        let plain = CreatePlainTransport { rtcp_mux: false, ..CreatePlainTransport::default() };
        let transport = client.create_plain_transport(room, peer, &plain).await?.transport_id;
        let to = PlainAddress { ip: address, port, rtcp_port: Some(port + 1) };
        let to = ConnectPlainTransport { address: Some(to), srtp_parameters: None };
        client.connect_plain_transport(room, peer, &transport, &to).await?;
        let wish = CreateConsumer {
            producer_id: track.producer.clone(),
            rtp_capabilities: None,
            paused: true,
            ignore_dtx: false,
            preferred_layers: None,
            enable_rtx: None,
            mid: None,
        };
        let consumer = client.consume(room, peer, &transport, &wish).await?;
        let file = track.file();
        let (path, sdp) = (out.join(&file), out.join(format!("{file}.sdp")));
        let failed = |path: &Path, error: &dyn std::fmt::Display| {
            Failure::Failed(format!("{}: {error}", path.display()))
        };
        let described = consumer.sdp.as_deref().unwrap_or_default();
        fs::write(&sdp, described).map_err(|error| failed(&sdp, &error))?;
        let words = program
            .arguments(
                consumer.kind,
                &consumer.rtp_parameters,
                port,
                &sdp.to_string_lossy(),
                &path.to_string_lossy(),
            )
            .map_err(Failure::Failed)?;
        let mut child = Command::new(program.binary())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            // Ctrl-C is for us: we end it when the last packet is there.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                Failure::Failed(format!("{} cannot be started: {error}", program.binary()))
            })?;
        let end = Instant::now() + LISTENS;
        while !listens(port) {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(Failure::Failed(format!("{} ended: {status}", program.binary())));
            }
            if Instant::now() > end {
                return Err(Failure::Failed(format!("{} does not listen", program.binary())));
            }
            sleep(Duration::from_millis(20)).await;
        }
        client.resume_consumer(room, peer, &consumer.consumer_id).await?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began_at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Ok(Self { track, file, path, sdp, transport, child, began_at })
    }

    /// What it records.
    pub(super) const fn producer(&self) -> &ProducerId {
        &self.track.producer
    }

    /// Its file's name.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// For recording.json.
    pub(super) fn told<'a>(&'a self, room: &'a str) -> Told<'a> {
        let Track { peer, producer, source, mime_type, .. } = &self.track;
        let (file, began_at) = (self.file.as_str(), self.began_at);
        Told { room, peer, producer, source, mime_type, file, began_at }
    }

    /// Has the program write the end of its file; what came of it.
    pub(super) async fn stop(mut self, client: &Client, room: &RoomId, peer: &PeerId) -> String {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = kill_process(pid, Signal::INT);
        }
        let ended = timeout(ENDS, self.child.wait()).await;
        if ended.is_err() {
            let _ = self.child.kill().await;
        }
        // Gone with its producer, or with the room.
        let _ = client.remove_transport(room, peer, &self.transport).await;
        let _ = fs::remove_file(&self.sdp);
        let bytes = fs::metadata(&self.path).map_or(0, |data| data.len());
        match (ended, bytes) {
            (Err(_), _) => format!("{} was cut: its program did not end", self.file),
            (Ok(_), 0) => format!("{} is empty: nothing came", self.file),
            (Ok(_), bytes) => format!("{} is complete, {} kB", self.file, bytes / 1_000),
        }
    }
}

/// An even port whose neighbour is free, too, as RTP wants it (RFC 3550 §11).
fn pair(address: IpAddr) -> Option<u16> {
    (0..TRIES).find_map(|_| {
        let any = SocketAddr::new(address, 0);
        let port = UdpSocket::bind(any).ok()?.local_addr().ok()?.port() & !1;
        let free = |port| UdpSocket::bind(SocketAddr::new(address, port)).is_ok();
        (port > 1_023 && free(port) && free(port + 1)).then_some(port)
    })
}

/// Whether somebody has a UDP port, as the kernel tells.
fn listens(port: u16) -> bool {
    ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .any(|file| fs::read_to_string(file).is_ok_and(|table| has_port(&table, port)))
}

fn has_port(table: &str, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    let local = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    table.lines().skip(1).filter_map(local).any(|local| local.ends_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_found_in_the_kernels_table() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when";
        let line = "  1: 0100007F:1B58 00000000:0000 07 00000000:00000000 00:00000000 00000000";
        let table = format!("{head}\n{line}\n");
        assert!(has_port(&table, 7_000));
        assert!(!has_port(&table, 0) && !has_port(&table, 7_001));
    }

    #[test]
    fn a_pair_is_even_and_free() {
        let port = pair([127, 0, 0, 1].into()).unwrap();
        assert!(port.is_multiple_of(2) && UdpSocket::bind(("127.0.0.1", port + 1)).is_ok());
        let held = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        assert!(listens(port));
        drop(held);
    }
}
