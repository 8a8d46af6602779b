//! `starling node`: reads the settings and runs a node until it is told to end.

use std::{fs, net::UdpSocket, sync::Arc};

use rand::{Rng, distr::Alphanumeric};

use super::output::Failure;
use crate::{
    announce,
    config::{self, Config, Flags, Host, Mistake, Origin, Raw},
    logs, notify, registry,
    reload::Settings,
    run::{self, Surroundings},
};

/// The settings, as flags; all of them can stand in the environment or a file, too.
#[derive(Debug, clap::Args)]
pub(super) struct NodeArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Runs it.
///
/// # Errors
/// All mistakes in the settings, or why the node did not start.
pub(super) fn run(args: &NodeArgs) -> Result<(), Failure> {
    let config = settings(&args.flags)
        .map_err(|mistakes| Failure::Usage(mistakes.iter().map(Mistake::to_string).collect()))?;
    logs::init(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
    let flags = args.flags.clone();
    let served = runtime.block_on(serve(config, Arc::new(move || settings(&flags))));
    // Dropping it would wait for name look-ups that nobody waits for any more.
    runtime.shutdown_background();
    served.map_err(|error| Failure::Failed(error.to_string()))
}

async fn serve(mut config: Config, settings: Settings) -> Result<(), run::RunError> {
    if config.rtc.lookup {
        let announced =
            announce::look_up(&config.rtc.announced, &config.rtc.listen, announce::WITHIN);
        config.rtc.announced = announced.await.map_err(run::RunError::Announce)?;
        tracing::info!(announced = ?config.rtc.announced, "names looked up");
    }
    let config = &config;
    let link_tls = registry::link_tls(config)?;
    let registry = registry::connect(config)?;
    let around = Surroundings { registry, link_tls, dev: None, settings: Some(settings) };
    let running = run::start(config, around).await?;
    tracing::info!(id = %config.id, url = %config.http.api_url, "serving");
    notify::serving(&running.node);
    running.until_signal(config.drain_deadline).await
}

fn settings(flags: &Flags) -> Result<Config, Vec<Mistake>> {
    let Given { config, mistakes, .. } = given(flags);
    if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
}

/// What was given, what comes of it, and what is wrong with it.
pub(super) struct Given {
    pub(super) raw: Raw,
    /// Where there are mistakes, with defaults in their places.
    pub(super) config: Config,
    pub(super) mistakes: Vec<Mistake>,
}

/// Reads flags, environment and file.
pub(super) fn given(flags: &Flags) -> Given {
    let mut mistakes = Vec::new();
    let file = match &flags.config {
        None => None,
        Some(path) => match fs::read_to_string(path) {
            Ok(text) => Some((path.as_str(), text)),
            Err(error) => {
                mistakes.push(Mistake {
                    key: "config".to_owned(),
                    origin: Origin::Flag("config".to_owned()),
                    message: format!("{path} cannot be read: {error}"),
                    fix: "name a file that exists, or leave it out".to_owned(),
                });
                None
            }
        },
    };
    let file = file.as_ref().map(|(path, text)| (*path, text.as_str()));
    let env = |name: &str| std::env::var(name).ok();
    let raw = Raw::merge(flags, env, file, &mut mistakes);
    let (config, more) = config::examine(&raw, &host(), |path| fs::read_to_string(path));
    mistakes.extend(more);
    Given { raw, config, mistakes }
}

fn host() -> Host {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Host { name: name.trim().to_owned(), cores, address: address(), random_secret: random_secret() }
}

/// The address of the default route. Connecting a UDP socket sends nothing.
fn address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // TEST-NET-1 (RFC 5737): routed by default, used by nobody.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// 43 characters out of 62 are 256 bits.
pub(super) fn random_secret() -> String {
    rand::rng().sample_iter(Alphanumeric).take(43).map(char::from).collect()
}
