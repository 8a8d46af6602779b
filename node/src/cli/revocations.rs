//! `starling token revoke`, `revocations` and `pardon`: which room tokens are good no longer.

use std::time::Duration;

use starling_client::Client;
use starling_proto::{
    PeerId, RevocationId, RoomId,
    rest::{RevocationInfo, RevokeTokens},
    time::Timestamp,
};

use super::{
    done::Done,
    output::{Failure, Line, or_dash},
    remote::Remote,
};
use crate::config::value;

/// Which tokens. Of several of these, those that are all of it.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Which {
    /// This one; nothing else is needed then.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// The one with this id (its `jti`), as `token create -o json` shows it.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Those for this room.
    #[arg(long)]
    room: Option<RoomId>,
    /// Those for this peer.
    #[arg(long)]
    peer: Option<PeerId>,
    /// Those issued longer ago than this, as 10m; without it and --id, all until now.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    older_than: Option<Duration>,
}

fn ago(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 10m or 2h".to_owned())
}

impl Which {
    fn read(self, now: u64, reason: String) -> RevokeTokens {
        let Self { text, id, room, peer, older_than } = self;
        let issued_before = older_than.map(|ago| now.saturating_sub(ago.as_secs()));
        RevokeTokens {
            token: text,
            token_id: id,
            room,
            peer,
            issued_before,
            expires_at: None,
            reason,
        }
    }
}

impl Line for RevocationInfo {
    const HEAD: &'static [&'static str] =
        &["revocation", "room", "peer", "token", "issued before", "until", "by", "reason"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let record = &self.record;
        let any = |text: Option<String>| text.unwrap_or_else(|| "any".to_owned());
        let before = record.issued_before.map(time).unwrap_or_default();
        vec![
            self.name(),
            any(record.room.as_ref().map(ToString::to_string)),
            any(record.peer.as_ref().map(ToString::to_string)),
            any(record.token_id.clone()),
            or_dash(before),
            time(record.expires_at),
            or_dash(record.by.as_str()),
            or_dash(record.reason.as_str()),
        ]
    }
}

/// `2026-11-30T04:05:06Z`, to the second.
fn time(unix: u64) -> String {
    let text = Timestamp { unix_ms: unix.saturating_mul(1_000) }.to_string();
    text.get(..19).map_or(text.clone(), |seconds| format!("{seconds}Z"))
}

/// Revokes.
///
/// # Errors
/// What the node said.
pub(super) async fn revoke(
    remote: &Remote,
    client: &Client,
    which: Which,
    (now, reason): (u64, String),
) -> Result<(), Failure> {
    remote.show(&client.revoke_tokens(&which.read(now, reason)).await?)
}

/// Takes one back.
///
/// # Errors
/// What the node said.
pub(super) async fn pardon(
    remote: &Remote,
    client: &Client,
    id: &RevocationId,
) -> Result<(), Failure> {
    client.lift_revocation(id).await?;
    let to: [(_, &dyn ToString); 1] = [("revocation", id)];
    remote.done(&Done::new("pardon", &to, format!("revocation {id} is lifted")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_revoked_is_what_is_all_that_was_given() {
        let which = Which {
            text: None,
            id: None,
            room: Some("demo".parse().unwrap()),
            peer: None,
            older_than: Some(Duration::from_secs(600)),
        };
        let wish = json!(which.read(1_000, "leaked".into()));
        assert_eq!(wish, json!({"room": "demo", "issuedBefore": 400, "reason": "leaked"}));
    }

    #[test]
    fn a_revocation_is_a_line_with_times_of_day() {
        let info: RevocationInfo = serde_json::from_value(json!({
            "id": "r1", "room": "demo", "issuedBefore": 0, "expiresAt": 86_400, "createdAt": 5
        }))
        .unwrap();
        let line = "r1|demo|any|any|1970-01-01T00:00:00Z|1970-01-02T00:00:00Z|-|-";
        assert_eq!(info.cells().join("|"), line);
    }
}
