//! Recordings: a room, or some of it, into files in a folder of the node, by ffmpeg on plain RTP.
//! A peer of the room receives for it, and the others are told that it records. Nothing is decoded.
//! `plan`, `program` and `track` serve `starling record`, too. Never does: move a file elsewhere.

pub(crate) mod desk;
pub(crate) mod plan;
pub(crate) mod program;
mod rules;
mod session;
mod shelf;
pub(crate) mod track;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use rand::Rng;
use serde_json::json;
use starling_actors::{Metric, Node};
use starling_proto::{
    Code, Id, PeerId, RecordingId, Refusal,
    rest::{
        CreatePeer, CreateRecording, CreateRecordingOf, Happening, RecordingFile, RecordingInfo,
        RecordingState,
    },
    time::Timestamp,
};
use tokio::{sync::Semaphore, sync::watch, time::timeout};

use self::{desk::Within, rules::End, session::Session, shelf::Shelf};
use crate::config::{self, Config};

/// Recordings under way at once; each looks at its room every second.
const MOST: usize = 32;
/// Tracks at once, of all of them: each is a process and a file, and more than a machine of a few
/// cores writes beside forwarding.
const TRACKS: usize = 64;
/// Recordings that are kept, over or not. More are a list that nobody reads.
const KEPT: usize = 1_000;
/// Most peers or sources that a recording names.
const NAMED: usize = 64;
/// How long a recording may take to end: ffmpeg has ten seconds to write the end of a file.
const ENDS: Duration = Duration::from_secs(13);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Recordings(Arc<Shared>);

struct Shared {
    node: Node,
    settings: config::Recordings,
    /// Absent: nothing is recorded.
    shelf: Option<Shelf>,
    /// Where ffmpeg is reached by the node.
    address: IpAddr,
    tracks: Arc<Semaphore>,
    failed: AtomicU64,
    all: Mutex<BTreeMap<RecordingId, Entry>>,
    /// Told when one is over.
    over: watch::Sender<u64>,
}

struct Entry {
    info: RecordingInfo,
    stop: watch::Sender<bool>,
}

impl Recordings {
    /// With what an earlier process of this node left.
    pub fn new(node: Node, config: &Config) -> Self {
        let settings = config.recordings.clone();
        let shelf = settings.folder.clone().map(Shelf::new);
        let listen = config.rtc.listen.first().copied();
        let shared = Arc::new(Shared {
            node,
            settings,
            shelf,
            address: local(listen),
            tracks: Arc::new(Semaphore::new(TRACKS)),
            failed: AtomicU64::new(0),
            all: Mutex::default(),
            over: watch::Sender::new(0),
        });
        shared.take_up();
        Self(shared)
    }

    /// Begins one.
    ///
    /// # Errors
    /// `wrong_state` where nothing is recorded, `bad_request`, `room_not_found`, `limit_reached`.
    pub async fn start(&self, wish: CreateRecording) -> Result<RecordingInfo, Refusal> {
        let shared = &self.0;
        let shelf = shared.shelf.as_ref().ok_or_else(off)?;
        let wish = shared.checked(wish)?;
        // Making a peer would make the room.
        shared.node.room(&wish.room).await?;
        let (info, stop) = shared.enter(wish)?;
        match shared.open(shelf, &info).await {
            Ok(session) => {
                let Within { room, node, .. } = &session.desk;
                let (recording, room, of) = (info.id.clone(), room.clone(), node.id().clone());
                shared.node.tell(Happening::RecordingStarted { recording, room, node: of });
                tokio::spawn(session.run(stop));
                Ok(info)
            }
            Err(refusal) => {
                shared.all().remove(&info.id);
                Err(refusal)
            }
        }
    }

    /// All of this node.
    pub fn list(&self) -> Vec<RecordingInfo> {
        self.0.all().values().map(|entry| entry.info.clone()).collect()
    }

    /// One of this node.
    pub fn find(&self, id: &RecordingId) -> Option<RecordingInfo> {
        self.0.all().get(id).map(|entry| entry.info.clone())
    }

    /// Ends one; returns when its files are whole.
    ///
    /// # Errors
    /// `recording_not_found`; `timeout` if it takes too long.
    pub async fn stop(&self, id: &RecordingId) -> Result<RecordingInfo, Refusal> {
        let mut over = self.0.over.subscribe();
        let stop = self.0.all().get(id).map(|entry| entry.stop.clone());
        stop.ok_or_else(|| not_found(id))?.send_replace(true);
        let is_over =
            |_: &u64| self.find(id).is_none_or(|info| info.state != RecordingState::Recording);
        let _ = timeout(ENDS, over.wait_for(is_over)).await;
        let info = self.find(id).ok_or_else(|| not_found(id))?;
        if info.state == RecordingState::Recording {
            return Err(Refusal::new(Code::Timeout, "its programs take long to end")
                .hint("look at it again in a few seconds"));
        }
        Ok(info)
    }

