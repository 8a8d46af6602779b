//! This node's lease and what is written under it: what `cluster::registry::etcd::session` does.

use std::collections::BTreeMap;

use starling_cluster::registry::{Change, WatchEvent};
use starling_proto::{
    RoomId,
    registry::{NodeRecord, PresenceRecord},
};

use crate::sim::{
    ctx::{Ctx, MS, SECOND},
    etcd::TTL,
    event::{Answer, Call},
};

/// How long the registry may be silent before it counts as lost: two keep-alives.
const SILENCE: u64 = 2 * TTL / 3;
/// How soon what was not confirmed is tried again.
const AGAIN: u64 = 2 * SECOND + 500 * MS;

/// See the module.
#[derive(Debug)]
pub(super) struct Registrar {
    node: usize,
    life: u32,
    lease: Option<u64>,
    record: Option<NodeRecord>,
    presence: BTreeMap<RoomId, PresenceRecord>,
    /// What is to be written, and when that was last tried.
    due: BTreeMap<RoomId, (Option<PresenceRecord>, u64)>,
    /// When something was last asked: a lease, a sign of life, the view.
    granted: u64,
    kept: u64,
    synced: u64,
    heard: u64,
    lost: bool,
}

impl Registrar {
    pub(super) fn new(node: usize, life: u32) -> Self {
        Self {
            node,
            life,
            lease: None,
            record: None,
            presence: BTreeMap::new(),
            due: BTreeMap::new(),
            granted: 0,
            kept: 0,
            synced: 0,
            heard: 0,
            lost: false,
        }
    }

    pub(super) fn record(&mut self, ctx: &mut Ctx, record: NodeRecord) {
        self.record = Some(record);
        self.write_record(ctx);
    }

    fn write_record(&self, ctx: &mut Ctx) {
        if let (Some(lease), Some(record)) = (self.lease, self.record.clone()) {
            let record = Box::new(record);
            ctx.ask(self.node, self.life, Call::Node { lease, record });
        }
    }

    pub(super) fn presence(
        &mut self,
        ctx: &mut Ctx,
        room: &RoomId,
        presence: Option<PresenceRecord>,
    ) {
        match &presence {
            Some(presence) => self.presence.insert(room.clone(), presence.clone()),
            None => self.presence.remove(room),
        };
        self.due.insert(room.clone(), (presence, 0));
        self.write_due(ctx);
    }

    fn write_due(&mut self, ctx: &mut Ctx) {
        let Some(lease) = self.lease else { return };
        for (room, (presence, tried)) in &mut self.due {
            if *tried == 0 || ctx.now >= *tried + AGAIN {
                *tried = ctx.now;
                let (room, presence) = (room.clone(), presence.clone());
                ctx.ask(self.node, self.life, Call::Presence { lease, room, presence });
            }
        }
    }

    /// What is due; what it means for the view.
    pub(super) fn tick(&mut self, ctx: &mut Ctx) -> Option<WatchEvent> {
        let (node, life) = (self.node, self.life);
        if self.lease.is_none() && (self.granted == 0 || ctx.now >= self.granted + AGAIN) {
            self.granted = ctx.now;
            ctx.ask(node, life, Call::Grant);
        }
        if let Some(lease) = self.lease.filter(|_| ctx.now >= self.kept + TTL / 3) {
            self.kept = ctx.now;
            ctx.ask(node, life, Call::KeepAlive { lease });
        }
        self.write_due(ctx);
        if !ctx.etcd.follows(node, life) && (self.synced == 0 || ctx.now >= self.synced + AGAIN) {
            self.synced = ctx.now;
            ctx.ask(node, life, Call::Sync);
        }
        let silent = ctx.now >= self.heard + SILENCE;
        (silent && !std::mem::replace(&mut self.lost, silent)).then_some(WatchEvent::Lost)
    }

    /// A change of the log: what it says about this node, and is not as wanted, is due again.
    pub(super) fn on_change(&mut self, ctx: &mut Ctx, change: &Change) {
        if self.record.as_ref().is_some_and(|record| change.takes_back(record)) {
            self.write_record(ctx);
        }
        let wrong = change.contradicts(&super::name(self.node), &self.presence);
        if let Some(room) = wrong.filter(|room| !self.due.contains_key(room)).cloned() {
            let presence = self.presence.get(&room).cloned();
            self.due.insert(room, (presence, 0));
            self.write_due(ctx);
        }
    }

    /// An answer; what it means for the view.
    pub(super) fn on_answer(&mut self, ctx: &mut Ctx, answer: Answer) -> Option<WatchEvent> {
        if answer == Answer::Nothing {
            return None;
        }
        self.heard = ctx.now;
        match answer {
            Answer::Granted { lease } => {
                self.lease = Some(lease);
                self.kept = ctx.now;
                self.write_record(ctx);
                let all = self.presence.iter();
                let all = all.map(|(room, presence)| (room.clone(), (Some(presence.clone()), 0)));
                self.due.extend(all.collect::<Vec<_>>());
                self.write_due(ctx);
            }
            Answer::Gone { lease } if self.lease == Some(lease) => {
                self.lease = None;
                self.granted = 0;
            }
            Answer::Superseded => {
                if let Some(lease) = self.lease.take() {
                    ctx.ask(self.node, self.life, Call::Revoke { lease });
                }
                self.granted = ctx.now;
            }
            Answer::Wrote { room, presence }
                if self.due.get(&room).is_some_and(|(due, _)| *due == presence) =>
            {
                self.due.remove(&room);
            }
            Answer::Synced => {
                self.lost = false;
                let view = ctx.etcd.handed(self.node)?;
                for room in view.contradictions(&super::name(self.node), &self.presence) {
                    let presence = self.presence.get(&room).cloned();
                    self.due.entry(room).or_insert((presence, 0));
                }
                self.write_due(ctx);
                return Some(WatchEvent::Snapshot(view));
            }
            _ => {}
        }
        // It was lost and is back without having missed anything: the view is told anew.
        if std::mem::replace(&mut self.lost, false) && ctx.etcd.follows(self.node, self.life) {
            ctx.ask(self.node, self.life, Call::Sync);
        }
        None
    }
}
