//! Which node is asked, as whom, and how its answers are printed. Never does: ask.

use std::time::Duration;

use starling_client::{Called, Client};

use super::{
    context::{Chosen, Contexts, Given, choose},
    output::{Failure, Format, Line, Shown, Voice, note},
};

/// Which node to ask, as whom, and how to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Remote {
    /// A node of the cluster: any of them answers for all. [default: the context's, or
    /// http://127.0.0.1:9400]
    #[arg(long, global = true, env = "STARLING_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The admin token. On a shared machine better --token-file or the variable.
    #[arg(
        long,
        global = true,
        env = "STARLING_TOKEN",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    token: Option<String>,
    /// File with the admin token.
    #[arg(long, global = true, env = "STARLING_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<String>,
    /// Server and token under this name; `starling context` has them.
    #[arg(long, global = true, env = "STARLING_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(super) output: Format,
}

impl Remote {
    /// As the environment and the current context have it: for completion.
    pub(super) fn of_environment() -> Self {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            server: env("STARLING_SERVER"),
            token: env("STARLING_TOKEN"),
            token_file: env("STARLING_TOKEN_FILE"),
            context: env("STARLING_CONTEXT"),
            output: Format::default(),
        }
    }

    /// This server, whatever the environment says.
    pub(super) fn at(server: String, token: String) -> Self {
        Self { server: Some(server), token: Some(token), ..Self::default() }
    }

    /// A client of the node.
    ///
    /// # Errors
    /// Contexts and token files that cannot be read.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let Chosen { server, token } = self.chosen()?;
        let mut client = Client::new(&server)?;
        if let Some(token) = token {
            client = client.token(token.expose())?;
        }
        if Voice::current().verbose {
            client = client.watched(tell);
        }
        Ok(client)
    }

    /// The same, waiting no longer than this.
    ///
    /// # Errors
    /// As [`Remote::client`].
    pub(super) fn client_within(&self, within: Duration) -> Result<Client, Failure> {
        Ok(self.client()?.within(within))
    }

    fn chosen(&self) -> Result<Chosen, Failure> {
        let given = Given {
            server: self.server.clone(),
            token: self.token.clone(),
            token_file: self.token_file.clone(),
            context: self.context.clone(),
        };
        choose(&given, &Contexts::load()?, |path| std::fs::read_to_string(path))
            .map_err(|why| Failure::Usage(vec![why]))
    }

    /// Prints one thing.
    ///
    /// # Errors
    /// [`Failure::Failed`] if stdout cannot be written.
    pub(super) fn show(&self, item: &impl Line) -> Result<(), Failure> {
        Shown::One(item).print(self.output)
    }

    /// Prints several.
    ///
    /// # Errors
    /// [`Failure::Failed`] if stdout cannot be written.
    pub(super) fn show_all(&self, items: &[impl Line]) -> Result<(), Failure> {
        Shown::All(items).print(self.output)
    }
}

fn tell(called: Called<'_>) {
    let Called { method, url, status, took } = called;
    let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    note(&format!("{method} {url}: {status} in {:.0} ms", took.as_secs_f64() * 1e3));
}

/// Runs a command that asks.
///
/// # Errors
/// The command's.
pub(super) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Failed(error.to_string()))?.block_on(command)
}
