//! T-S01: connections that hold a place and say nothing, or a byte at a time.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Context,
    findings::{Bound, Findings},
    wire::{address, dial, hear, host, upgrade},
};
use crate::{
    client::{Client, Failure, Wish},
    node::Node,
};

/// How long one that says nothing, or slowly, may stay; and one that said something once.
const HANDSHAKE: f64 = 10.5;
const IDLE: f64 = 16.5;
/// Longer than both.
const WATCH: Duration = Duration::from_secs(30);
/// Between two bytes of a slow one.
const SLOW: Duration = Duration::from_secs(5);
/// Memory that one may cost which has not asked for anything yet.
const EACH: f64 = 8.0 * 1_024.0;
/// And one that has: hyper's two buffers are 16 KiB.
const EACH_SERVED: f64 = 24.0 * 1_024.0;
/// And one that is a peer, with its share of a room of two.
const EACH_PEER: f64 = 64.0 * 1_024.0;
/// Opened at once.
const TOGETHER: usize = 50;

/// How it holds its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Connects.
    Nothing,
    /// A byte of a request now and then.
    Byte,
    /// A head without its end.
    Head,
    /// Asked something once and keeps the connection.
    Kept,
    /// A WebSocket that says nothing, answers no ping and does not join.
    Silent,
}

const KINDS: [Kind; 5] = [Kind::Nothing, Kind::Byte, Kind::Head, Kind::Kept, Kind::Silent];

/// Those whose memory is about the same, what that is called, and how much it may be. All three are
/// there before the first connection is closed.
const GROUPS: [(&str, &[Kind], f64); 3] = [
    ("unasked", &[Kind::Nothing, Kind::Byte, Kind::Head], EACH),
    ("kept_alive", &[Kind::Kept], EACH_SERVED),
    ("websocket", &[Kind::Silent], EACH_PEER),
];

impl Kind {
    const fn most(self) -> f64 {
        match self {
            Self::Nothing | Self::Byte | Self::Head => HANDSHAKE,
            Self::Kept | Self::Silent => IDLE,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "says_nothing",
            Self::Byte => "a_byte_each_5_s",
            Self::Head => "a_head_without_end",
            Self::Kept => "kept_alive",
            Self::Silent => "silent_websocket",
        }
    }
}

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-S01").await?;
    let count = context.scale(500, 5_000);
    join(context, &node, 0).await?;
    let to = address(&node.url)?;
    let (mut holding, mut opened) = (JoinSet::new(), 0);
    for (name, kinds, most) in GROUPS {
        let memory = node.memory();
        let these = kinds.len() * count / KINDS.len();
        for n in 0..these {
            let kind = kinds[n % kinds.len()];
            let path = match kind {
                Kind::Silent => {
                    let (room, peer) = (format!("silent-{}", n % 50), format!("idler-{n}"));
                    let token = node.token(&room, &peer)?;
                    format!("/ws?roomId={room}&peerId={peer}&token={token}")
                }
                _ => "/livez".to_owned(),
            };
            let from = host(opened + n);
            holding.spawn(async move { (kind, hold(kind, from, to, path).await) });
            if n % TOGETHER == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        opened += these;
        sleep(Duration::from_secs(1)).await;
        let each = (node.memory() - memory) / these as f64;
        let key = format!("memory_each_{name}_bytes");
        findings.check(&key, each, Bound::AtMost(most), these as u64);
    }
    let (mut good, tries) = (0, context.scale(20, 100));
    for n in 0..tries {
        match join(context, &node, n + 1).await {
            Ok(()) => good += 1,
            Err(why) => findings.note(&format!("join {n}: {why}")),
        }
    }
    let mut stays: Vec<(Kind, Option<f64>)> = Vec::new();
    while let Some(held) = holding.join_next().await {
        let (kind, stay) = held?;
        stays.push((kind, stay.ok().map(|it| it.as_secs_f64())));
    }
    for kind in KINDS {
        let of: Vec<_> = stays.iter().filter(|it| it.0 == kind).filter_map(|it| it.1).collect();
        let all = stays.iter().filter(|it| it.0 == kind).count();
        let longest =
            if of.len() == all { of.iter().copied().fold(0.0, f64::max) } else { f64::NAN };
        let key = format!("{}_closed_within_s", kind.name());
        findings.check(&key, longest, Bound::AtMost(kind.most()), all as u64);
    }
    let share = 100.0 * f64::from(good) / f64::from(tries as u32);
    findings.check(
        "joins_meanwhile_percent",
        share,
        Bound::Exactly(100.0),
        u64::from(tries as u32),
    );
    Ok(())
}

/// How long the node lets it stay; an error if it never ends it.
async fn hold(
    kind: Kind,
    from: Ipv4Addr,
    to: SocketAddr,
    path: String,
) -> Result<Duration, Failure> {
    let mut stream = dial(from, to).await?;
    let began = Instant::now();
    match kind {
        Kind::Nothing => {}
        Kind::Byte => return drip(stream, began).await,
        Kind::Head => {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
            stream.write_all(head.as_bytes()).await?;
        }
        Kind::Kept => {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            hear(&mut stream).await;
        }
        Kind::Silent => {
            stream.write_all(upgrade(&path).as_bytes()).await?;
            let reply = hear(&mut stream).await;
            if reply.status != 101 {
                return Err(format!("the upgrade was answered with {}", reply.status).into());
            }
        }
    }
    end(&mut stream).await?;
    Ok(began.elapsed())
}

/// Says a byte at a time.
async fn drip(mut stream: TcpStream, began: Instant) -> Result<Duration, Failure> {
    for byte in b"GET /livez HTTP/1.1\r\n" {
        if stream.write_all(&[*byte]).await.is_err() {
            return Ok(began.elapsed());
        }
        if let Ok(done) = timeout(SLOW, end(&mut stream)).await {
            done?;
            return Ok(began.elapsed());
        }
    }
    Err("it is still open".into())
}

/// Waits for the end of a connection.
async fn end(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut buffer = [0; 1_024];
    let over = async { while let Ok(1..) = stream.read(&mut buffer).await {} };
    timeout(WATCH, over).await.map_err(|_| "it is still open".into())
}

/// Somebody who means it.
async fn join(context: &Context, node: &Node, n: usize) -> Result<(), Failure> {
    let (room, peer) = ("good", format!("good-{n}"));
    let token = node.token(room, &peer)?;
    let wish = Wish { consume: true, keep: false };
    let client =
        Client::enter(&node.url, (room, &peer), Some(&token), &context.identity, wish).await?;
    client.leave().await;
    Ok(())
}
