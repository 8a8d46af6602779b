//! `webhook_*` and `admission_*`: what is sent to whom, signed with what.

use std::{ops::RangeInclusive, time::Duration};

use super::Checker;
use crate::{
    config::{Admission, Hooks},
    hooks::address,
};

/// A person waits for this.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Below it no other machine answers; above it clients give up (protoo-client's first answer is due
/// after 22 s, a person's patience ends sooner).
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(10);

impl Checker<'_> {
    pub(super) fn hooks(&mut self) -> Hooks {
        let key = self.raw.value("webhook_key").unwrap_or(Hooks::KEY).to_owned();
        if key.is_empty() {
            self.wrong("webhook_key", "it is empty", "leave it out, or give a name");
        }
        let secret = self.secret("webhook_secret");
        let private = self.parse("webhook_private", "true or false", false);
        let admission = self.admission();
        if admission.is_some() && secret.is_none() {
            let why = "what is asked of admission_url is signed";
            self.missing_secret("webhook_secret", why);
        }
        Hooks { key, secret, private, admission }
    }

    /// Its URL is no stranger's: it may be anywhere, and unencrypted.
    fn admission(&mut self) -> Option<Admission> {
        let timeout = self.duration("admission_timeout", TIMEOUT);
        if !TIMEOUTS.contains(&timeout) {
            self.wrong("admission_timeout", "it is not 50 ms to 10 s", "give one of those");
        }
        let open = match self.raw.value("admission_failure") {
            None | Some("closed") => false,
            Some("open") => true,
            Some(other) => {
                let message = format!("{other:?} is unknown");
                self.wrong("admission_failure", &message, "write open or closed");
                false
            }
        };
        let url = self.raw.value("admission_url")?.to_owned();
        if let Err(refusal) = address::check_form(&url) {
            self.wrong("admission_url", &refusal.message, &refusal.hint);
        }
        Some(Admission { url, timeout, open })
    }
}
