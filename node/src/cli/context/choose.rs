//! Which server, and which token for it: flag or variable before context before default. Pure;
//! files are read through a closure.

use std::io;

use super::{Context, Contexts};
use crate::config::Secret;

/// Where nothing says otherwise: the admin listener of a node with its defaults, on this machine.
const DEFAULT: &str = "http://127.0.0.1:9400";

/// What flags and variables say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// `--server`.
    pub(crate) server: Option<String>,
    /// `--token`.
    pub(crate) token: Option<String>,
    /// `--token-file`.
    pub(crate) token_file: Option<String>,
    /// `--context`.
    pub(crate) context: Option<String>,
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// URL.
    pub(crate) server: String,
    /// Token.
    pub(crate) token: Option<Secret>,
}

/// Chooses. A context's token goes to its own server, and to another one only if both were named: a
/// token must not leak because somebody tried another address.
///
/// # Errors
/// A sentence: an unknown context, a token file that cannot be read.
pub(crate) fn choose(
    given: &Given,
    contexts: &Contexts,
    read: impl Fn(&str) -> io::Result<String>,
) -> Result<Chosen, String> {
    let named = given.context.as_deref();
    let current = contexts.current.as_deref().filter(|_| given.server.is_none());
    let context = named.or(current).map(|name| contexts.find(name)).transpose()?;
    let server = given.server.clone().or_else(|| context.map(|context| context.server.clone()));
    let from = |token: Option<&String>, file: Option<&String>, name: &str| match (token, file) {
        (Some(token), _) => Ok(Some(Secret::new(token.trim()))),
        (None, Some(path)) => match read(path) {
            Ok(text) => Ok(Some(Secret::new(text.trim()))),
            Err(error) => Err(format!("{name} {path}: {error}")),
        },
        (None, None) => Ok(None),
    };
    let mut token = from(given.token.as_ref(), given.token_file.as_ref(), "--token-file")?;
    if let (None, Some(Context { token: kept, token_file, .. })) = (&token, context) {
        token = from(kept.as_ref(), token_file.as_ref(), "the context's token_file")?;
    }
    Ok(Chosen { server: server.unwrap_or_else(|| DEFAULT.to_owned()), token })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts() -> Contexts {
        let context = |server: &str, token: Option<&str>, file: Option<&str>| Context {
            server: server.to_owned(),
            token: token.map(String::from),
            token_file: file.map(String::from),
        };
        Contexts {
            current: Some("prod".into()),
            contexts: [
                ("prod".into(), context("https://prod", Some("p"), None)),
                ("test".into(), context("https://test", None, Some("file"))),
            ]
            .into(),
        }
    }

    fn chosen(given: &Given) -> (String, Option<String>) {
        let read = |path: &str| {
            if path == "file" { Ok("t\n".to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
        };
        let Chosen { server, token } = choose(given, &contexts(), read).unwrap();
        (server, token.map(|token| token.expose().to_owned()))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn flags_beat_the_named_context_and_that_the_current_one() {
        assert_eq!(chosen(&Given::default()), ("https://prod".into(), some("p")));
        let named = Given { context: some("test"), ..Given::default() };
        assert_eq!(chosen(&named), ("https://test".into(), some("t")));
        let flag = Given { token: some("f"), ..named };
        assert_eq!(chosen(&flag), ("https://test".into(), some("f")));
    }

    #[test]
    fn a_token_does_not_go_to_another_server_by_itself() {
        let other = Given { server: some("http://other"), ..Given::default() };
        assert_eq!(chosen(&other), ("http://other".into(), None));
        let both = Given { context: some("prod"), ..other };
        assert_eq!(chosen(&both), ("http://other".into(), some("p")));
    }

    #[test]
    fn without_anything_it_is_the_local_node() {
        let none = choose(&Given::default(), &Contexts::default(), |_| Ok(String::new())).unwrap();
        assert_eq!(none, Chosen { server: DEFAULT.into(), token: None });
    }

    #[test]
    fn a_token_file_that_is_not_there_is_named() {
        let given = Given { token_file: some("gone"), ..Given::default() };
        let why = choose(&given, &contexts(), |_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(why.starts_with("--token-file gone: "), "{why}");
    }
}
