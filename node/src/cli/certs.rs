//! `starling certs`: the authority and the certificates of links between nodes, as files. Never
//! does: overwrite an authority.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use starling_cluster::link::{DevCa, issue};
use starling_proto::NodeId;

use super::output::{Failure, note};

/// Certificates.
#[derive(Debug, clap::Args)]
pub(super) struct Certs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a certificate for each node, and the authority if the folder has none yet.
    Issue {
        /// The folder: ca.pem, ca.key, and NODE.pem and NODE.key for each node. Nodes get
        /// ca.pem and their own two; ca.key stays with you.
        #[arg(long, default_value = "certs")]
        out: PathBuf,
        /// The nodes' ids.
        #[arg(required = true)]
        nodes: Vec<NodeId>,
    },
}

/// Does it.
///
/// # Errors
/// Files that cannot be read or written; ids that are no DNS names.
pub(super) fn run(Certs { verb: Verb::Issue { out, nodes } }: &Certs) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(|error| at(out, &error))?;
    let ca = authority(out)?;
    for node in nodes {
        let issued = issue(&ca, node).map_err(|error| Failure::Usage(vec![error.to_string()]))?;
        write(&out.join(format!("{node}.pem")), &issued.cert_pem, 0o644)?;
        write(&out.join(format!("{node}.key")), &issued.key_pem, 0o600)?;
        note(&format!("{node}: {0}/{node}.pem and {0}/{node}.key", out.display()));
    }
    Ok(())
}

fn authority(out: &Path) -> Result<DevCa, Failure> {
    let (cert, key) = (out.join("ca.pem"), out.join("ca.key"));
    let made = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    if cert.exists() || key.exists() {
        let cert_pem = fs::read_to_string(&cert).map_err(|error| at(&cert, &error))?;
        let key_pem = fs::read_to_string(&key).map_err(|error| at(&key, &error))?;
        return DevCa::from_pem(&cert_pem, &key_pem).map_err(|error| made(&error));
    }
    let ca = DevCa::new().map_err(|error| made(&error))?;
    write(&key, &ca.key_pem(), 0o600)?;
    write(&cert, &ca.cert_pem(), 0o644)?;
    note(&format!("authority: {} and {}", cert.display(), key.display()));
    Ok(ca)
}

/// Keys are never readable by others, not even between making and changing the mode.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    let mut file = open.map_err(|error| at(path, &error))?;
    file.write_all(text.as_bytes()).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use starling_cluster::link::LinkTls;

    use super::*;

    #[test]
    fn certificates_of_two_runs_fit_one_authority_and_keys_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_owned();
        for node in ["node-1", "node-2"] {
            let nodes = vec![node.parse().unwrap()];
            run(&Certs { verb: Verb::Issue { out: out.clone(), nodes } }).unwrap();
        }
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        for node in ["node-1", "node-2"] {
            let (cert, key) = (read(&format!("{node}.pem")), read(&format!("{node}.key")));
            assert!(LinkTls::from_pem(&read("ca.pem"), &cert, &key).is_ok());
            let mode = fs::metadata(out.join(format!("{node}.key"))).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
