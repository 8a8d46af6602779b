//! Asking a node over its REST API. Never does: print.

use std::{future::Future, time::Duration};

use axum::http::{HeaderValue, Method, header::AUTHORIZATION};
use serde::{Serialize, de::DeserializeOwned};
use starling_proto::{Refusal, rest::Problem};

use super::output::{Failure, Format};
use crate::client::{self, Ask, ClientError};

/// Longest wait for an answer: a node bounds itself at 15 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which node to ask, as whom, and how to print.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Remote {
    /// A node of the cluster: any of them answers for all.
    #[arg(
        long,
        global = true,
        env = "STARLING_SERVER",
        default_value = "http://127.0.0.1:9400",
        value_name = "URL"
    )]
    server: String,
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
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(super) output: Format,
}

impl Remote {
    /// Asks and reads the answer.
    ///
    /// # Errors
    /// [`Failure`] with what the node said.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        self.ask_within(method, path, body, PATIENCE).await
    }

    /// The same with another bound on the wait.
    ///
    /// # Errors
    /// As [`Remote::ask`].
    pub(super) async fn ask_within<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        within: Duration,
    ) -> Result<T, Failure> {
        let url = format!("{}{path}", self.server.trim_end_matches('/'));
        let body = body.map_or_else(Vec::new, |body| {
            serde_json::to_vec(body).expect("our questions are JSON")
        });
        let headers = match self.bearer()? {
            None => Vec::new(),
            Some(value) => vec![(AUTHORIZATION, value)],
        };
        let ask = Ask { method, url, headers, body: body.into(), within };
        let answer = client::ask(ask).await.map_err(|error| self.unreachable(&error))?;
        if !answer.status.is_success() {
            let problem = serde_json::from_slice::<Problem>(&answer.body);
            return Err(problem.map_or_else(
                |_| Failure::Failed(format!("{} answered {}", self.server, answer.status)),
                |problem| Failure::Refused(Refusal::from(problem)),
            ));
        }
        let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
        serde_json::from_slice(body).map_err(|error| {
            Failure::Failed(format!("{} answered something else: {error}", self.server))
        })
    }

    /// Asks without a body.
    ///
    /// # Errors
    /// As [`Remote::ask`].
    pub(super) async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    fn bearer(&self) -> Result<Option<HeaderValue>, Failure> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|error| Failure::Usage(vec![format!("--token-file {path}: {error}")]))?,
            (None, None) => return Ok(None),
        };
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let bad = || Failure::Usage(vec!["the token has characters that no token has".to_owned()]);
        let mut value = value.map_err(|_| bad())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn unreachable(&self, error: &ClientError) -> Failure {
        let hint = match error {
            ClientError::Url(_) => "give --server (or STARLING_SERVER) as http://host:port",
            _ => "is the node running there? --server or STARLING_SERVER names another",
        };
        Failure::Unreachable { message: error.to_string(), hint: hint.to_owned() }
    }
}

/// Runs a command that asks.
///
/// # Errors
/// The command's.
pub(super) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Failed(error.to_string()))?.block_on(command)
}