    /// Ends all of them, because the node ends.
    pub async fn end(&self) {
        let all = self.list().into_iter();
        let under_way = all.filter(|info| info.state == RecordingState::Recording);
        let stops = under_way.map(|info| async move { self.stop(&info.id).await });
        futures::future::join_all(stops).await;
    }

    /// Deletes one that is over, with its files.
    ///
    /// # Errors
    /// `recording_not_found`, `wrong_state` while it is recorded.
    pub async fn delete(&self, id: &RecordingId) -> Result<(), Refusal> {
        let info = self.find(id).ok_or_else(|| not_found(id))?;
        self.check_over(&info)?;
        let shelf = self.0.shelf.clone().ok_or_else(off)?;
        let of = id.clone();
        let removed = tokio::task::spawn_blocking(move || shelf.remove(&of)).await;
        match removed {
            Ok(Ok(())) => {}
            // Somebody else has removed it.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(Err(error)) => {
                let message = format!("its files cannot be removed: {error}");
                return Err(Refusal::new(Code::Internal, message));
            }
            Err(_) => return Err(Refusal::new(Code::Internal, "removing its files failed")),
        }
        self.0.all().remove(id);
        Ok(())
    }

    /// Whether one may be deleted.
    ///
    /// # Errors
    /// `wrong_state`.
    pub fn check_over(&self, info: &RecordingInfo) -> Result<(), Refusal> {
        if info.state != RecordingState::Recording {
            return Ok(());
        }
        Err(Refusal::new(Code::WrongState, "it is being recorded").hint("stop it first"))
    }

    /// Figures.
    pub fn metrics(&self) -> Vec<Metric> {
        let all = self.list();
        let under_way = all.iter().filter(|info| info.state == RecordingState::Recording).count();
        let bytes: u64 = all.iter().map(|info| info.bytes).sum();
        let help = [
            "Recordings under way.",
            "What all recordings take, in bytes.",
            "Recordings that ended before they should.",
        ];
        vec![
            Metric::gauge("starling_recordings", help[0], under_way as f64),
            Metric::gauge("starling_recordings_bytes", help[1], bytes as f64),
            Metric::counter(
                "starling_recordings_failed_total",
                help[2],
                self.0.failed.load(Relaxed),
            ),
        ]
    }
}

impl Shared {
    /// What an earlier process left; what it was at is lost.
    fn take_up(&self) {
        let Some(shelf) = &self.shelf else { return };
        for mut info in shelf.read() {
            if info.state == RecordingState::Recording {
                shelf.end_orphans(&info.id);
                info.state = RecordingState::Lost;
                info.reason = "its node ended while it recorded".to_owned();
                info.ended_at = Some(now());
                (info.bytes, info.files) = measured(shelf, &info);
                let _ = shelf.write(&info);
                self.tell_failed(&info);
            }
            let entry = Entry { info, stop: watch::Sender::new(true) };
            self.all().insert(entry.info.id.clone(), entry);
        }
    }

    fn checked(&self, wish: CreateRecording) -> Result<CreateRecordingOf, Refusal> {
        let CreateRecording { room, peers, sources, producer, max_seconds, node: _ } = wish;
        let longest = self.settings.longest.as_secs();
        let max_seconds = max_seconds.unwrap_or(longest);
        let wrong = |message: String| Err(Refusal::new(Code::BadRequest, message));
        if max_seconds == 0 || max_seconds > longest {
            return wrong(format!(
                "a recording takes 1 to {longest} seconds (recordings_max_time)"
            ));
        }
        if peers.len() > NAMED || sources.len() > NAMED {
            return wrong(format!("at most {NAMED} peers and sources are named"));
        }
        Ok(CreateRecordingOf { room, peers, sources, producer, max_seconds })
    }

    /// Takes a place for it.
    fn enter(
        &self,
        wish: CreateRecordingOf,
    ) -> Result<(RecordingInfo, watch::Receiver<bool>), Refusal> {
        let mut all = self.all();
        let full =
            |message: String, hint| Err(Refusal::new(Code::LimitReached, message).hint(hint));
        let infos = all.values().map(|entry| &entry.info);
        let under_way =
            infos.clone().filter(|info| info.state == RecordingState::Recording).count();
        if under_way >= MOST {
            return full(format!("this node makes {MOST} recordings already"), "use another node");
        }
        let delete = "delete some: DELETE /v1/recordings/{recording}";
        if all.len() >= KEPT {
            return full(format!("this node keeps {KEPT} recordings already"), delete);
        }
        let most = self.settings.most_bytes;
        if infos.map(|info| info.bytes).sum::<u64>() >= most {
            return full(format!("the recordings of this node take {most} bytes already"), delete);
        }
        let info = RecordingInfo {
            id: new_id(),
            node: self.node.id().clone(),
            wish,
            state: RecordingState::Recording,
            reason: String::new(),
            started_at: now(),
            ended_at: None,
            bytes: 0,
            files: Vec::new(),
        };
        let (stop, stopped) = watch::channel(false);
        all.insert(info.id.clone(), Entry { info: info.clone(), stop });
        Ok((info, stopped))
    }

