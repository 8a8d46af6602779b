//! `starling token`.

use std::time::{Duration, SystemTime};

use clap::Subcommand;
use serde::Serialize;
use starling_proto::{
    Grants, MediaKind, PeerId, RevocationId, RoomId,
    rest::{CreateToken, TokenCreated},
};

use super::{
    look::Look,
    node::random_secret,
    output::{self, Failure, Format, Line, note, or_dash},
    remote::Remote,
    revocations::{self, Which},
};
use crate::{
    auth::{AdminTokens, Claims, Seat, Tokens, sha256_hex},
    config::{Secret, value},
};

/// Room tokens, and admin tokens.
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
    /// Revokes room tokens on every node: nobody comes in by them, and who is in a room by one is
    /// sent away.
    Revoke {
        #[command(flatten)]
        which: Which,
        /// Why, for operators.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// What is revoked.
    Revocations {
        #[command(flatten)]
        look: Look,
    },
    /// Takes a revocation back.
    Pardon {
        /// Its id.
        id: RevocationId,
    },
    /// Reads a room token: whom it is for, what it grants, and until when. With --secret-file its
    /// signature is checked, too.
    Verify {
        /// The token; `-` for stdin.
        text: String,
        /// File with the cluster's token_secret.
        #[arg(long, env = "STARLING_TOKEN_SECRET_FILE")]
        secret_file: Option<String>,
    },
}

/// What most tokens do not need.
#[derive(Debug, clap::Args)]
struct More {
    /// May produce nothing but these kinds: audio, video.
    #[arg(long, value_delimiter = ',', value_parser = super::rooms::kind)]
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

fn ttl(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 3600s, 30m or 12h".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Token { verb, remote }: Token) -> Result<(), Failure> {
    let (room, peer, publish, subscribe, more, ttl, secret_file) = match verb {
        Verb::Admin { name, scope, rooms } => {
            return admin(remote.output, &name, &scope, &rooms);
        }
        Verb::Revoke { which, reason } => {
            let now = u64::try_from(now()).unwrap_or_default();
            return revocations::revoke(&remote, &remote.client()?, which, (now, reason)).await;
        }
        Verb::Revocations { look } => {
            let client = remote.client()?;
            return look.all(remote.output, async || Ok(client.revocations().await?)).await;
        }
        Verb::Pardon { id } => return revocations::pardon(&remote, &remote.client()?, &id).await,
        Verb::Verify { text, secret_file } => {
            return verify(&remote, &text, secret_file.as_deref());
        }
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
        Some(path) => keys(&path)?.issue(&wish).map_err(Failure::Refused)?,
    };
    match remote.output {
        Format::Table | Format::Wide | Format::Name => output::print(&format!("{}\n", made.token)),
        other => output::value(other, &serde_json::json!(made)),
    }
}

fn keys(path: &str) -> Result<Tokens, Failure> {
    let wrong = |why: String| Failure::Usage(vec![format!("--secret-file {path}: {why}")]);
    let secret = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    match value::weak(secret) {
        Some(why) => Err(wrong(why)),
        None => Ok(Tokens::new(&Secret::new(secret))),
    }
}

/// An admin token that was made.
#[derive(Debug, Serialize)]
struct Made<'a> {
    name: &'a str,
    /// Shown this once.
    token: &'a str,
    sha256: &'a str,
    scopes: &'a [String],
    rooms: &'a [RoomId],
}

/// Nothing of it is known to a node until the file is there.
fn admin(format: Format, name: &str, scopes: &[String], rooms: &[RoomId]) -> Result<(), Failure> {
    let token = random_secret();
    let hash = sha256_hex(&token);
    let mut line =
        format!("[[token]]\nname = {name:?}\nsha256 = \"{hash}\"\nscopes = {scopes:?}\n");
    if !rooms.is_empty() {
        let rooms: Vec<_> = rooms.iter().map(ToString::to_string).collect();
        line += &format!("rooms = {rooms:?}\n");
    }
    AdminTokens::default().with_file(&line).map_err(|why| Failure::Usage(vec![why]))?;
    match format {
        Format::Table | Format::Wide => {
            note(&format!(
                "the token, which is not shown again: {token}\nfor admin_tokens_file:\n"
            ));
            output::print(&line)
        }
        Format::Name => output::print(&format!("{name}\n")),
        other => {
            let made = Made { name, token: &token, sha256: &hash, scopes, rooms };
            output::value(other, &serde_json::json!(made))
        }
    }
}

/// What a room token says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    room: RoomId,
    peer: PeerId,
    /// What it grants, in the words of `token create`.
    grants: Vec<String>,
    /// Its `jti`, by which it can be revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    expires_at: u64,
    /// Seconds from now; less than nothing if it is over.
    expires_in: i64,
    /// Absent: it was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<bool>,
}

impl Line for Read {
    const HEAD: &'static [&'static str] = &["room", "peer", "grants", "expires in", "signature"];
    const WIDE: &'static [&'static str] = &["id"];

    fn name(&self) -> String {
        self.peer.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let left =
            if self.expires_in < 0 { "expired".into() } else { format!("{} s", self.expires_in) };
        let signature = if self.signed == Some(true) { "good" } else { "not checked" };
        let grants = or_dash(self.grants.join(","));
        vec![self.room.to_string(), self.name(), grants, left, signature.to_owned()]
    }

    fn wide(&self) -> Vec<String> {
        vec![or_dash(self.id.clone().unwrap_or_default())]
    }
}

fn verify(remote: &Remote, text: &str, secret_file: Option<&str>) -> Result<(), Failure> {
    let token = if text == "-" {
        std::io::read_to_string(std::io::stdin())
            .map_err(|error| Failure::Failed(error.to_string()))?
    } else {
        text.to_owned()
    };
    let token = token.trim();
    let signed = secret_file.map(|path| keys(path)?.verify(token).map_err(Failure::Refused));
    let signed = signed.transpose()?.map(|_| true);
    let claims = Claims::unverified(token).map_err(|why| Failure::Refused(why.into()))?;
    let (expires_at, id) = (claims.exp, claims.jti.clone());
    let Seat { room, peer, join, grants, .. } =
        claims.seat().map_err(|why| Failure::Refused(why.into()))?;
    let expires_in = i64::try_from(expires_at).unwrap_or(i64::MAX).saturating_sub(now());
    let grants = words(join, &grants);
    remote.show(&Read { room, peer, grants, id, expires_at, expires_in, signed })
}

/// What is granted, in words.
fn words(join: bool, of: &Grants) -> Vec<String> {
    let named = [
        ("join", join),
        ("publish", of.publish),
        ("subscribe", of.subscribe),
        ("data", of.data),
        ("admin", of.admin),
        ("hidden", of.hidden),
        ("recorder", of.recorder),
    ];
    let mut all: Vec<_> =
        named.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()).collect();
    all.extend(of.kinds.iter().map(|kind| format!("kind={kind:?}").to_lowercase()));
    all.extend(of.sources.iter().map(|source| format!("source={source}")));
    all
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_told_in_the_words_of_the_flags() {
        let grants = Grants {
            kinds: vec![MediaKind::Audio],
            sources: vec!["screen".into()],
            admin: true,
            ..Grants::member()
        };
        let told = "join publish subscribe data admin kind=audio source=screen";
        assert_eq!(words(true, &grants).join(" "), told);
        let none = Grants { publish: false, subscribe: false, data: false, ..Grants::member() };
        assert!(words(false, &none).is_empty());
    }
}
