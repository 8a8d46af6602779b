//! Who may be on a link: TLS 1.3 with certificates of the cluster's own CA on both sides, and the
//! node id as the certificate's DNS name. Never decides whether a node is wanted.

use std::{any::Any, sync::Arc};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use starling_proto::{Id, NodeId};
use x509_parser::{extensions::GeneralName, prelude::FromDer};

pub use super::ca::issue;

use super::ca::DevCa;

/// The application protocol of links: nothing else may end up talking to this port.
pub const ALPN: &[u8] = b"starling-link/1";

/// Why certificates are of no use for links.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text holds no such thing.
    #[error("{what} is not readable as PEM: {source}")]
    Pem {
        /// CA certificate, certificate or key.
        what: &'static str,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM text without a certificate.
    #[error("{0} holds no certificate")]
    Empty(&'static str),
    /// Certificate, key and CA do not fit each other or TLS.
    #[error("certificate, key and CA do not fit: {0}")]
    Rustls(#[from] rustls::Error),
    /// A certificate could not be made or read.
    #[error("certificate cannot be made: {0}")]
    Issue(#[from] rcgen::Error),
    /// Certificates carry node ids as DNS names.
    #[error(
        "node id {0} is no DNS name; use letters, digits, '-' and '.', not only digits at the end"
    )]
    NotDns(NodeId),
    /// The certificate is somebody else's.
    #[error("certificate is for {found:?}, not for node {node}; issue one with DNS name {node}")]
    WrongNode {
        /// Whose it should be.
        node: NodeId,
        /// DNS names in it.
        found: Vec<String>,
    },
}

/// A node's side of mutual TLS.
#[derive(Clone)]
pub struct LinkTls {
    pub(super) client: Arc<QuicClientConfig>,
    pub(super) server: Arc<QuicServerConfig>,
    names: Vec<String>,
}

impl std::fmt::Debug for LinkTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkTls").field("names", &self.names).finish_non_exhaustive()
    }
}

impl LinkTls {
    /// The cluster's CA certificate(s), this node's certificate (chain) and its key, as PEM.
    ///
    /// # Errors
    /// [`TlsError`] names what is wrong.
    pub fn from_pem(ca: &str, cert: &str, key: &str) -> Result<Self, TlsError> {
        let chain = certificates(cert, "the node certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|source| TlsError::Pem { what: "the node key", source })?;
        Self::new(certificates(ca, "the CA certificate")?, chain, key, ALPN)
    }

    /// A certificate for `node` that lives as long as the process: for development and tests.
    ///
    /// # Errors
    /// [`TlsError::NotDns`] if the id cannot be a DNS name.
    pub fn ephemeral(ca: &DevCa, node: &NodeId) -> Result<Self, TlsError> {
        let issued = issue(ca, node)?;
        Self::from_pem(&ca.cert_pem(), &issued.cert_pem, &issued.key_pem)
    }

    /// Both configurations, from parsed parts.
    pub(super) fn new(
        ca: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        alpn: &[u8],
    ) -> Result<Self, TlsError> {
        let names = chain.first().map(dns_names).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        for certificate in ca {
            roots.add(certificate)?;
        }
        let (roots, provider) = (Arc::new(roots), provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|e| rustls::Error::General(e.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.alpn_protocols = vec![alpn.to_vec()];
        // A resumed session would outlive the certificate it was checked with.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});

        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        client.alpn_protocols = vec![alpn.to_vec()];
        client.resumption = Resumption::disabled();

        let quic =
            |e: quinn::crypto::rustls::NoInitialCipherSuite| rustls::Error::General(e.to_string());
        Ok(Self {
            client: Arc::new(QuicClientConfig::try_from(client).map_err(quic)?),
            server: Arc::new(QuicServerConfig::try_from(server).map_err(quic)?),
            names,
        })
    }

    /// Checks that the certificate is `node`'s.
    ///
    /// # Errors
    /// [`TlsError::WrongNode`], [`TlsError::NotDns`].
    pub fn check_owner(&self, node: &NodeId) -> Result<(), TlsError> {
        check_dns(node)?;
        if self.names.iter().any(|name| name == node.as_str()) {
            return Ok(());
        }
        Err(TlsError::WrongNode { node: node.clone(), found: self.names.clone() })
    }
}

/// Can the id be a certificate's DNS name?
pub(super) fn check_dns(node: &NodeId) -> Result<(), TlsError> {
    match ServerName::try_from(node.as_str()) {
        Ok(ServerName::DnsName(_)) => Ok(()),
        _ => Err(TlsError::NotDns(node.clone())),
    }
}

/// Whether the other side's certificate, verified in the handshake, is `node`'s: exact text, no
/// wildcards, unlike the verifier's own name check.
pub(super) fn is_identity_of(identity: Option<Box<dyn Any>>, node: &NodeId) -> bool {
    let chain = identity.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let Some(leaf) = chain.as_deref().and_then(|chain| chain.first()) else { return false };
    dns_names(leaf).iter().any(|name| name == node.as_str())
}

fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = x509_parser::certificate::X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return Vec::new() };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(dns).collect()
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|source| TlsError::Pem { what, source })?;
    if all.is_empty() { Err(TlsError::Empty(what)) } else { Ok(all) }
}

/// aws-lc-rs with AES-128-GCM first: the cheapest where AES is in hardware, as for SRTP.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![
        aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
        aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
        aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(provider)
}
