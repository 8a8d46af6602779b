//! One recording while it is made: looks every second at who sends what, and has a program write
//! each track. Decides nothing: `rules` and `plan` do.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use starling_proto::{
    ConsumerId, PeerId, ProducerId, RecordingId,
    rest::{CreateRecordingOf, PeerInfo, RecordingFile},
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};

use super::{
    Shared,
    desk::{Trouble, Within},
    plan::{Track, Wanted, tracks},
    program::Program,
    rules::{End, Seen, judge, now_of},
    shelf::size,
    track::{Asked, Running, last_line},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) id: RecordingId,
    pub(super) desk: Within,
    pub(super) wish: CreateRecordingOf,
    pub(super) address: IpAddr,
    pub(super) folder: PathBuf,
    pub(super) running: Vec<(Running, OwnedSemaphorePermit)>,
    /// Producers that were begun, whether they still are or not.
    pub(super) done: Vec<ProducerId>,
}

impl Session {
    /// Until there is a reason to end, or somebody asks for it.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let began = Instant::now();
        let mut somebody = None;
        let end = loop {
            match self.look(&mut somebody, began).await {
                Ok(()) => {}
                Err(end) => break end,
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => break End::Ended("it was stopped"),
            }
        };
        let desk = &self.desk;
        let all = std::mem::take(&mut self.running);
        join_all(all.into_iter().map(|(running, _)| running.stop(desk))).await;
        let _ = self.desk.node.remove_peer(&self.desk.room, &self.desk.peer).await;
        self.shared.end(&self.id, end);
    }

    /// Begins what is new and ends what is over.
    async fn look(&mut self, somebody: &mut Option<Instant>, began: Instant) -> Result<(), End> {
        let Within { node, room, peer } = &self.desk;
        let peers = node.peers(room).await.unwrap_or_default();
        let objects = node.objects(room, peer).await;
        let now = Instant::now();
        if peers.iter().any(|other| is_somebody(other, peer)) {
            *somebody = Some(now);
        }
        let seen = Seen {
            began,
            longest: Duration::from_secs(self.wish.max_seconds),
            somebody: *somebody,
            has_peer: objects.is_ok(),
            stage: node.drain_info().stage,
            bytes: self.shared.bytes(&self.id, size(&self.folder)),
        };
        if let Some(end) = judge(now, &seen) {
            return Err(end);
        }
        let consumers = objects.map(|objects| objects.consumers).unwrap_or_default();
        let consumers: Vec<_> =
            consumers.into_iter().map(|consumer| (consumer.id, consumer.producer_id)).collect();
        self.follow(&consumers).await?;
        let wanted = Wanted {
            not: &self.desk.peer,
            peers: &self.wish.peers,
            sources: &self.wish.sources,
            producer: self.wish.producer.as_ref(),
        };
        for track in tracks(&peers, &wanted) {
            if !self.done.contains(&track.producer) {
                self.begin(track).await?;
            }
        }
        Ok(())
    }

    /// Sees whose tracks go on under another name, which are over, and which programs have ended.
    async fn follow(&mut self, consumers: &[(ConsumerId, ProducerId)]) -> Result<(), End> {
        let mut go_on = Vec::new();
        for (mut running, permit) in std::mem::take(&mut self.running) {
            let Some(producer) = now_of(running.consumer(), consumers) else {
                let _ = running.stop(&self.desk).await;
                continue;
            };
            // The publisher went on elsewhere: the file goes on.
            if !self.done.contains(producer) {
                self.done.push(producer.clone());
            }
            if let Some(status) = running.ended() {
                let said = last_line(&running.log()).map(|line| format!(": {line}"));
                let why = format!("ffmpeg {status}{}", said.unwrap_or_default());
                go_on.push((running, permit));
                self.running.extend(go_on);
                return Err(End::Failed(why));
            }
            go_on.push((running, permit));
        }
        self.running = go_on;
        Ok(())
    }

    async fn begin(&mut self, track: Track) -> Result<(), End> {
        // As soon as one of another recording ends.
        let Ok(permit) = self.shared.tracks.clone().try_acquire_owned() else { return Ok(()) };
        self.done.push(track.producer.clone());
        let asked = Asked {
            desk: &self.desk,
            address: self.address,
            out: &self.folder,
            program: Program::Ffmpeg,
            quiet: true,
        };
        match Running::start(&asked, track).await {
            Ok(running) => {
                self.shared.add(&self.id, file_of(&running));
                self.running.push((running, permit));
                Ok(())
            }
            // It may have ended in the meantime, or is of a codec that a plain transport cannot
            // carry.
            Err(Trouble::Refused(refusal)) => {
                tracing::info!(recording = %self.id, %refusal, "a track is not recorded");
                Ok(())
            }
            Err(Trouble::Failed(why)) => Err(End::Failed(why)),
        }
    }
}

/// Somebody to record, or to record for: no recorder is.
fn is_somebody(peer: &PeerInfo, recorder: &PeerId) -> bool {
    peer.id != *recorder && peer.device["recorder"] != true
}

fn file_of(running: &Running) -> RecordingFile {
    let (track, began_at) = running.track();
    RecordingFile {
        file: running.file().to_owned(),
        peer: track.peer.clone(),
        producer: track.producer.clone(),
        source: track.source.clone(),
        mime_type: track.mime_type.clone(),
        began_at,
        bytes: 0,
    }
}
