//! The node's certificate and the fingerprints of it and of others (RFC 8122). One per process: it
//! identifies nobody, the fingerprint in the signalling does.

use aws_lc_rs::digest::{self, Algorithm};
use starling_proto::transport::DtlsFingerprint;

/// By mediasoup's names, weakest first.
const ALGORITHMS: [(&str, &Algorithm); 5] = [
    ("sha-1", &digest::SHA1_FOR_LEGACY_USE_ONLY),
    ("sha-224", &digest::SHA224),
    ("sha-256", &digest::SHA256),
    ("sha-384", &digest::SHA384),
    ("sha-512", &digest::SHA512),
];

/// A self-signed ECDSA P-256 certificate with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(crate) inner: dtls::crypto::Certificate,
    fingerprints: Vec<DtlsFingerprint>,
}

impl Certificate {
    /// A new one.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn generate() -> Self {
        super::session::install_provider();
        let inner = dtls::crypto::Certificate::generate_self_signed(["starling".to_owned()])
            .expect("a P-256 key signs its own certificate");
        let fingerprints = fingerprints(&inner.certificate[0]);
        Self { inner, fingerprints }
    }

    /// Its fingerprints, for a transport's `dtlsParameters`.
    pub fn fingerprints(&self) -> &[DtlsFingerprint] {
        &self.fingerprints
    }
}

fn fingerprints(der: &[u8]) -> Vec<DtlsFingerprint> {
    let fingerprint = |(name, algorithm): &(&str, &'static Algorithm)| DtlsFingerprint {
        algorithm: (*name).to_owned(),
        value: hash(algorithm, der),
    };
    ALGORITHMS.iter().map(fingerprint).collect()
}

/// Whether `der` is one of the announced certificates, judged by the strongest algorithm announced
/// that we know (RFC 8122 §5).
pub(super) fn matches(der: &[u8], announced: &[DtlsFingerprint]) -> bool {
    for (name, algorithm) in ALGORITHMS.iter().rev() {
        let mut of_this = announced.iter().filter(|it| it.algorithm.eq_ignore_ascii_case(name));
        if let Some(first) = of_this.next() {
            let value = hash(algorithm, der);
            let same = |it: &DtlsFingerprint| it.value.eq_ignore_ascii_case(&value);
            return same(first) || of_this.any(same);
        }
    }
    false
}

/// Upper-case hex pairs with colons.
fn hash(algorithm: &'static Algorithm, der: &[u8]) -> String {
    let pairs: Vec<String> =
        digest::digest(algorithm, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(algorithm: &str, value: &str) -> DtlsFingerprint {
        DtlsFingerprint { algorithm: algorithm.into(), value: value.into() }
    }

    #[test]
    fn a_fingerprint_is_the_hash_in_hex_pairs() {
        let all = fingerprints(b"abc");
        assert_eq!(
            all[0],
            announced("sha-1", "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D")
        );
        assert!(all[2].value.starts_with("BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:"));
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn the_strongest_known_algorithm_decides() {
        let all = fingerprints(b"abc");
        let right = all[2].value.to_lowercase();
        assert!(matches(b"abc", &[announced("SHA-256", &right)]));
        assert!(matches(b"abc", &[announced("sha-256", "00"), announced("sha-256", &right)]));
        assert!(!matches(b"abc", &[announced("sha-512", "00"), announced("sha-256", &right)]));
        assert!(matches(b"abc", &[announced("sha3-512", "00"), announced("sha-256", &right)]));
        assert!(!matches(b"abd", &[announced("sha-256", &right)]));
        assert!(!matches(b"abc", &[announced("md5", &right)]));
        assert!(!matches(b"abc", &[]));
    }

    #[test]
    fn two_nodes_have_different_certificates() {
        let (one, two) = (Certificate::generate(), Certificate::generate());
        assert!(matches(&one.inner.certificate[0], one.fingerprints()));
        assert!(!matches(&one.inner.certificate[0], two.fingerprints()));
    }
}
