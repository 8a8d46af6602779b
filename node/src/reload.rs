//! Settings that change while the node runs: keys of room tokens, admin tokens, what webhooks are
//! signed with, and the certificates of `listen` and of links. They are read again on SIGHUP, when
//! an operator asks, and when one of their files has changed. All are taken over, or none. Never
//! does: take over what only a restart can.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use starling_actors::Metric;
use starling_proto::{Code, Refusal, rest::Reloaded};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::{Config, Mistake},
    http::App,
    logs::AUDIT,
    registry,
    run::RunError,
    tls::{self, Certificate, Certificates},
};

/// How often files are looked at: whoever renews certificates or keys does so days ahead, and
/// Kubernetes itself needs a minute to bring a Secret into a pod.
const LOOK: Duration = Duration::from_secs(60);
/// How often an operator is reminded of a certificate that ends: once a day, in looks.
const REMIND: u32 = 24 * 60;

/// Reads all settings again.
pub type Settings = Arc<dyn Fn() -> Result<Config, Vec<Mistake>> + Send + Sync>;

/// What can be read again.
#[derive(Clone, Default)]
pub struct Renewal {
    /// Absent in `starling dev`, which has none.
    pub settings: Option<Settings>,
    /// Of `listen`, if it has TLS.
    pub certificates: Option<Arc<Certificates>>,
    /// When the certificate of links ends, if they have one; in seconds since 1970.
    pub link_ends: Option<Arc<AtomicI64>>,
}

impl Renewal {
    /// Says in the log which certificates end soon.
    pub fn warn(&self) {
        if let Some(certificates) = &self.certificates {
            tls::warn("tls_cert", certificates.not_after());
        }
        if let Some(ends) = self.link_ends() {
            tls::warn("link_cert", ends);
        }
    }

    /// For `/metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        let of_listen = self.certificates.as_ref().map(|certificates| certificates.not_after());
        expiry(of_listen, self.link_ends())
    }

    fn link_ends(&self) -> Option<i64> {
        self.link_ends.as_ref().map(|ends| ends.load(Relaxed))
    }
}

/// When certificates expire, as figures.
pub(crate) fn expiry(of_listen: Option<i64>, of_links: Option<i64>) -> Vec<Metric> {
    let gauge = |name, help, at: i64| Metric::gauge(name, help, at as f64);
    let of_listen = of_listen.map(|at| {
        let help = "When the certificate of listen expires, in seconds since 1970.";
        gauge("starling_tls_certificate_expiry_seconds", help, at)
    });
    let of_links = of_links.map(|at| {
        let help = "When the certificate of links expires, in seconds since 1970.";
        gauge("starling_link_certificate_expiry_seconds", help, at)
    });
    of_listen.into_iter().chain(of_links).collect()
}

/// Reads the settings and takes over what may change.
///
/// # Errors
/// `wrong_state` if there are none, `bad_request` with every mistake; nothing has changed then.
pub fn now(app: &App) -> Result<Reloaded, Refusal> {
    let Renewal { settings, certificates, .. } = &app.renewal;
    let Some(read) = settings else {
        return Err(Refusal::new(Code::WrongState, "this process has no settings to read again"));
    };
    let config = read().map_err(|mistakes| {
        let all: Vec<_> = mistakes.iter().map(Mistake::to_string).collect();
        refused(all.join("; "))
    })?;
    let fresh = match (certificates, &config.http.tls) {
        (Some(_), Some(files)) => {
            Some(Certificate::read(files).map_err(|error: RunError| refused(error.to_string()))?)
        }
        _ => None,
    };
    renew_links(app, &config)?;
    if let (Some(certificates), Some(fresh)) = (certificates, fresh) {
        certificates.replace(fresh);
    }
    app.renewal.warn();
    app.tokens.replace(config.token_keys.clone());
    app.admin.replace(config.admin_tokens.clone());
    app.hooks.replace(&config.hooks);
    Ok(Reloaded {
        token_keys: config.token_keys.len(),
        admin_tokens: config.admin_tokens.len(),
        certificate_expires_at: certificates.as_ref().map(|it| it.not_after()),
        link_certificate_expires_at: app.renewal.link_ends(),
    })
}

/// Last of what may fail. A link that is up stays with the certificate it came up with.
fn renew_links(app: &App, config: &Config) -> Result<(), Refusal> {
    let (Some(ends), Some([_, cert, _])) = (&app.renewal.link_ends, &config.link.tls) else {
        return Ok(());
    };
    let read = || Ok((tls::ends("link_cert", cert)?, registry::link_tls(config)?));
    let (at, links) = read().map_err(|error: RunError| refused(error.to_string()))?;
    app.node.set_link_tls(links).map_err(|refusal| refused(refusal.message))?;
    ends.store(at, Relaxed);
    Ok(())
}

fn refused(message: String) -> Refusal {
    Refusal::new(Code::BadRequest, message).hint("nothing was changed: correct it and try again")
}

/// Reloads on SIGHUP and on changed files, until the node ends.
///
/// # Errors
/// If the signal cannot be handled.
pub fn watch(
    app: App,
    files: Vec<PathBuf>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), std::io::Error> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = look(&files);
        let mut count = 0u32;
        loop {
            tokio::select! {
                _ = looks.tick() => {
                    count = count.wrapping_add(1);
                    if count.is_multiple_of(REMIND) {
                        app.renewal.warn();
                    }
                    let files = look(&files);
                    if files == seen {
                        continue;
                    }
                    seen = files;
                }
                _ = hangup.recv() => seen = look(&files),
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let app = app.clone();
            // Files are read, and names looked up.
            if let Ok(reloaded) = tokio::task::spawn_blocking(move || now(&app)).await {
                tell(reloaded);
            }
        }
    });
    Ok(())
}

fn tell(reloaded: Result<Reloaded, Refusal>) {
    match reloaded {
        Ok(Reloaded { token_keys, admin_tokens, .. }) => {
            tracing::info!(target: AUDIT, who = "the machine", token_keys, admin_tokens, "reloaded");
        }
        Err(refusal) => tracing::error!(%refusal, "not reloaded; the old settings hold"),
    }
}

/// How files look from outside: a Secret of Kubernetes is a link that leads elsewhere when it
/// changes, which this follows.
fn look(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let of = |path: &PathBuf| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// As the kubelet brings a changed Secret into a pod.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_changed_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "a").unwrap();
        fs::write(at("two"), "ab").unwrap();
        symlink(at("one"), at("file")).unwrap();
        let files = [at("file"), at("nowhere")];
        let before = look(&files);
        assert_eq!(look(&files), before);
        assert_eq!(before[1], None);
        fs::remove_file(at("file")).unwrap();
        symlink(at("two"), at("file")).unwrap();
        assert_ne!(look(&files), before);
    }
}
