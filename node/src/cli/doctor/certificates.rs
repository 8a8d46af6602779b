//! Whether certificates are good now, are for this node, and have their key.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use starling_proto::Id;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::{addresses, finding::Finding};
use crate::config::Config;

const CHECK: &str = "certificates";
/// From here on it is time to make another.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Looks at all of them.
pub(super) fn examine(config: &Config, now: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some((cert, key)) = &config.http.tls {
        let name = addresses::host_of(&config.http.api_url);
        let fix = "have one made for the host of api_url, or change api_url";
        found.extend(pair("tls_cert", cert, "tls_key", key, name, fix, now));
    }
    if let Some([_, cert, key]) = &config.link.tls {
        let fix = format!("`starling pki issue {}` makes one, for this id", config.id);
        found.extend(pair("link_cert", cert, "link_key", key, config.id.as_str(), &fix, now));
    }
    found
}

fn pair(
    cert_key: &str,
    cert: &Path,
    key_key: &str,
    key: &Path,
    name: &str,
    fix: &str,
    now: SystemTime,
) -> Vec<Finding> {
    let read = |setting: &str, path: &Path| {
        fs::read(path).map_err(|error| {
            let message = format!("{setting}: {} cannot be read: {error}", path.display());
            vec![Finding::wrong(CHECK, message, "name a file that the node's user may read")]
        })
    };
    let (cert_pem, key_pem) = match (read(cert_key, cert), read(key_key, key)) {
        (Ok(cert), Ok(key)) => (cert, key),
        (Err(found), _) | (_, Err(found)) => return found,
    };
    let mut found = judge(cert_key, &cert_pem, &key_pem, name, fix, now);
    if found.is_empty() {
        found.push(Finding::fine(CHECK, format!("{cert_key} is good, and for {name}")));
    }
    found
}

/// What is wrong with a certificate and its key.
fn judge(
    setting: &str,
    cert_pem: &[u8],
    key_pem: &[u8],
    name: &str,
    fix: &str,
    now: SystemTime,
) -> Vec<Finding> {
    let wrong = |what: String, fix: &str| Finding::wrong(CHECK, format!("{setting} {what}"), fix);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert_pem).collect();
    let chain = chain.unwrap_or_default();
    let first = chain.first().and_then(|der| X509Certificate::from_der(der).ok());
    let Some((_, parsed)) = first else {
        return vec![wrong("has no certificate in PEM".to_owned(), "give the chain as PEM")];
    };
    let mut found = Vec::new();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let (from, to) = (parsed.validity().not_before, parsed.validity().not_after);
    let days = |seconds: i64| seconds.unsigned_abs() / 86_400;
    if seconds > to.timestamp() {
        let ago = days(seconds - to.timestamp());
        found.push(wrong(format!("expired {ago} days ago, on {to}"), fix));
    } else if seconds < from.timestamp() {
        let what = format!("is not good before {from}");
        found.push(wrong(what, "wait, or set this machine's clock"));
    } else if to.timestamp() - seconds < i64::try_from(SOON.as_secs()).unwrap_or(i64::MAX) {
        let left = days(to.timestamp() - seconds);
        found.push(Finding::odd(CHECK, format!("{setting} expires in {left} days, on {to}"), fix));
    }
    if !is_for(&parsed, name) {
        found.push(wrong(format!("is not for {name}"), fix));
    }
    if !fits(&chain, key_pem) {
        found.push(wrong("and its key do not belong together".to_owned(), fix));
    }
    found
}

/// Whether the certificate names a host. `*.example.org` is for one label (RFC 9525 §6.3).
fn is_for(cert: &X509Certificate<'_>, name: &str) -> bool {
    let Ok(Some(names)) = cert.subject_alternative_name() else { return false };
    let ip = name.parse::<std::net::IpAddr>().ok();
    names.value.general_names.iter().any(|known| match known {
        GeneralName::DNSName(known) => {
            known.eq_ignore_ascii_case(name)
                || known.strip_prefix("*.").is_some_and(|domain| {
                    let rest = name.split_once('.').map(|(_, rest)| rest);
                    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
                })
        }
        GeneralName::IPAddress(bytes) => match ip {
            Some(std::net::IpAddr::V4(ip)) => *bytes == ip.octets(),
            Some(std::net::IpAddr::V6(ip)) => *bytes == ip.octets(),
            None => false,
        },
        _ => false,
    })
}

fn fits(chain: &[CertificateDer<'static>], key_pem: &[u8]) -> bool {
    let Ok(key) = PrivateKeyDer::from_pem_slice(key_pem) else { return false };
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let Ok(builder) = builder.with_safe_default_protocol_versions() else { return false };
    builder.with_no_client_auth().with_single_cert(chain.to_vec(), key).is_ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Good in all of 2026.
    fn made(names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    /// Days since the beginning of 2026.
    fn day(n: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600 + n * 86_400)
    }

    fn told(names: &[&str], name: &str, at: SystemTime) -> Vec<String> {
        let (cert, key) = made(names);
        let found = judge("tls_cert", cert.as_bytes(), key.as_bytes(), name, "fix", at);
        found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_good_certificate_is_good() {
        assert!(told(&["sfu.example.org"], "sfu.example.org", day(100)).is_empty());
        assert!(told(&["*.example.org"], "n1.example.org", day(100)).is_empty());
        assert!(told(&["203.0.113.7"], "203.0.113.7", day(100)).is_empty());
    }

    #[test]
    fn time_and_name_are_looked_at() {
        let names = &["sfu.example.org"];
        assert!(told(names, "sfu.example.org", day(400))[0].contains("expired 35 days ago"));
        assert!(told(names, "sfu.example.org", day(360))[0].contains("expires in 5 days"));
        let early = told(names, "sfu.example.org", UNIX_EPOCH);
        assert!(early[0].contains("is not good before"), "{early:?}");
        assert_eq!(
            told(names, "other.example.org", day(1)),
            ["tls_cert is not for other.example.org"]
        );
        assert_eq!(told(&["*.example.org"], "a.b.example.org", day(1)).len(), 1);
    }

    #[test]
    fn a_key_of_another_certificate_is_found() {
        let (cert, _) = made(&["a.example.org"]);
        let (_, key) = made(&["a.example.org"]);
        let of = |key: &str| {
            judge("tls_cert", cert.as_bytes(), key.as_bytes(), "a.example.org", "fix", day(1))
        };
        assert!(of(&key)[0].message.contains("do not belong together"));
        assert_eq!(of("nonsense").len(), 1);
    }

    #[test]
    fn what_is_no_certificate_is_found() {
        let found = judge("tls_cert", b"hello", b"", "a", "fix", day(1));
        assert!(found[0].message.contains("no certificate"));
    }
}
