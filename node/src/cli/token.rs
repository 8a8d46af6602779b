//! `starling token`.

use std::time::Duration;

use clap::Subcommand;
use starling_proto::{
    MediaKind, PeerId, RoomId,
    rest::{CreateToken, TokenCreated},
};

use super::{
    node::random_secret,
    output::{self, Failure, Format, note},
    remote::Remote,
};
use crate::{
    auth::{AdminTokens, Tokens, sha256_hex},
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
        #[command(flatten)]
        more: More,
        /// Good for so long: 30m, 12h.
        #[arg(long, default_value = "1h", value_parser = ttl)]
        ttl: Duration,
        /// File with the cluster's token_secret.
        #[arg(long, env = "STARLING_TOKEN_SECRET_FILE")]
        secret_file: Option<String>,
    },
    /// Makes an admin token: prints it, and what stands for it in admin_tokens_file.
    Admin {
        /// Whose it is, for the audit log.
        name: String,
        /// What it may do: read, rooms, peers, media, nodes, tokens, or all.
        #[arg(long, required = true, value_delimiter = ',')]
        scope: Vec<String>,
        /// Of these rooms alone.
        #[arg(long, value_delimiter = ',')]
        rooms: Vec<RoomId>,
    },
}

/// What most tokens do not need.
#[derive(Debug, clap::Args)]
struct More {
    /// May produce nothing but these kinds: audio, video.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    kinds: Vec<MediaKind>,
    /// May produce from these sources alone: camera, microphone, screen, screen_audio, or others.
    #[arg(long, value_delimiter = ',')]
    sources: Vec<String>,
    /// May not send over data channels.
    #[arg(long)]
    no_data: bool,
    /// May not come in: for the room's REST API alone.
    #[arg(long)]
    no_join: bool,
    /// May send the room's peers away, and mute them.
    #[arg(long)]
    admin: bool,
    /// Others are not told of it; it can send nothing.
    #[arg(long)]
    hidden: bool,
    /// Others are told that it records.
    #[arg(long)]
    recorder: bool,
}

fn kind(text: &str) -> Result<MediaKind, String> {
    match text {
        "audio" => Ok(MediaKind::Audio),
        "video" => Ok(MediaKind::Video),
        _ => Err("write audio or video".to_owned()),
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 3600s, 30m or 12h".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Token { verb, remote }: Token) -> Result<(), Failure> {
    let (room, peer, publish, subscribe, more, ttl, secret_file) = match verb {
        Verb::Admin { name, scope, rooms } => return admin(&name, &scope, &rooms),
        Verb::Create { room, peer, publish, subscribe, more, ttl, secret_file } => {
            (room, peer, publish, subscribe, more, ttl, secret_file)
        }
    };
    let both = !publish && !subscribe;
    let wish = CreateToken {
        join: !more.no_join,
        publish: publish || both,
        kinds: more.kinds,
        sources: more.sources,
        subscribe: subscribe || both,
        data: more.no_data.then_some(false),
        admin: more.admin,
        hidden: more.hidden,
        recorder: more.recorder,
        ttl_seconds: ttl.as_secs(),
        ..CreateToken::member(room, peer)
    };
    let made: TokenCreated = match secret_file {
        None => remote.client()?.create_token(&wish).await?,
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
        Format::Table | Format::Wide | Format::Name => output::print(&format!("{}\n", made.token)),
        other => output::value(other, &serde_json::json!(made)),
    }
}

/// Nothing of it is known to a node until the file is there.
fn admin(name: &str, scopes: &[String], rooms: &[RoomId]) -> Result<(), Failure> {
    let token = random_secret();
    let hash = sha256_hex(&token);
    let mut line =
        format!("[[token]]\nname = {name:?}\nsha256 = \"{hash}\"\nscopes = {scopes:?}\n");
    if !rooms.is_empty() {
        let rooms: Vec<_> = rooms.iter().map(ToString::to_string).collect();
        line += &format!("rooms = {rooms:?}\n");
    }
    AdminTokens::default().with_file(&line).map_err(|why| Failure::Usage(vec![why]))?;
    note(&format!("the token, which is not shown again: {token}\nfor admin_tokens_file:\n"));
    output::print(&line)
}
