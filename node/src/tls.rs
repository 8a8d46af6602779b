//! The certificate of `listen`: read, judged by its dates, and replaced while clients are
//! connected. Never does: decide when to look again.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::run::RunError;

/// Operators are told so long before a certificate expires: authorities that renew by themselves do
/// so after two thirds of 90 days, and people need a week and a holiday.
const WARN_DAYS: i64 = 14;
const DAY: i64 = 86_400;

/// A certificate with its key, and until when it is good, in seconds since 1970.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    not_after: i64,
}

/// The certificate that new connections get.
#[derive(Debug)]
pub struct Certificates {
    current: RwLock<Arc<CertifiedKey>>,
    not_after: AtomicI64,
}

/// What there is to say of a certificate's dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing.
    Good,
    /// It ends in so many days.
    Ending(i64),
    /// It is over, or has not begun.
    Bad(&'static str),
}

/// Judges by `now`, in seconds since 1970.
pub fn judge(now: i64, not_before: i64, not_after: i64) -> Judgement {
    if now > not_after {
        Judgement::Bad("it has expired: renew it")
    } else if now < not_before {
        Judgement::Bad("it is not valid yet: check the machine's clock")
    } else if not_after - now < WARN_DAYS * DAY {
        Judgement::Ending((not_after - now) / DAY)
    } else {
        Judgement::Good
    }
}

impl Certificate {
    /// Reads chain and key.
    ///
    /// # Errors
    /// [`RunError::File`]: unreadable, not of each other, or not valid now.
    pub fn read((cert, key): &(PathBuf, PathBuf)) -> Result<Self, RunError> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect)
            .map_err(|error| wrong("tls_cert", cert, &error))?;
        let not_after = ends("tls_cert", cert)?;
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("tls_key", key, &error))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = CertifiedKey::from_der(chain, private, &provider)
            .map_err(|error| wrong("tls_key", key, &error))?;
        Ok(Self { key: Arc::new(key), not_after })
    }
}

/// Until when the certificate of a file is good, in seconds since 1970.
///
/// # Errors
/// [`RunError::File`] of this setting if there is none, or it is not good now.
pub fn ends(setting: &'static str, cert: &Path) -> Result<i64, RunError> {
    let first =
        CertificateDer::from_pem_file(cert).map_err(|error| wrong(setting, cert, &error))?;
    let none = || wrong(setting, cert, &"there is no certificate in it");
    let (not_before, not_after) = dates(&first).ok_or_else(none)?;
    match judge(now(), not_before, not_after) {
        Judgement::Bad(why) => Err(wrong(setting, cert, &why)),
        Judgement::Good | Judgement::Ending(_) => Ok(not_after),
    }
}

/// Says in the log if a certificate ends soon.
pub fn warn(setting: &'static str, not_after: i64) {
    match judge(now(), 0, not_after) {
        Judgement::Good => {}
        Judgement::Ending(days) => {
            tracing::warn!(setting, days, "a certificate expires soon: renew it");
        }
        Judgement::Bad(why) => tracing::error!(setting, why, "a certificate is over"),
    }
}

fn wrong(key: &'static str, path: &Path, why: &dyn std::fmt::Display) -> RunError {
    RunError::File(key, path.display().to_string(), why.to_string())
}

fn dates(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Certificates {
    /// Begins with one.
    pub fn new(Certificate { key, not_after }: Certificate) -> Arc<Self> {
        Arc::new(Self { current: RwLock::new(key), not_after: not_after.into() })
    }

    /// Goes on with another. Connections that are open keep their keys.
    pub fn replace(&self, Certificate { key, not_after }: Certificate) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = key;
        self.not_after.store(not_after, Relaxed);
    }

    /// Until when it is good, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.not_after.load(Relaxed)
    }

    /// What takes connections with it.
    pub fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let mut tls =
            rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(self.clone());
        // WebSocket upgrades need HTTP/1.1, and browsers would otherwise choose HTTP/2.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(tls))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_dates() {
        let at = |now| judge(now, 100 * DAY, 190 * DAY);
        assert_eq!(at(99 * DAY), Judgement::Bad("it is not valid yet: check the machine's clock"));
        assert_eq!(at(100 * DAY), Judgement::Good);
        assert_eq!(at(176 * DAY), Judgement::Good);
        assert_eq!(at(176 * DAY + 1), Judgement::Ending(13));
        assert_eq!(at(190 * DAY), Judgement::Ending(0));
        assert_eq!(at(190 * DAY + 1), Judgement::Bad("it has expired: renew it"));
    }
}
