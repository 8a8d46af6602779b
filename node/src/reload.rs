//! Settings that change while the node runs: keys of room tokens, admin tokens and the certificate
//! of `listen`. They are read again on SIGHUP, when an operator asks, and when one of their files
//! has changed. All are taken over, or none. Never does: take over what only a restart can.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use starling_proto::{Code, Refusal, rest::Reloaded};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::{Config, Mistake},
    http::App,
    run::RunError,
    tls::{Certificate, Certificates},
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
}

/// Reads the settings and takes over what may change.
///
/// # Errors
/// `wrong_state` if there are none, `bad_request` with every mistake; nothing has changed then.
pub fn now(app: &App) -> Result<Reloaded, Refusal> {
    let Renewal { settings, certificates } = &app.renewal;
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
    if let (Some(certificates), Some(fresh)) = (certificates, fresh) {
        certificates.replace(fresh);
        certificates.warn();
    }
    app.tokens.replace(config.token_keys.clone());
    app.admin.replace(config.admin_tokens.clone());
    Ok(Reloaded {
        token_keys: config.token_keys.len(),
        admin_tokens: config.admin_tokens.len(),
        certificate_expires_at: certificates.as_ref().map(|it| it.not_after()),
    })
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
                    if count.is_multiple_of(REMIND)
                        && let Some(certificates) = &app.renewal.certificates
                    {
                        certificates.warn();
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
            tell(now(&app));
        }
    });
    Ok(())
}

fn tell(reloaded: Result<Reloaded, Refusal>) {
    match reloaded {
        Ok(Reloaded { token_keys, admin_tokens, .. }) => {
            tracing::info!(target: "audit", who = "the machine", token_keys, admin_tokens, "reloaded");
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
