//! A cluster's certificate authority: makes itself and the nodes' certificates. Never stores them.
#![expect(clippy::disallowed_methods, reason = "a certificate is valid from now on")]

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use starling_proto::{Id, NodeId};

use super::tls::{TlsError, check_dns};

/// How long a CA is good for: longer than clusters keep their machines.
const CA_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long a node's certificate is good for: issuing a new one is one command a year.
const NODE_LIFE: Duration = Duration::from_secs(398 * 86_400);
/// Clocks of machines differ; certificates are valid from this much before they are made.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);

/// A certificate authority with its key.
#[derive(Debug)]
pub struct DevCa {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    /// Certificate.
    pub cert_pem: String,
    /// Key: a secret.
    pub key_pem: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

impl DevCa {
    /// A new one, ECDSA P-256.
    ///
    /// # Errors
    /// [`TlsError::Issue`] if there is no randomness.
    pub fn new() -> Result<Self, TlsError> {
        let mut params = params("Starling cluster CA", CA_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let cert_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), cert_pem })
    }

    /// One that was made earlier.
    ///
    /// # Errors
    /// [`TlsError::Issue`] if either text is not what it should be.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, TlsError> {
        let issuer = Issuer::from_ca_cert_pem(cert_pem, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { issuer, cert_pem: cert_pem.to_owned() })
    }

    /// Its certificate: every node is given it.
    pub fn cert_pem(&self) -> String {
        self.cert_pem.clone()
    }

    /// Its key: a secret. Who has it can be any node.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

/// A certificate for `node`, for both ends of a link.
///
/// # Errors
/// [`TlsError::NotDns`] if the id cannot be a DNS name.
pub fn issue(ca: &DevCa, node: &NodeId) -> Result<Issued, TlsError> {
    check_dns(node)?;
    let mut params = params(node.as_str(), NODE_LIFE)?;
    params.subject_alt_names =
        CertificateParams::new(vec![node.as_str().to_owned()])?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let cert_pem = params.signed_by(&key, &ca.issuer)?.pem();
    Ok(Issued { cert_pem, key_pem: key.serialize_pem() })
}

fn params(name: &str, life: Duration) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now();
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + life).into();
    Ok(params)
}
