//! `starling record`: each track of a room into a file of its own, by ffmpeg or GStreamer on plain
//! RTP. A peer of the room receives for them; it goes when the command ends, however it ends.

use std::{
    net::{IpAddr, UdpSocket},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap_complete::engine::ArgValueCompleter;
use serde_json::Value;
use starling_client::Client;
use starling_proto::{
    ConsumerId, Id, PeerId, ProducerId, RoomId, TransportId,
    rest::{
        ConnectPlainTransport, ConsumerCreated, CreateConsumer, CreatePeer, CreatePlainTransport,
    },
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    live,
    output::{self, Failure, Format, note},
    remote::Remote,
};
use crate::{
    config::value,
    recording::{
        desk::Desk,
        plan::{Track, Wanted, tracks},
        program::Program,
        track::{Asked, Running},
    },
};

/// Between two looks at who sends what.
const LOOK: Duration = Duration::from_secs(1);
/// A room in which nobody has sent anything for so long is over. Longer than a client takes to come
/// back from a node that died.
const EMPTY: Duration = Duration::from_secs(10);
/// Programs at once: each is a process and a file, and more than a machine records in time.
const MOST: usize = 200;

/// Records a room, or some of its tracks, until the room is empty or Ctrl-C.
#[derive(Debug, clap::Args)]
pub(super) struct Record {
    /// The room.
    #[arg(add = ArgValueCompleter::new(live::rooms))]
    room: RoomId,
    /// Only what these peers send.
    #[arg(long, value_delimiter = ',', value_name = "PEER,…")]
    peer: Vec<PeerId>,
    /// Only these sources, as audio, video or screen.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    source: Vec<String>,
    /// Only this producer.
    #[arg(long, value_name = "ID")]
    producer: Option<ProducerId>,
    /// The folder of the files, and of recording.json, which says what is in which.
    #[arg(long, value_name = "FOLDER", default_value = "recording")]
    out: PathBuf,
    /// Ends after so long.
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// Which program writes the files.
    #[arg(long, value_enum, default_value_t)]
    program: Program,
    /// This machine's address, as the node reaches it. [default: that of the route to the node]
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    #[command(flatten)]
    remote: Remote,
}

fn time(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 30s, 10m or 1h".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said, and a program that cannot be started.
pub(super) async fn run(record: Record) -> Result<(), Failure> {
    let client = record.remote.client()?;
    // Making a peer would make the room.
    client.room(&record.room).await?;
    std::fs::create_dir_all(&record.out)
        .map_err(|error| Failure::Failed(format!("{}: {error}", record.out.display())))?;
    let address = match record.address {
        Some(address) => address,
        None => towards(client.server())?,
    };
    let name = format!("recorder-{}", std::process::id());
    let peer = PeerId::parse(&name).expect("letters and digits are an id");
    let wish = CreatePeer::new(peer.clone(), "Recorder");
    client.create_peer(&record.room, &wish).await?;
    let mut session = Session {
        record,
        client,
        peer,
        address,
        running: Vec::new(),
        done: Vec::new(),
        told: Vec::new(),
    };
    let recorded = session.run().await;
    session.end().await;
    recorded?;
    // People were told file by file.
    match session.record.remote.output {
        Format::Table | Format::Wide => Ok(()),
        Format::Name => {
            let files = session.told.iter().filter_map(|told| told["file"].as_str());
            output::print(&files.map(|file| format!("{file}\n")).collect::<String>())
        }
        other => output::value(other, &Value::Array(session.told)),
    }
}

struct Session {
    record: Record,
    client: Client,
    peer: PeerId,
    address: IpAddr,
    running: Vec<Running>,
    /// Producers that were begun, whether they still are or not.
    done: Vec<ProducerId>,
    /// What is told of each file that was begun.
    told: Vec<Value>,
}

impl Session {
    /// Until the room is over, the time is, or somebody ends it.
    async fn run(&mut self) -> Result<(), Failure> {
        let signals = |kind| signal(kind).map_err(|error| Failure::Failed(error.to_string()));
        let mut ends: [Signal; 2] =
            [signals(SignalKind::interrupt())?, signals(SignalKind::terminate())?];
        let begun = Instant::now();
        let mut sent = Instant::now();
        loop {
            if self.look().await? {
                sent = Instant::now();
            }
            if sent.elapsed() >= EMPTY {
                note("nobody sends anything any more");
                return Ok(());
            }
            let left = self.record.duration.map(|all| all.saturating_sub(begun.elapsed()));
            if left == Some(Duration::ZERO) {
                return Ok(());
            }
            let pause = left.map_or(LOOK, |left| left.min(LOOK));
            let [interrupt, terminate] = &mut ends;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
            }
        }
    }

    /// Begins what is new and ends what is over. Whether anything is sent.
    async fn look(&mut self) -> Result<bool, Failure> {
        let peers = match self.client.peers(&self.record.room).await {
            Ok(peers) => peers,
            // Deleted under us, or our node is restarting: the room decides by staying empty.
            Err(error) => {
                note(&format!("{error}"));
                return Ok(false);
            }
        };
        let wanted = Wanted {
            not: &self.peer,
            peers: &self.record.peer,
            sources: &self.record.source,
            producer: self.record.producer.as_ref(),
        };
        let all = tracks(&peers, &wanted);
        let (go_on, over) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running| all.iter().any(|track| track.producer == *running.producer()));
        self.running = go_on;
        for running in over {
            self.stop(running).await;
        }
        for track in &all {
            if !self.done.contains(&track.producer) && self.running.len() < MOST {
                self.done.push(track.producer.clone());
                self.begin(track.clone()).await?;
            }
        }
        Ok(!all.is_empty())
    }

    async fn begin(&mut self, track: Track) -> Result<(), Failure> {
        let Self { record, client, peer, address, .. } = self;
        let desk = Rest { client, room: &record.room, peer };
        let asked = Asked {
            desk: &desk,
            address: *address,
            out: &record.out,
            program: record.program,
            quiet: false,
        };
        match Running::start(&asked, track).await {
            Ok(running) => {
                note(&format!("recording {}", running.file()));
                self.told.push(serde_json::json!(running.told(record.room.as_str())));
                self.running.push(running);
                self.tell()
            }
            // It may have ended in the meantime; that a program is missing is told by all.
            Err(Failure::Refused(refusal)) => {
                note(&format!("not recorded: {}", refusal.message));
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    async fn stop(&self, running: Running) {
        let desk = Rest { client: &self.client, room: &self.record.room, peer: &self.peer };
        note(&running.stop(&desk).await.to_string());
    }

    /// Ends all of it, and says goodbye to the node.
    async fn end(&mut self) {
        for running in std::mem::take(&mut self.running) {
            self.stop(running).await;
        }
        if let Err(error) = self.client.remove_peer(&self.record.room, &self.peer).await
            && !error.is_missing()
        {
            note(&format!("{error}"));
        }
    }

    /// Writes what is in which file.
    fn tell(&self) -> Result<(), Failure> {
        let path = self.record.out.join("recording.json");
        let failed =
            |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
        // Those of earlier runs into the same folder stay.
        let known = std::fs::read(&path).ok();
        let mut all: Vec<Value> =
            known.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        for told in &self.told {
            if !all.contains(told) {
                all.push(told.clone());
            }
        }
        let text = serde_json::to_vec_pretty(&all).map_err(|error| failed(&error))?;
        std::fs::write(&path, text).map_err(|error| failed(&error))
    }
}

/// The node, over REST.
struct Rest<'a> {
    client: &'a Client,
    room: &'a RoomId,
    peer: &'a PeerId,
}

impl Desk for Rest<'_> {
    type Error = Failure;

    fn failed(why: String) -> Failure {
        Failure::Failed(why)
    }

    async fn transport(&self, wish: CreatePlainTransport) -> Result<TransportId, Failure> {
        Ok(self.client.create_plain_transport(self.room, self.peer, &wish).await?.transport_id)
    }

    async fn connect(
        &self,
        transport: &TransportId,
        to: ConnectPlainTransport,
    ) -> Result<(), Failure> {
        self.client.connect_plain_transport(self.room, self.peer, transport, &to).await?;
        Ok(())
    }

    async fn consume(
        &self,
        transport: &TransportId,
        wish: CreateConsumer,
    ) -> Result<ConsumerCreated, Failure> {
        Ok(self.client.consume(self.room, self.peer, transport, &wish).await?)
    }

    async fn resume(&self, consumer: &ConsumerId) -> Result<(), Failure> {
        Ok(self.client.resume_consumer(self.room, self.peer, consumer).await?)
    }

    async fn close(&self, transport: &TransportId) {
        let _ = self.client.remove_transport(self.room, self.peer, transport).await;
    }
}

/// Our address on the way to a server. Connecting a UDP socket sends nothing.
fn towards(server: &str) -> Result<IpAddr, Failure> {
    let authority = server.split("://").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let target = if authority.rsplit(']').next().unwrap_or_default().contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    let found = ["0.0.0.0:0", "[::]:0"].into_iter().find_map(|any| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(&target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    found.ok_or_else(|| {
        Failure::Usage(vec![format!("there is no route to {target}; give --address")])
    })
}