    async fn open(
        self: &Arc<Self>,
        shelf: &Shelf,
        info: &RecordingInfo,
    ) -> Result<Session, Refusal> {
        let folder = shelf.make(info).map_err(|error| {
            Refusal::new(Code::WrongState, format!("its folder cannot be made: {error}"))
                .hint("recordings_dir must be a folder that the node may write to")
        })?;
        let name = format!("recorder-{:.8}", info.id.to_string());
        let peer = PeerId::parse(&name).expect("letters and digits are an id");
        let wish = CreatePeer {
            device: json!({ "flag": "recorder", "name": "Starling", "recorder": true }),
            ..CreatePeer::new(peer.clone(), "Recorder")
        };
        if let Err(refusal) = self.node.create_peer(&info.wish.room, wish).await {
            let _ = shelf.remove(&info.id);
            return Err(refusal);
        }
        Ok(Session {
            shared: self.clone(),
            id: info.id.clone(),
            desk: Within { node: self.node.clone(), room: info.wish.room.clone(), peer },
            wish: info.wish.clone(),
            address: self.address,
            folder,
            running: Vec::new(),
            done: Vec::new(),
        })
    }

    /// Notes what one takes; what all do, and may.
    fn bytes(&self, id: &RecordingId, bytes: u64) -> (u64, u64) {
        let mut all = self.all();
        if let Some(entry) = all.get_mut(id) {
            entry.info.bytes = bytes;
        }
        (all.values().map(|entry| entry.info.bytes).sum(), self.settings.most_bytes)
    }

    /// One has another file.
    fn add(&self, id: &RecordingId, file: RecordingFile) {
        self.change(id, |info| info.files.push(file));
    }

    /// One is over.
    fn end(&self, id: &RecordingId, end: End) {
        let info = self.change(id, |info| {
            let (state, reason) = match end {
                End::Ended(why) => (RecordingState::Ended, why.to_owned()),
                End::Failed(why) => (RecordingState::Failed, why),
            };
            (info.state, info.reason, info.ended_at) = (state, reason, Some(now()));
            if let Some(shelf) = &self.shelf {
                (info.bytes, info.files) = measured(shelf, info);
            }
        });
        if let Some(info) = info {
            if info.state == RecordingState::Failed {
                tracing::warn!(recording = %id, reason = info.reason, "a recording failed");
                self.tell_failed(&info);
            } else {
                let RecordingInfo { id: recording, node, reason, bytes, .. } = info;
                let room = info.wish.room;
                self.node.tell(Happening::RecordingEnded { recording, room, node, reason, bytes });
            }
        }
        self.over.send_modify(|count| *count += 1);
    }

    fn tell_failed(&self, info: &RecordingInfo) {
        self.failed.fetch_add(1, Relaxed);
        let RecordingInfo { id: recording, node, reason, .. } = info.clone();
        let lost = info.state == RecordingState::Lost;
        let room = info.wish.room.clone();
        self.node.tell(Happening::RecordingFailed { recording, room, node, reason, lost });
    }

    fn change(
        &self,
        id: &RecordingId,
        change: impl FnOnce(&mut RecordingInfo),
    ) -> Option<RecordingInfo> {
        let mut all = self.all();
        let entry = all.get_mut(id)?;
        change(&mut entry.info);
        let info = entry.info.clone();
        drop(all);
        if let Some(Err(error)) = self.shelf.as_ref().map(|shelf| shelf.write(&info)) {
            tracing::warn!(recording = %id, %error, "what a recording is was not written down");
        }
        Some(info)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<RecordingId, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How large it and each of its files is.
fn measured(shelf: &Shelf, info: &RecordingInfo) -> (u64, Vec<RecordingFile>) {
    let folder = shelf.folder(&info.id);
    let mut files = info.files.clone();
    for file in &mut files {
        file.bytes = std::fs::metadata(folder.join(&file.file)).map_or(0, |data| data.len());
    }
    (shelf::size(&folder), files)
}

/// An address of this machine that media can be sent to from where the node listens.
fn local(listen: Option<IpAddr>) -> IpAddr {
    match listen {
        Some(ip) if !ip.is_unspecified() => ip,
        Some(IpAddr::V6(_)) => [0u16, 0, 0, 0, 0, 0, 0, 1].into(),
        _ => [127, 0, 0, 1].into(),
    }
}

fn new_id() -> RecordingId {
    let id = format!("{:032x}", rand::rng().random::<u128>());
    RecordingId::parse(&id).expect("hexadecimal digits are an id")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp { unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}

fn off() -> Refusal {
    Refusal::new(Code::WrongState, "this node records nothing")
        .hint("give it a folder with recordings_dir, and ffmpeg")
}

/// For whoever names one that is not there.
pub(crate) fn not_found(id: &RecordingId) -> Refusal {
    Refusal::new(Code::RecordingNotFound, format!("there is no recording '{id}'"))
        .hint("GET /v1/recordings lists those of all nodes that answer")
}

#[cfg(test)]
mod tests;
