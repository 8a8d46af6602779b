//! `starling context`: servers and tokens under names.

mod choose;
mod file;

use clap::Subcommand;
use serde::Serialize;

pub(super) use choose::{Chosen, Given, choose};
pub(super) use file::{Context, Contexts};

use super::{
    done::Done,
    output::{Failure, Format, Line, Shown, note, or_dash},
};

/// Servers and tokens under names, in a file that only you can read.
#[derive(Debug, clap::Args)]
pub(super) struct ContextArgs {
    #[command(subcommand)]
    verb: Verb,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All of them; the current one has a star.
    #[command(visible_alias = "ls")]
    List,
    /// Takes a server and token from now on.
    Use {
        /// The context.
        #[arg(add = clap_complete::engine::ArgValueCompleter::new(super::live::contexts))]
        name: String,
    },
    /// Makes or changes one, and takes it if it is the first.
    Set {
        /// The context.
        name: String,
        /// A node of the cluster.
        #[arg(long, value_name = "URL")]
        server: String,
        /// The admin token, kept in the file.
        #[arg(long, value_name = "TEXT", conflicts_with = "token_file")]
        token: Option<String>,
        /// File with the admin token, read at each use.
        #[arg(long, value_name = "FILE")]
        token_file: Option<String>,
    },
    /// Forgets one.
    #[command(visible_alias = "rm")]
    Delete {
        /// The context.
        #[arg(add = clap_complete::engine::ArgValueCompleter::new(super::live::contexts))]
        name: String,
    },
}

/// A context as it is shown: without its token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    name: &'a str,
    current: bool,
    server: &'a str,
    token: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<&'a str>,
}

impl Line for Told<'_> {
    const HEAD: &'static [&'static str] = &["", "context", "server", "token"];

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        let star = if self.current { "*" } else { " " };
        let token = self.token_file.unwrap_or(self.token);
        vec![star.to_owned(), self.name(), self.server.to_owned(), or_dash(token)]
    }
}

/// Does it.
///
/// # Errors
/// A file that cannot be read or written, and names that nobody knows.
pub(super) fn run(ContextArgs { verb, output }: ContextArgs) -> Result<(), Failure> {
    let mut contexts = Contexts::load()?;
    let known = |contexts: &Contexts, name: &str| {
        contexts.find(name).map(drop).map_err(|why| Failure::Usage(vec![why]))
    };
    match verb {
        Verb::List => {
            let all = contexts.contexts.keys().filter_map(|name| told(&contexts, name));
            Shown::All(&all.collect::<Vec<_>>()).print(output)
        }
        Verb::Use { name } => {
            known(&contexts, &name)?;
            contexts.current = Some(name.clone());
            contexts.save()?;
            show(&contexts, &name, output, &format!("{name} is used from now on"))
        }
        Verb::Set { name, server, token, token_file } => {
            starling_client::Client::new(&server)?;
            contexts.current.get_or_insert_with(|| name.clone());
            let said = format!("{name}: {server}");
            contexts.contexts.insert(name.clone(), Context { server, token, token_file });
            contexts.save()?;
            show(&contexts, &name, output, &said)
        }
        Verb::Delete { name } => {
            known(&contexts, &name)?;
            contexts.contexts.remove(&name);
            contexts.current = contexts.current.filter(|current| *current != name);
            contexts.save()?;
            let to: [(_, &dyn ToString); 1] = [("context", &name)];
            Done::new("delete", &to, format!("{name} is forgotten")).tell(output)
        }
    }
}

/// A sentence for people, the context for programs.
fn show(contexts: &Contexts, name: &str, output: Format, said: &str) -> Result<(), Failure> {
    match told(contexts, name) {
        Some(context) if !matches!(output, Format::Table | Format::Wide) => {
            Shown::One(&context).print(output)
        }
        _ => {
            note(said);
            Ok(())
        }
    }
}

fn told<'a>(contexts: &'a Contexts, name: &str) -> Option<Told<'a>> {
    let (name, context) = contexts.contexts.get_key_value(name)?;
    Some(Told {
        name,
        current: contexts.current.as_ref() == Some(name),
        server: &context.server,
        token: if context.token.is_some() { "<secret>" } else { "" },
        token_file: context.token_file.as_deref(),
    })
}
