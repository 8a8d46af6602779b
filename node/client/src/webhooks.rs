//! `/v1/webhooks`: who is told what happens.

use starling_proto::{
    WebhookId,
    rest::{CreateWebhook, DeadLetters, Redelivered, Webhook, WebhookTried},
};

use crate::{Client, Error};

impl Client {
    /// All webhooks, with how each node fares with them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.list("/v1/webhooks").await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn webhook(&self, id: &WebhookId) -> Result<Webhook, Error> {
        self.get(&format!("/v1/webhooks/{id}")).await
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_webhook(&self, wish: &CreateWebhook) -> Result<Webhook, Error> {
        self.post("/v1/webhooks", wish).await
    }

    /// Deletes one; what waits for it is forgotten.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_webhook(&self, id: &WebhookId) -> Result<(), Error> {
        self.delete(&format!("/v1/webhooks/{id}")).await
    }

    /// Has an event sent to it now, once.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn try_webhook(&self, id: &WebhookId) -> Result<WebhookTried, Error> {
        self.post(&format!("/v1/webhooks/{id}/try"), &()).await
    }

    /// What was given up last for it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn dead_letters(&self, id: &WebhookId) -> Result<DeadLetters, Error> {
        self.get(&format!("/v1/webhooks/{id}/dead-letters")).await
    }

    /// Has that sent once more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn redeliver(&self, id: &WebhookId) -> Result<Redelivered, Error> {
        self.post(&format!("/v1/webhooks/{id}/redeliver"), &()).await
    }
}
