//! `starling pki`: the authority and the certificates of links between nodes, as files in a folder
//! that stays with the operator. Never does: overwrite an authority.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::Subcommand;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Serialize;
use starling_cluster::link::{DevCa, issue};
use starling_proto::{Id, NodeId};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::output::{self, Failure, Format, Line, note};

const DAY: i64 = 86_400;
/// The authority's files in the folder.
const CA: &str = "ca";

/// Certificates.
#[derive(Debug, clap::Args)]
pub(super) struct Pki {
    #[command(subcommand)]
    verb: Verb,
    /// The folder: ca.pem, ca.key, and NODE.pem and NODE.key for each node. Nodes get ca.pem and
    /// their own two; ca.key stays with you.
    #[arg(long, global = true, default_value = "certs", value_name = "FOLDER")]
    out: PathBuf,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes the cluster's authority.
    Init,
    /// Makes a certificate for each node, and the authority if the folder has none yet.
    Issue {
        /// The nodes' ids.
        #[arg(required = true)]
        nodes: Vec<NodeId>,
    },
    /// Shows what is in the folder, and until when it is good.
    Show,
    /// Makes new certificates for nodes whose own end soon. A node uses its new one after a
    /// restart; links between old and new ones work.
    Renew {
        /// The nodes' ids; all if none are given.
        nodes: Vec<NodeId>,
        /// Only those that end within so many days.
        #[arg(long, default_value_t = 90)]
        within: i64,
    },
}

/// What is shown of a certificate.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    authority: bool,
    /// In seconds since 1970.
    expires_at: i64,
    days_left: i64,
    /// Signed by the authority of the folder.
    of_authority: bool,
}

/// Does it.
///
/// # Errors
/// Files that cannot be read or written; ids that are no DNS names.
pub(super) fn run(Pki { verb, out, output }: &Pki) -> Result<(), Failure> {
    match verb {
        Verb::Init => {
            init(out)?;
            made(out, *output, &[CA])
        }
        Verb::Issue { nodes } => {
            make(out, nodes)?;
            made(out, *output, &nodes.iter().map(Id::as_str).collect::<Vec<_>>())
        }
        Verb::Show => output::Shown::All(&shown(out, now())?).print(*output),
        Verb::Renew { nodes, within } => {
            let due = renew(out, nodes, *within)?;
            made(out, *output, &due.iter().map(Id::as_str).collect::<Vec<_>>())
        }
    }
}

/// What was made, for programs; people were told file by file.
fn made(out: &Path, output: Format, names: &[&str]) -> Result<(), Failure> {
    if matches!(output, Format::Table | Format::Wide) {
        return Ok(());
    }
    let mut all = shown(out, now())?;
    all.retain(|one| names.contains(&one.name.as_str()));
    output::Shown::All(&all).print(output)
}

fn init(out: &Path) -> Result<(), Failure> {
    if out.join("ca.pem").exists() || out.join("ca.key").exists() {
        let message = format!("{} has an authority; `starling pki show` shows it", out.display());
        return Err(Failure::Usage(vec![message]));
    }
    fs::create_dir_all(out).map_err(|error| at(out, &error))?;
    authority(out).map(drop)
}

fn make(out: &Path, nodes: &[NodeId]) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(|error| at(out, &error))?;
    let ca = authority(out)?;
    for node in nodes {
        if node.as_str() == CA {
            return Err(Failure::Usage(vec!["a node cannot be called ca here".to_owned()]));
        }
        let issued = issue(&ca, node).map_err(|error| Failure::Usage(vec![error.to_string()]))?;
        write(&out.join(format!("{node}.key")), &issued.key_pem, 0o600)?;
        write(&out.join(format!("{node}.pem")), &issued.cert_pem, 0o644)?;
        note(&format!("{node}: {0}/{node}.pem and {0}/{node}.key", out.display()));
    }
    Ok(())
}

/// Those that were due.
fn renew(out: &Path, nodes: &[NodeId], within: i64) -> Result<Vec<NodeId>, Failure> {
    let now = now();
    let all = shown(out, now)?;
    let mut due = Vec::new();
    let known = |node: &&NodeId| all.iter().any(|one| one.name == node.as_str());
    if let Some(node) = nodes.iter().find(|node| !known(node)) {
        return Err(Failure::Usage(vec![format!("{}: no {node}.pem", out.display())]));
    }
    for one in all.iter().filter(|one| !one.authority && one.days_left < within) {
        let node = NodeId::parse(&one.name).ok();
        due.extend(node.filter(|node| nodes.is_empty() || nodes.contains(node)));
    }
    if due.is_empty() {
        note(&format!("no certificate ends within {within} days"));
    }
    make(out, &due)?;
    Ok(due)
}

