//! Whether etcd is there, and lets us in; and which nodes it knows.

use std::time::Duration;

use starling_cluster::registry::{RegistryError, WatchEvent};
use starling_proto::{Id, RoomId, registry::NodeRecord};
use tokio::time::timeout;

use super::finding::Finding;
use crate::{config::Config, registry};

const CHECK: &str = "etcd";
/// Each member is tried for 2 s by itself.
const PATIENCE: Duration = Duration::from_secs(7);
/// A room that nobody makes.
const NOBODY: &str = "starling-doctor";

/// Reads as a node would.
pub(super) async fn examine(config: &Config) -> (Vec<Finding>, Vec<NodeRecord>) {
    let registry = match registry::connect(config) {
        Ok(registry) => registry,
        Err(error) => {
            let fix = "name files that the node's user may read, and a CA in PEM";
            return (vec![Finding::wrong(CHECK, error.to_string(), fix)], Vec::new());
        }
    };
    let room = RoomId::parse(NOBODY).expect("letters and dashes are an id");
    let mut found = Vec::new();
    // Another member may answer where one does not.
    for _ in 0..3 {
        match timeout(PATIENCE, registry.room(&room)).await {
            Ok(Ok(_)) => {
                found = vec![Finding::fine(CHECK, "it answers, and lets this node read")];
                break;
            }
            Ok(Err(error)) => found = vec![judge(&error)],
            Err(_) => found = vec![judge(&RegistryError::Unavailable("no answer".to_owned()))],
        }
    }
    if found.first().is_some_and(|finding| finding.level != super::Level::Ok) {
        return (found, Vec::new());
    }
    let mut watch = registry.watch();
    let nodes = match timeout(PATIENCE, watch.recv()).await {
        Ok(Some(WatchEvent::Snapshot(view))) => view.nodes.into_values().collect(),
        _ => Vec::new(),
    };
    (found, nodes)
}

/// What an error of etcd means.
fn judge(error: &RegistryError) -> Finding {
    let text = error.to_string();
    let lower = text.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if any(&["authentication failed", "invalid user", "invalid auth", "user name is empty"]) {
        return Finding::wrong(
            CHECK,
            format!("it does not let this node in: {text}"),
            "set etcd_user and etcd_password_file to a user that etcd knows",
        );
    }
    if any(&["permission denied"]) {
        return Finding::wrong(
            CHECK,
            format!("its user may not do what a node does: {text}"),
            "`etcdctl role grant-permission ROLE --prefix=true readwrite PREFIX`, with etcd_prefix",
        );
    }
    if any(&["certificate", "tls", "handshake"]) {
        return Finding::wrong(
            CHECK,
            format!("it is not the etcd that etcd_ca vouches for, or wants a certificate: {text}"),
            "etcd_ca is the authority of etcd's own certificate; etcd_cert and etcd_key are ours",
        );
    }
    Finding::wrong(
        CHECK,
        text,
        "is it running? `curl URL/health` with the URLs of the setting etcd; is 2379 let through?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says_is_told_with_what_helps() {
        let fix = |text: &str| judge(&RegistryError::Unavailable(text.to_owned())).fix;
        assert!(
            fix("etcdserver: authentication failed, invalid user ID or password")
                .contains("etcd_user")
        );
        assert!(fix("etcdserver: user name is empty").contains("etcd_user"));
        assert!(fix("etcdserver: permission denied").contains("grant-permission"));
        assert!(fix("invalid peer certificate: UnknownIssuer").contains("etcd_ca"));
        assert!(fix("no answer within 2s").contains("running"));
    }
}
