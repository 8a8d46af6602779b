//! Room tokens that are good no longer, as the registry has them: told to whoever reads tokens.
//! Never does: read one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use starling_cluster::registry::{Change, WatchEvent};
use starling_proto::{
    Code, Refusal, RevocationId, registry::RevocationRecord, rest::RevocationInfo,
};
use tokio::{sync::watch, time::timeout};

use super::{
    Node, Reply,
    actor::{NodeMsg, NodeTree},
    ask,
    shared::Shared,
};
use crate::{
    limits::REVOCATIONS,
    registry_actor::{RegistryMsg, registry_lost},
};

/// How long a change may take to come back to the node that wrote it: etcd's watch needs
/// milliseconds.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);

/// All of them.
pub type Revocations = Arc<BTreeMap<RevocationId, RevocationRecord>>;

impl Shared {
    /// What the registry says of them, if it says anything.
    pub(super) fn on_revocations(&self, event: &WatchEvent) {
        match event {
            WatchEvent::Snapshot(view) => {
                let known = |known: &Revocations| **known == view.revocations;
                self.revocations.send_if_modified(|all| {
                    let same = known(all);
                    if !same {
                        *all = Arc::new(view.revocations.clone());
                    }
                    !same
                });
            }
            WatchEvent::Change(Change::Revocation(id, record)) => {
                self.revocations.send_modify(|all| {
                    let all = Arc::make_mut(all);
                    match record {
                        Some(record) => all.insert(id.clone(), record.clone()),
                        None => all.remove(id),
                    };
                });
            }
            _ => {}
        }
    }
}

impl NodeTree {
    pub(super) fn revoke(&self, revocation: RevocationInfo, reply: Reply<()>) {
        if self.registry_is_lost() {
            let _ = reply.send(Err(registry_lost()));
            return;
        }
        if self.shared.revocations.borrow().len() >= REVOCATIONS {
            let message = format!("{REVOCATIONS} revocations are kept already");
            let _ = reply.send(Err(Refusal::new(Code::LimitReached, message).hint(
                "revoke by room, by peer or by time instead of token by token, or take a key out",
            )));
            return;
        }
        let _ = self.registry.cast(RegistryMsg::Revoke { revocation, reply });
    }

    pub(super) fn pardon(&self, id: RevocationId, reply: Reply<()>) {
        if self.registry_is_lost() {
            let _ = reply.send(Err(registry_lost()));
            return;
        }
        let _ = self.registry.cast(RegistryMsg::Pardon { id, reply });
    }
}

impl Node {
    /// Room tokens that are good no longer, from now on.
    pub fn revocations(&self) -> watch::Receiver<Revocations> {
        self.shared.revocations.subscribe()
    }

    /// Has tokens be good no longer, on every node. Returns when this one knows.
    ///
    /// # Errors
    /// `registry_unavailable`, `limit_reached`.
    pub async fn revoke(&self, revocation: RevocationInfo) -> Result<(), Refusal> {
        let id = revocation.id.clone();
        ask(&self.actor, |reply| NodeMsg::Revoke { revocation, reply }).await?;
        self.knows(|all| all.contains_key(&id)).await;
        Ok(())
    }

    /// Takes that back.
    ///
    /// # Errors
    /// `registry_unavailable`, `revocation_not_found`.
    pub async fn pardon(&self, id: RevocationId) -> Result<(), Refusal> {
        let of = id.clone();
        ask(&self.actor, |reply| NodeMsg::Pardon { id, reply }).await?;
        self.knows(|all| !all.contains_key(&of)).await;
        Ok(())
    }

    async fn knows(&self, is_so: impl Fn(&Revocations) -> bool) {
        let mut all = self.revocations();
        // It is written; whoever cannot wait for more hears of it a moment later.
        let _ = timeout(KNOWN_WITHIN, all.wait_for(is_so)).await;
    }
}

/// For whoever names one that is not there.
pub(crate) fn revocation_not_found(id: &RevocationId) -> Refusal {
    Refusal::new(Code::RevocationNotFound, format!("there is no revocation '{id}'"))
        .hint("it may have ended; GET /v1/tokens/revocations lists them")
}
