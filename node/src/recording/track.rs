//! One track that is recorded: a plain transport, a consumer on it, and the program that takes it.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use starling_proto::{
    ConsumerId, PeerId, ProducerId, TransportId,
    rest::{ConnectPlainTransport, CreateConsumer, CreatePlainTransport},
    transport::PlainAddress,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::{desk::Desk, plan::Track, program::Program};

/// How long a program may take to listen: ffmpeg needs a tenth of a second, on a busy machine
/// several.
const LISTENS: Duration = Duration::from_secs(10);
/// How long it may take to write the end of its file.
const ENDS: Duration = Duration::from_secs(10);
/// Pairs of ports tried: others take ports meanwhile, but not this many in a row.
const TRIES: usize = 50;

/// For whom and where.
pub(crate) struct Asked<'a, D> {
    pub(crate) desk: &'a D,
    /// Of this machine, as the node reaches it.
    pub(crate) address: IpAddr,
    pub(crate) out: &'a Path,
    pub(crate) program: Program,
    /// What the program says goes into a file beside its own.
    pub(crate) quiet: bool,
}

/// A line of `starling record`'s recording.json.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told<'a> {
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
pub(crate) struct Running {
    track: Track,
    file: String,
    path: PathBuf,
    sdp: PathBuf,
    transport: TransportId,
    consumer: ConsumerId,
    child: Child,
    began_at: u64,
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    file: String,
    /// The program wrote the end of its file.
    whole: bool,
    bytes: u64,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, whole, bytes } = self;
        match (whole, bytes) {
            (false, _) => write!(f, "{file} was cut: its program did not end"),
            (true, 0) => write!(f, "{file} is empty: nothing came"),
            (true, bytes) => write!(f, "{file} is complete, {} kB", bytes / 1_000),
        }
    }
}

impl Running {
    /// Starts the program, and what it records once it listens. What was made is ended again if
    /// that fails.
    ///
    /// # Errors
    /// What the node said, and a program that does not start.
    pub(crate) async fn start<D: Desk>(
        asked: &Asked<'_, D>,
        track: Track,
    ) -> Result<Self, D::Error> {
        let plain = CreatePlainTransport { rtcp_mux: false, ..CreatePlainTransport::default() };
        let transport = asked.desk.transport(plain).await?;
        let started = Self::on(asked, track, transport.clone()).await;
        if started.is_err() {
            asked.desk.close(&transport).await;
        }
        started
    }

    async fn on<D: Desk>(
        asked: &Asked<'_, D>,
        track: Track,
        transport: TransportId,
    ) -> Result<Self, D::Error> {
        let Asked { desk, address, out, program, quiet } = *asked;
        let port = pair(address).ok_or_else(|| {
            D::failed("no two neighbouring UDP ports are free on this machine".to_owned())
        })?;
        let to = PlainAddress { ip: address, port, rtcp_port: Some(port + 1) };
        let to = ConnectPlainTransport { address: Some(to), srtp_parameters: None };
        desk.connect(&transport, to).await?;
        let wish = CreateConsumer {
            producer_id: track.producer.clone(),
            rtp_capabilities: None,
            paused: true,
            ignore_dtx: false,
            preferred_layers: None,
            enable_rtx: None,
            mid: None,
        };
        let consumer = desk.consume(&transport, wish).await?;
        let file = track.file();
        let (path, sdp) = (out.join(&file), out.join(format!("{file}.sdp")));
        let failed = |path: &Path, error: &dyn fmt::Display| {
            D::failed(format!("{}: {error}", path.display()))
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
            .map_err(D::failed)?;
        let told = if quiet {
            let log = log_of(&path);
            Stdio::from(fs::File::create(&log).map_err(|error| failed(&log, &error))?)
        } else {
            Stdio::inherit()
        };
        let child = Command::new(program.binary())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(told)
            .kill_on_drop(true)
            // Ctrl-C is for us: we end it when the last packet is there.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                D::failed(format!("{} cannot be started: {error}", program.binary()))
            })?;
        let mut running = Self {
            track,
            file,
            path,
            sdp,
            transport,
            consumer: consumer.consumer_id,
            child,
            began_at: 0,
        };
        running.listening(program, port).await.map_err(D::failed)?;
        desk.resume(&running.consumer).await?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        running.began_at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Ok(running)
    }

    /// Waits until the program has its port.
    async fn listening(&mut self, program: Program, port: u16) -> Result<(), String> {
        let end = Instant::now() + LISTENS;
        while !listens(port) {
            if let Some(status) = self.ended() {
                let said = last_line(&self.log()).map(|line| format!(": {line}"));
                return Err(format!("{} {status}{}", program.binary(), said.unwrap_or_default()));
            }
            if Instant::now() > end {
                return Err(format!("{} does not listen", program.binary()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What it records, and when it began, in milliseconds since 1970.
    pub(crate) const fn track(&self) -> (&Track, u64) {
        (&self.track, self.began_at)
    }

    /// What it began with.
    pub(crate) const fn producer(&self) -> &ProducerId {
        &self.track.producer
    }

    /// For recording.json.
    pub(crate) fn told<'a>(&'a self, room: &'a str) -> Told<'a> {
        let Track { peer, producer, source, mime_type, .. } = &self.track;
        let (file, began_at) = (self.file.as_str(), self.began_at);
        Told { room, peer, producer, source, mime_type, file, began_at }
    }

    /// What it gets it by. Of a publisher that goes on elsewhere it is the same.
    pub(crate) const fn consumer(&self) -> &ConsumerId {
        &self.consumer
    }

    /// Its file's name.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// What it said, if that goes into a file.
    pub(crate) fn log(&self) -> PathBuf {
        log_of(&self.path)
    }

    /// How the program ended, if it has by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("ended by itself ({status})"))
    }

    /// Has the program write the end of its file; what came of it.
    pub(crate) async fn stop<D: Desk>(mut self, desk: &D) -> Stopped {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = kill_process(pid, Signal::INT);
        }
        let whole = timeout(ENDS, self.child.wait()).await.is_ok();
        if !whole {
            let _ = self.child.kill().await;
        }
        // Gone with its producer, or with the room.
        desk.close(&self.transport).await;
        let _ = fs::remove_file(&self.sdp);
        let bytes = fs::metadata(&self.path).map_or(0, |data| data.len());
        Stopped { file: self.file, whole, bytes }
    }
}

fn log_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.log"))
}

/// The end of a file: what a program said last.
pub(crate) fn last_line(path: &Path) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(1_000)..]).into_owned();
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(200).collect())
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
