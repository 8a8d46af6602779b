//! RegistryActor: the only one that waits for the registry. Every answer goes to the node actor as
//! a message, or to whoever asked. Decides nothing.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use starling_cluster::registry::{Registry, RegistryError, Revision};
use starling_proto::{
    Code, Refusal, RevocationId, RoomId, WebhookId,
    registry::{NodeRecord, PresenceRecord, RoomPolicy, RoomRecord, WebhookRecord},
    rest::{PolicyChange, RevocationInfo},
};
use tokio::sync::Semaphore;

use crate::{
    fresh,
    node::{NodeMsg, Reply, revocation_not_found},
};

/// Calls on their way at once: etcd serves thousands a second, and each may wait 2 s.
const MAX_CALLS: usize = 64;

/// Attempts at a record that other nodes change at the same time; each lost race means that another
/// node's was won.
const MAX_RACES: usize = 8;

/// What the registry is asked.
pub(crate) enum RegistryMsg {
    /// Tokens are good no longer.
    Revoke { revocation: RevocationInfo, reply: Reply<()> },
    /// They are again.
    Pardon { id: RevocationId, reply: Reply<()> },
    /// This node's record.
    Register(Box<NodeRecord>),
    /// The room's record; if there is none, this one is written, or a new one. Answered by
    /// [`NodeMsg::RoomRecord`].
    Ensure { room: RoomId, known: Option<RoomRecord> },
    /// This node has peers of a room, or none.
    Presence(RoomId, Option<PresenceRecord>),
    /// Deletes a room's record if it is still at this revision.
    Forget(RoomId, Revision),
    /// A room that stays.
    Create { room: RoomId, policy: RoomPolicy, reply: Reply<RoomRecord> },
    /// Another policy, if it is still the one that was seen.
    SetPolicy {
        room: RoomId,
        change: PolicyChange,
        seen: Option<Box<RoomPolicy>>,
        reply: Reply<RoomRecord>,
    },
    /// No such room any more.
    Delete { room: RoomId, reply: Reply<()> },
    /// Somebody who is told what happens.
    CreateWebhook { id: WebhookId, record: WebhookRecord, reply: Reply<()> },
    /// Nobody any more, if it is still at this revision.
    DeleteWebhook { id: WebhookId, revision: Revision, reply: Reply<()> },
    /// Gives the lease back, then answers.
    Leave(Reply<()>),
}

/// What it is made of.
pub(crate) struct RegistryArgs {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) node: ActorRef<NodeMsg>,
}

pub(crate) struct RegistryState {
    args: RegistryArgs,
    calls: Arc<Semaphore>,
}

/// The actor; see [`RegistryMsg`].
pub(crate) struct RegistryActor;

impl Actor for RegistryActor {
    type Msg = RegistryMsg;
    type State = RegistryState;
    type Arguments = RegistryArgs;

    async fn pre_start(
        &self,
        _myself: ActorRef<RegistryMsg>,
        args: RegistryArgs,
    ) -> Result<RegistryState, ActorProcessingErr> {
        let (mut watch, node) = (args.registry.watch(), args.node.clone());
        tokio::spawn(async move {
            while let Some(event) = watch.recv().await {
                if node.cast(NodeMsg::Registry(event)).is_err() {
                    return;
                }
            }
        });
        Ok(RegistryState { args, calls: Arc::new(Semaphore::new(MAX_CALLS)) })
    }

    /// Presence and the node's record are written in order, here; everything else in tasks of its
    /// own.
    async fn handle(
        &self,
        _myself: ActorRef<RegistryMsg>,
        message: RegistryMsg,
        state: &mut RegistryState,
    ) -> Result<(), ActorProcessingErr> {
        let registry = state.args.registry.clone();
        match message {
            RegistryMsg::Revoke { revocation: RevocationInfo { id, record }, reply } => {
                let within =
                    Duration::from_secs(record.expires_at.saturating_sub(record.created_at));
                state.call(async move {
                    let written = registry.put_revocation(&id, &record, within).await;
                    let _ = reply.send(written.map_err(|error| unavailable(&error)));
                });
            }
            RegistryMsg::Pardon { id, reply } => state.call(async move {
                let _ = reply.send(match registry.delete_revocation(&id).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(revocation_not_found(&id)),
                    Err(error) => Err(unavailable(&error)),
                });
            }),
            RegistryMsg::Register(record) => {
                let registered = registry.register(*record).await;
                state.args.node.cast(NodeMsg::Registered(registered))?;
            }
            RegistryMsg::Presence(room, presence) => {
                // Remembered by the registry if it cannot be written now.
                let _ = registry.set_presence(&room, presence).await;
            }
            RegistryMsg::Leave(reply) => {
                registry.leave().await;
                let _ = reply.send(Ok(()));
            }
            RegistryMsg::Forget(room, revision) => state.call(async move {
                let _ = registry.delete_room(&room, revision).await;
            }),
            RegistryMsg::Ensure { room, known } => {
                let node = state.args.node.clone();
                state.call(async move {
                    let record =
                        ensure(&*registry, &room, known).await.map_err(|e| unavailable(&e));
                    let _ = node.cast(NodeMsg::RoomRecord { room, record });
                });
            }
            RegistryMsg::Create { room, policy, reply } => state.call(async move {
                let _ = reply.send(create(&*registry, &room, policy).await);
            }),
            RegistryMsg::SetPolicy { room, change, seen, reply } => state.call(async move {
                let set = set_policy(&*registry, &room, change, seen.as_deref()).await;
                let _ = reply.send(set);
            }),
            RegistryMsg::Delete { room, reply } => state.call(async move {
                let _ = reply.send(delete(&*registry, &room).await);
            }),
            RegistryMsg::CreateWebhook { id, record, reply } => state.call(async move {
                let written = registry.put_webhook(&id, &record, 0).await;
                let _ = reply.send(written.map(drop).map_err(|error| match error {
                    RegistryError::Conflict => webhook_exists(&id),
                    error => unavailable(&error),
                }));
            }),
            RegistryMsg::DeleteWebhook { id, revision, reply } => state.call(async move {
                let deleted = registry.delete_webhook(&id, revision).await;
                let _ = reply.send(deleted.map_err(|error| unavailable(&error)));
            }),
        }
        Ok(())
    }
}

