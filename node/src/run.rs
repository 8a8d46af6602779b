//! One process, wired on one page: sockets first, then the node, then who may talk to it; and the
//! way out. Never does: handle a request.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use starling_actors::{Node, NodeConfig, RESUME_WITHIN, StartError, Traces};
use starling_cluster::{link::LinkTls, registry::Registry};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    config::Config,
    events,
    hooks::Hooks,
    http::{App, Side, dev::DevNodes, router, server},
    notify,
    recording::Recordings,
    reload::{self, Renewal, Settings},
    tls::{self, Certificate, Certificates},
    traces::Exported,
};

/// After the drain, how long open requests may take.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An HTTP listener, of that setting.
    #[error("{1} cannot be listened on: {2}; another program has it, or give another with --{0}")]
    Listen(&'static str, SocketAddr, io::Error),
    /// A file that the configuration names.
    #[error("{0} ({1}) cannot be used: {2}")]
    File(&'static str, String, String),
    /// Certificates of links.
    #[error("link certificates: {0}")]
    LinkTls(String),
    /// Names that are announced.
    #[error("announce: {0}")]
    Announce(String),
    /// The registry.
    #[error("registry: {0}")]
    Registry(String),
    /// The node itself.
    #[error(transparent)]
    Node(#[from] StartError),
    /// The node, while it served.
    #[error("the node has ended by itself; the log says why")]
    Ended,
    /// A signal handler.
    #[error("signals cannot be handled: {0}")]
    Signals(io::Error),
}

/// What the configuration does not hold.
pub struct Surroundings {
    /// The cluster's memory.
    pub registry: Arc<dyn Registry>,
    /// Certificates of links.
    pub link_tls: LinkTls,
    /// In `starling dev`.
    pub dev: Option<Arc<dyn DevNodes>>,
    /// The configuration as it is now, where it can be read again.
    pub settings: Option<Settings>,
}

/// A node that serves.
pub struct Running {
    /// The node.
    pub node: Node,
    /// Where page and signalling are served.
    pub listening: Vec<SocketAddr>,
    /// Where the REST API is, if it is apart.
    pub admin: Option<SocketAddr>,
    /// What the listeners serve.
    #[cfg(test)]
    pub(crate) app: App,
    hooks: Hooks,
    exported: Exported,
    recordings: Recordings,
    /// Ends the listeners.
    stop: watch::Sender<bool>,
}

/// Starts a node and serves it.
///
/// # Errors
/// [`RunError`] says what to change.
pub async fn start(config: &Config, around: Surroundings) -> Result<Running, RunError> {
    let public = bind("listen", &config.http.listen).await?;
    let admin = bind("admin-listen", config.http.admin_listen.as_slice()).await?;
    let listening: Vec<_> = public.iter().filter_map(|one| one.local_addr().ok()).collect();
    let admin_at = admin.first().and_then(|one| one.local_addr().ok());
    let certificates = config.http.tls.as_ref().map(Certificate::read).transpose()?;
    let certificates = certificates.map(Certificates::new);
    let acceptor = certificates.as_ref().map(Certificates::acceptor);
    let link_cert = config.link.tls.as_ref().map(|[_, cert, _]| tls::ends("link_cert", cert));
    let link_ends = link_cert.transpose()?;
    let exported = Exported::start(config.traces.as_ref(), &config.id);
    let traces = exported.traces().clone();
    let node = Node::start(node_config(config, around.registry, around.link_tls, traces)).await?;
    let reads = around.settings.is_some();
    let link_ends = link_ends.map(|ends| Arc::new(ends.into()));
    let renewal = Renewal { settings: around.settings, certificates, link_ends };
    renewal.warn();
    let app = App::new(node.clone(), config, around.dev, renewal, exported.clone());
    app.hooks.start(node.clone());
    tokio::spawn(events::log::write(node.clone()));
    let recordings = app.recordings.clone();
    let (stop, stopped) = watch::channel(false);
    if reads {
        reload::watch(app.clone(), config.files.clone(), stopped.clone())
            .map_err(RunError::Signals)?;
    }
    let side = if admin.is_empty() { Side::Whole } else { Side::Public };
    for (listeners, side, tls) in [(public, side, acceptor), (admin, Side::Admin, None)] {
        for listener in listeners {
            let router = router(&app, side);
            let (tls, app, stopped) = (tls.clone(), app.clone(), stopped.clone());
            tokio::spawn(server::serve(listener, tls, router, app, stopped));
        }
    }
    let hooks = app.hooks.clone();
    Ok(Running {
        node,
        listening,
        admin: admin_at,
        #[cfg(test)]
        app,
        hooks,
        exported,
        recordings,
        stop,
    })
}

impl Running {
    /// Waits for SIGTERM or SIGINT, drains, and ends. A second signal ends the process at once.
    ///
    /// # Errors
    /// [`RunError::Signals`], [`RunError::Ended`].
    pub async fn until_signal(self, drain_deadline: Duration) -> Result<(), RunError> {
        let mut term = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
        let mut int = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = self.node.ended() => return Err(RunError::Ended),
        }
        tracing::info!(deadline = ?drain_deadline, "draining; a second signal ends at once");
        notify::stopping();
        tokio::select! {
            drained = self.node.drain(drain_deadline) => {
                if let Err(refusal) = drained {
                    tracing::warn!(%refusal, "drain did not start");
                }
            }
            _ = term.recv() => second_signal(),
            _ = int.recv() => second_signal(),
        }
        self.recordings.end().await;
        self.node.stop().await;
        let _ = self.stop.send(true);
        tokio::join!(
            tokio::time::sleep(LAST_REQUESTS),
            self.hooks.emptied(),
            self.exported.flush()
        );
        tracing::info!("drained");
        Ok(())
    }
}

fn second_signal() {
    tracing::warn!("second signal: ending now");
    std::process::exit(1);
}

async fn bind(
    setting: &'static str,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, RunError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|error| RunError::Listen(setting, *address, error))?);
    }
    Ok(listeners)
}

/// The node's part of the settings.
pub(crate) fn node_config(
    config: &Config,
    registry: Arc<dyn Registry>,
    link_tls: LinkTls,
    traces: Traces,
) -> NodeConfig {
    NodeConfig {
        id: config.id.clone(),
        region: config.region.clone(),
        zone: config.zone.clone(),
        network: u64::from(config.max_mbps) * 1_000_000,
        rtc_listen: config.rtc.listen.clone(),
        rtc_port: config.rtc.port,
        announced: config.rtc.announced.clone(),
        internal: config.rtc.internal.clone(),
        rtc_plain_ports: config.rtc.plain_ports.clone(),
        rtc_tcp: config.rtc.tcp,
        rtc_prefer: config.rtc.prefer,
        workers: config.rtc.workers,
        room_peers_per_core: config.rtc.room_peers_per_core,
        link_listen: config.link.listen,
        link_announced: config.link.announced,
        link_protocol_max: config.link.protocol_max,
        link_tls,
        api_url: config.http.api_url.clone(),
        registry,
        cluster_secret: config.cluster_secret.expose().as_bytes().to_vec(),
        max_peers: config.max_peers,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resume_within: RESUME_WITHIN,
        traces,
    }
}
