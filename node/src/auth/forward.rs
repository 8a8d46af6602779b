//! Passes: what one node shows another when it hands on an operator's request, so that the admin
//! token need not travel. Never does: open anything but the one path it names.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use starling_proto::NodeId;

use crate::config::Secret;

/// A pass is used at once; the rest is for clocks that differ.
const LIFE: u64 = 20;
const AUDIENCE: &str = "starling-forward";

/// Issues and verifies passes.
#[derive(Clone)]
pub struct Passes {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Passes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passes")
    }
}

#[derive(Serialize, Deserialize)]
struct Pass {
    aud: String,
    iss: NodeId,
    method: String,
    path: String,
    exp: u64,
}

impl Passes {
    /// With a key of its own, so that nothing else signed with the cluster's secret is a pass.
    pub fn new(cluster_secret: &Secret) -> Self {
        let key = format!("starling forward pass 1\0{}", cluster_secret.expose());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LIFE;
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        Self {
            signing: EncodingKey::from_secret(key.as_bytes()),
            verifying: DecodingKey::from_secret(key.as_bytes()),
            validation,
        }
    }

    /// A pass of `node` for one request.
    pub fn issue(&self, node: &NodeId, method: &str, path: &str) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let pass = Pass {
            aud: AUDIENCE.to_owned(),
            iss: node.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            exp: now.as_secs() + LIFE,
        };
        encode(&Header::new(Algorithm::HS256), &pass, &self.signing)
            .expect("texts and numbers are JSON, and HMAC takes any key")
    }

    /// Which node gave it, if it is a pass for this request.
    pub fn verify(&self, pass: &str, method: &str, path: &str) -> Option<NodeId> {
        let pass = decode::<Pass>(pass, &self.verifying, &self.validation).ok()?.claims;
        (pass.method == method && pass.path == path).then_some(pass.iss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_for_one_request_of_this_cluster() {
        let passes = Passes::new(&Secret::new("pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe"));
        let node: NodeId = "n1".parse().unwrap();
        let pass = passes.issue(&node, "GET", "/v1/rooms/a/peers");
        assert_eq!(passes.verify(&pass, "GET", "/v1/rooms/a/peers"), Some(node));
        assert_eq!(passes.verify(&pass, "DELETE", "/v1/rooms/a/peers"), None);
        assert_eq!(passes.verify(&pass, "GET", "/v1/rooms/b/peers"), None);
        let others = Passes::new(&Secret::new("another"));
        assert_eq!(others.verify(&pass, "GET", "/v1/rooms/a/peers"), None);
        assert_eq!(passes.verify("1", "GET", "/v1/rooms/a/peers"), None);
    }
}