impl RegistryState {
    fn call(&self, call: impl Future<Output = ()> + Send + 'static) {
        let calls = self.calls.clone();
        tokio::spawn(async move {
            let _permit = calls.acquire().await;
            call.await;
        });
    }
}

async fn ensure(
    registry: &dyn Registry,
    room: &RoomId,
    known: Option<RoomRecord>,
) -> Result<RoomRecord, RegistryError> {
    let new = || RoomRecord { incarnation: fresh::wall_us(), ..RoomRecord::default() };
    let missing = known.unwrap_or_else(new);
    for _ in 0..MAX_RACES {
        if let Some((_, record)) = registry.room(room).await? {
            return Ok(record);
        }
        match registry.put_room(room, &missing, 0).await {
            Ok(_) => return Ok(missing),
            Err(RegistryError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(RegistryError::Conflict)
}

async fn create(
    registry: &dyn Registry,
    room: &RoomId,
    policy: RoomPolicy,
) -> Result<RoomRecord, Refusal> {
    let record = RoomRecord { incarnation: fresh::wall_us(), policy, persistent: true };
    match registry.put_room(room, &record, 0).await {
        Ok(_) => Ok(record),
        Err(RegistryError::Conflict) => {
            Err(Refusal::new(Code::RoomExists, format!("there is a room '{room}' already"))
                .hint("change its policy with PUT /v1/rooms/{room}/policy"))
        }
        Err(error) => Err(unavailable(&error)),
    }
}

async fn set_policy(
    registry: &dyn Registry,
    room: &RoomId,
    change: PolicyChange,
    seen: Option<&RoomPolicy>,
) -> Result<RoomRecord, Refusal> {
    for _ in 0..MAX_RACES {
        let found = registry.room(room).await.map_err(|error| unavailable(&error))?;
        let Some((revision, record)) = found else { return Err(crate::node::room_not_found(room)) };
        if seen.is_some_and(|seen| *seen != record.policy) {
            let message = format!("the policy of room '{room}' has changed since");
            return Err(Refusal::new(Code::PreconditionFailed, message)
                .hint("look at it again, and decide again"));
        }
        let mut record = record;
        change.clone().onto(&mut record.policy);
        match registry.put_room(room, &record, revision).await {
            Ok(_) => return Ok(record),
            Err(RegistryError::Conflict) => {}
            Err(error) => return Err(unavailable(&error)),
        }
    }
    Err(unavailable(&RegistryError::Conflict))
}

async fn delete(registry: &dyn Registry, room: &RoomId) -> Result<(), Refusal> {
    for _ in 0..MAX_RACES {
        let found = registry.room(room).await.map_err(|error| unavailable(&error))?;
        let Some((revision, _)) = found else { return Err(crate::node::room_not_found(room)) };
        match registry.delete_room(room, revision).await {
            Ok(()) => return Ok(()),
            Err(RegistryError::Conflict) => {}
            Err(error) => return Err(unavailable(&error)),
        }
    }
    Err(unavailable(&RegistryError::Conflict))
}

fn webhook_exists(id: &WebhookId) -> Refusal {
    Refusal::new(Code::WebhookExists, format!("there is a webhook '{id}' already"))
        .hint("delete it first, or give another id")
}

/// The registry has not answered for a while.
pub(crate) fn registry_lost() -> Refusal {
    unavailable(&RegistryError::Unavailable("its watch is lost".to_owned()))
}

fn unavailable(error: &RegistryError) -> Refusal {
    Refusal::new(Code::RegistryUnavailable, error.to_string())
        .hint("rooms that this node knows go on; try a new room again when the registry is back")
}