impl Line for Shown {
    const HEAD: &'static [&'static str] = &["name", "what", "days left"];
    const WIDE: &'static [&'static str] = &["expires at"];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn cells(&self) -> Vec<String> {
        let what = match (self.authority, self.of_authority) {
            (true, _) => "authority",
            (false, true) => "node",
            (false, false) => "of another authority",
        };
        let left = if self.days_left < 0 { "expired".into() } else { self.days_left.to_string() };
        vec![self.name(), what.to_owned(), left]
    }

    fn wide(&self) -> Vec<String> {
        vec![self.expires_at.to_string()]
    }
}

/// The authority first, then nodes by name.
fn shown(out: &Path, now: i64) -> Result<Vec<Shown>, Failure> {
    let ca = read(&out.join("ca.pem"))?;
    let (_, parsed) = X509Certificate::from_der(&ca).map_err(|error| at(out, &error))?;
    let files = fs::read_dir(out).map_err(|error| at(out, &error))?;
    let names = files.filter_map(|file| {
        let name = file.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".pem").map(str::to_owned)
    });
    let mut all = Vec::new();
    for name in names {
        let der = read(&out.join(format!("{name}.pem")))?;
        let (_, one) = X509Certificate::from_der(&der).map_err(|error| at(out, &error))?;
        let expires_at = one.validity().not_after.timestamp();
        all.push(Shown {
            authority: name == CA,
            of_authority: one.verify_signature(Some(parsed.public_key())).is_ok(),
            name,
            expires_at,
            days_left: (expires_at - now).div_euclid(DAY),
        });
    }
    all.sort_by(|a, b| (!a.authority, &a.name).cmp(&(!b.authority, &b.name)));
    Ok(all)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn read(path: &Path) -> Result<CertificateDer<'static>, Failure> {
    CertificateDer::from_pem_file(path).map_err(|error| at(path, &error))
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

/// Keys are never readable by others, not even between making and changing the mode; and nobody
/// reads half a file.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new);
    let mut file = open.map_err(|error| at(&new, &error))?;
    file.write_all(text.as_bytes()).map_err(|error| at(&new, &error))?;
    fs::rename(&new, path).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use starling_cluster::link::LinkTls;

    use super::*;

    fn node(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    #[test]
    fn certificates_of_two_runs_fit_one_authority_and_keys_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        make(out, &[node("node-1")]).unwrap();
        make(out, &[node("node-2")]).unwrap();
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        for node in ["node-1", "node-2"] {
            let (cert, key) = (read(&format!("{node}.pem")), read(&format!("{node}.key")));
            assert!(LinkTls::from_pem(&read("ca.pem"), &cert, &key).is_ok());
            let mode = fs::metadata(out.join(format!("{node}.key"))).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn an_authority_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new");
        init(&out).unwrap();
        let before = fs::read(out.join("ca.key")).unwrap();
        assert!(matches!(init(&out), Err(Failure::Usage(_))));
        assert_eq!(fs::read(out.join("ca.key")).unwrap(), before);
        assert!(matches!(make(&out, &[node("ca")]), Err(Failure::Usage(_))));
    }

    #[test]
    fn what_ends_soon_is_shown_and_renewed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        make(out, &[node("node-1"), node("node-2")]).unwrap();
        let names = |now| {
            let all = shown(out, now).unwrap().into_iter();
            all.map(|one| (one.name, one.days_left, one.of_authority)).collect::<Vec<_>>()
        };
        let life = |name: &str, days| (name.to_owned(), days, true);
        let all = [life("ca", 3_650), life("node-1", 398), life("node-2", 398)];
        assert_eq!(names(now()), all);
        let then = names(now() + 400 * DAY);
        assert_eq!(then[1].1, -2, "it is over");
        let key = |name: &str| fs::read(out.join(name)).unwrap();
        let (one, two) = (key("node-1.key"), key("node-2.key"));
        renew(out, &[], 90).unwrap();
        assert_eq!(key("node-1.key"), one, "not due");
        renew(out, &[node("node-1")], 400).unwrap();
        assert_ne!(key("node-1.key"), one);
        assert_eq!(key("node-2.key"), two, "not asked for");
        assert!(matches!(renew(out, &[node("node-3")], 400), Err(Failure::Usage(_))));
        let stranger = tempfile::tempdir().unwrap();
        make(stranger.path(), &[node("node-9")]).unwrap();
        fs::copy(stranger.path().join("node-9.pem"), out.join("node-9.pem")).unwrap();
        assert!(
            !shown(out, now()).unwrap().iter().any(|one| one.name == "node-9" && one.of_authority)
        );
    }
}
