//! `starling dev`: starts the cluster and prints what to open.

use starling_proto::{Id, RoomId};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    node::random_secret,
    output::{Failure, note, print},
};
use crate::{
    config::{Config, Log, Secret},
    dev::{DevArgs, DevCluster, DevError, Secrets},
    logs,
    run::RunError,
};

/// Runs it until Ctrl-C.
///
/// # Errors
/// Why it did not start.
pub(super) fn run(args: &DevArgs) -> Result<(), Failure> {
    let usage = |text: String| Failure::Usage(vec![text]);
    if RoomId::parse(&args.room).is_err() {
        return Err(usage(format!("--room: {:?} is no room name", args.room)));
    }
    if args.port.checked_add(args.nodes - 1).is_none() {
        return Err(usage(format!("--port: no {} ports above {}", args.nodes, args.port)));
    }
    logs::init(&Log { filter: args.log.clone(), json: false });
    let fresh = || Secret::new(random_secret());
    let admin = args.admin_token.clone().map_or_else(fresh, Secret::new);
    let webhook = args.webhook_secret.clone().map(Secret::new);
    let secrets = Secrets { cluster: fresh(), token: fresh(), admin, webhook };
    let configs = args.configs(&secrets);
    let links = links(args, &configs, &secrets);
    let failed = |error: std::io::Error| Failure::Failed(error.to_string());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let cluster = DevCluster::start(args, configs, runtime.handle().clone()).map_err(told)?;
    print(&links)?;
    runtime
        .block_on(async {
            let mut term = signal(SignalKind::terminate())?;
            tokio::select! { _ = term.recv() => {}, done = tokio::signal::ctrl_c() => done? }
            Ok(())
        })
        .map_err(failed)?;
    note("ending");
    cluster.stop();
    Ok(())
}

fn told(error: DevError) -> Failure {
    match error {
        DevError::Node(_, RunError::Listen(_, address, why)) => Failure::Usage(vec![format!(
            "{address} cannot be listened on: {why}; end the program that has it, or give --port"
        )]),
        other => Failure::Failed(other.to_string()),
    }
}

fn links(args: &DevArgs, configs: &[Config], secrets: &Secrets) -> String {
    let nodes = if configs.len() == 1 { "1 node" } else { &format!("{} nodes", configs.len()) };
    let mut text = format!("Starling {}: {nodes} in this process\n\n", env!("CARGO_PKG_VERSION"));
    for config in configs {
        let page = format!("{}/?room={}", config.http.api_url, args.room);
        text += &format!("  {:8} {page}\n", config.id.as_str());
    }
    let Some(first) = configs.first().map(|config| &config.http.api_url) else { return text };
    text += &format!(
        "\n  console  {first}/console/#token={escaped}\n  API      {first}/docs\n  \
         metrics  {first}/metrics\n  admin token  {token}\n\n\
         Open two of the links in two tabs. From another shell:\n\n  \
         export STARLING_SERVER={first} STARLING_TOKEN={token}\n  starling nodes list\n\n\
         Ctrl-C ends it.\n",
        token = secrets.admin.expose(),
        escaped = escaped(secrets.admin.expose()),
    );
    text
}

/// Text as it may stand in a URL's fragment: what is no letter or digit may mean something there.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_token_is_escaped_in_a_link() {
        assert_eq!(escaped("aZ09"), "aZ09");
        assert_eq!(escaped("a&b=c%é"), "a%26b%3Dc%25%C3%A9");
    }
}
