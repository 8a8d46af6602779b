//! Who is told what happens, as the registry has it: the same on every node. Never does: tell them.

use std::{collections::BTreeMap, sync::Arc};

use starling_proto::{Code, Refusal, WebhookId, registry::WebhookRecord};
use tokio::sync::watch;

use super::{
    Node, Reply,
    actor::{NodeMsg, NodeTree},
    ask,
};
use crate::{
    limits::WEBHOOKS,
    registry_actor::{RegistryMsg, registry_lost},
};

/// All there are, by id.
pub type Webhooks = Arc<BTreeMap<WebhookId, WebhookRecord>>;

impl Node {
    /// The webhooks of the cluster, now and whenever they change; nothing until the registry has
    /// told.
    pub fn webhooks(&self) -> watch::Receiver<Option<Webhooks>> {
        self.shared.webhooks.subscribe()
    }

    /// Makes one.
    ///
    /// # Errors
    /// `webhook_exists`, `limit_reached`, `registry_unavailable`.
    pub async fn create_webhook(
        &self,
        id: &WebhookId,
        record: WebhookRecord,
    ) -> Result<(), Refusal> {
        let id = id.clone();
        ask(&self.actor, |reply| NodeMsg::CreateWebhook { id, record, reply }).await
    }

    /// Deletes one.
    ///
    /// # Errors
    /// `webhook_not_found`, `registry_unavailable`.
    pub async fn delete_webhook(&self, id: &WebhookId) -> Result<(), Refusal> {
        let id = id.clone();
        ask(&self.actor, |reply| NodeMsg::DeleteWebhook { id, reply }).await
    }
}

impl NodeTree {
    /// More than are allowed, which two nodes can make at the same moment, are told nothing: the
    /// same ones on every node.
    pub(super) fn publish_webhooks(&self) {
        let known = self.view.webhooks().iter().take(WEBHOOKS);
        let known: BTreeMap<_, _> =
            known.map(|(id, (_, record))| (id.clone(), record.clone())).collect();
        self.shared.webhooks.send_if_modified(|told| {
            let changed = told.as_deref() != Some(&known);
            if changed {
                *told = Some(Arc::new(known));
            }
            changed
        });
    }

    pub(super) fn create_webhook(&self, id: WebhookId, record: WebhookRecord, reply: Reply<()>) {
        if self.registry_is_lost() {
            return drop(reply.send(Err(registry_lost())));
        }
        if self.view.webhooks().len() >= WEBHOOKS && !self.view.webhooks().contains_key(&id) {
            let message = format!("there are {WEBHOOKS} webhooks already");
            let refusal = Refusal::new(Code::LimitReached, message);
            return drop(reply.send(Err(refusal.hint("delete one that is not used any more"))));
        }
        let _ = self.registry.cast(RegistryMsg::CreateWebhook { id, record, reply });
    }

    pub(super) fn delete_webhook(&self, id: WebhookId, reply: Reply<()>) {
        if self.registry_is_lost() {
            return drop(reply.send(Err(registry_lost())));
        }
        let Some((revision, _)) = self.view.webhooks().get(&id) else {
            let refusal =
                Refusal::new(Code::WebhookNotFound, format!("there is no webhook '{id}'"));
            return drop(reply.send(Err(refusal.hint("GET /v1/webhooks lists them"))));
        };
        let revision = *revision;
        let _ = self.registry.cast(RegistryMsg::DeleteWebhook { id, revision, reply });
    }
}
