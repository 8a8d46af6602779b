//! `starling token`.

use std::time::Duration;

use axum::http::Method;
use clap::Subcommand;
use starling_proto::{
    PeerId, RoomId,
    rest::{CreateToken, TokenCreated},
};

use super::{
    output::{self, Failure, Format},
    remote::Remote,
};
use crate::{
    auth::Tokens,
    config::{Secret, value},
};

/// Room tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes one: signed here with --secret-file, by the node without.
    Create {
        /// For which room.
        #[arg(long)]
        room: RoomId,
        /// For which peer.
        #[arg(long)]
        peer: PeerId,
        /// May produce. (Without --publish and --subscribe: both.)
        #[arg(long)]
        publish: bool,
        /// May consume.
        #[arg(long)]
        subscribe: bool,
        /// Good for so long: 30m, 12h.
        #[arg(long, default_value = "1h", value_parser = ttl)]
        ttl: Duration,
        /// File with the cluster's token_secret.
        #[arg(long, env = "STARLING_TOKEN_SECRET_FILE")]
        secret_file: Option<String>,
    },
}

fn ttl(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 3600s, 30m or 12h".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Token { verb, remote }: Token) -> Result<(), Failure> {
    let Verb::Create { room, peer, publish, subscribe, ttl, secret_file } = verb;
    let both = !publish && !subscribe;
    let wish = CreateToken {
        room,
        peer,
        publish: publish || both,
        subscribe: subscribe || both,
        ttl_seconds: ttl.as_secs(),
    };
    let made: TokenCreated = match secret_file {
        None => remote.ask(Method::POST, "/v1/tokens", Some(&wish)).await?,
        Some(path) => {
            let secret = std::fs::read_to_string(&path)
                .map_err(|error| Failure::Usage(vec![format!("--secret-file {path}: {error}")]))?;
            let secret = secret.trim_end_matches(['\r', '\n']);
            if let Some(why) = value::weak(secret) {
                return Err(Failure::Usage(vec![format!("--secret-file {path}: {why}")]));
            }
            Tokens::new(&Secret::new(secret)).issue(&wish).map_err(Failure::Refused)?
        }
    };
    match remote.output {
        Format::Json => output::json(&made),
        Format::Table => output::print(&format!("{}\n", made.token)),
    }
}
