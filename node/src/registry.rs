//! The registry and the link certificates that the configuration names. Never does: use them.

use std::{fs, path::Path, sync::Arc};

use starling_cluster::{
    link::{DevCa, LinkTls},
    registry::{
        Registry,
        etcd::{EtcdConfig, EtcdConfigError, EtcdRegistry, EtcdTls},
        memory::MemoryRegistry,
    },
};

use crate::{
    config::{self, Config},
    run::RunError,
};

/// The cluster's memory.
///
/// # Errors
/// [`RunError::File`] if a certificate cannot be read. An etcd that does not answer is no error.
///
/// # Panics
/// Outside a tokio runtime.
pub fn connect(config: &Config) -> Result<Arc<dyn Registry>, RunError> {
    match &config.registry {
        config::Registry::Memory => Ok(Arc::new(MemoryRegistry::new().for_node(config.id.clone()))),
        config::Registry::Etcd(etcd) => {
            let wrong = |error: EtcdConfigError| RunError::Registry(error.to_string());
            Ok(Arc::new(EtcdRegistry::connect(reach(etcd, config)?).map_err(wrong)?))
        }
    }
}

fn reach(etcd: &config::Etcd, config: &Config) -> Result<EtcdConfig, RunError> {
    let user = etcd.user.as_ref().map(|(name, word)| (name.clone(), word.expose().to_owned()));
    let identity_pem = match &etcd.client {
        Some((cert, key)) => {
            Some((read("etcd_cert", cert)?.into_bytes(), read("etcd_key", key)?.into_bytes()))
        }
        None => None,
    };
    let tls = match &etcd.ca {
        Some(ca) => Some(EtcdTls { ca_pem: read("etcd_ca", ca)?.into_bytes(), identity_pem }),
        None => None,
    };
    let prefix = etcd.prefix.clone();
    let base = EtcdConfig::new(etcd.endpoints.clone(), config.id.clone());
    Ok(EtcdConfig { prefix, user, tls, ..base })
}

/// The certificates of links. Without any, and without etcd, nobody will ever link: one of an
/// authority that nobody knows.
///
/// # Errors
/// [`RunError::File`] or [`RunError::LinkTls`].
pub fn link_tls(config: &Config) -> Result<LinkTls, RunError> {
    let wrong = |error: &dyn std::fmt::Display| RunError::LinkTls(error.to_string());
    let Some([ca, cert, key]) = &config.link.tls else {
        let ca = DevCa::new().map_err(|error| wrong(&error))?;
        return LinkTls::ephemeral(&ca, &config.id).map_err(|error| wrong(&error));
    };
    let (ca, cert, key) = (read("link_ca", ca)?, read("link_cert", cert)?, read("link_key", key)?);
    LinkTls::from_pem(&ca, &cert, &key).map_err(|error| wrong(&error))
}

fn read(key: &'static str, path: &Path) -> Result<String, RunError> {
    let file =
        |error: std::io::Error| RunError::File(key, path.display().to_string(), error.to_string());
    fs::read_to_string(path).map_err(file)
}
