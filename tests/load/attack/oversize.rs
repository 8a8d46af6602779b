//! T-S02: what is larger or deeper than anything honest. Refused at the cap, and not kept.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    Context,
    findings::{Bound, Findings},
    wire::{Reply, address, dial, hear, host, once, upgrade},
};
use crate::{client::Failure, node::Node};

/// What a body says it has, and a message.
const BODY: usize = 100 << 20;
const MESSAGE: u64 = 64 << 20;
/// How often each is tried.
const TIMES: usize = 5;
/// What all of them together may leave behind.
const GROWN: f64 = 1e6;
/// Until a frame is refused.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-S02").await?;
    let times = context.scale(TIMES, 4 * TIMES);
    // Once for the buffers that it keeps for good.
    all(&node, &mut Vec::new()).await?;
    let memory = node.memory();
    let mut seen = Vec::new();
    for _ in 0..times {
        all(&node, &mut seen).await?;
    }
    sleep(Duration::from_millis(500)).await;
    let grown = node.memory() - memory;
    let mut names: Vec<_> = seen.iter().map(|(name, _, _)| *name).collect();
    names.dedup();
    names.truncate(seen.len() / times);
    for name in names {
        let of: Vec<_> = seen.iter().filter(|(other, _, _)| *other == name).collect();
        let refused = of.iter().filter(|(_, _, good)| *good).count();
        let share = 100.0 * refused as f64 / of.len() as f64;
        if share < 100.0 {
            let answers: Vec<_> = of.iter().map(|it| it.1).collect();
            findings.note(&format!("{name}: answered {answers:?}"));
        }
        let key = format!("{name}_refused_percent");
        findings.check(&key, share, Bound::Exactly(100.0), of.len() as u64);
    }
    findings.check("memory_grown_bytes", grown, Bound::AtMost(GROWN), seen.len() as u64);
    let panics = node.logged().matches("panicked").count() as f64;
    findings.check("panics", panics, Bound::Exactly(0.0), seen.len() as u64);
    Ok(())
}

type Seen = Vec<(&'static str, u16, bool)>;

/// Each of them once: its name, what was answered, whether that is a refusal.
async fn all(node: &Node, seen: &mut Seen) -> Result<(), Failure> {
    let mut note = |name, status, wanted: &[u16]| {
        seen.push((name, status, wanted.contains(&status)));
    };
    note("body_of_100_mb", huge_body(node, false).await?.status, &[413]);
    note("chunks_of_100_mb", huge_body(node, true).await?.status, &[413]);
    let rooms = "/v1/rooms";
    for (name, body, wanted) in [
        ("depth", deep(60_000), &[400, 422][..]),
        ("depth_of_a_million", deep(1_000_000), &[413]),
        ("keys_of_a_million", keys(1_000_000), &[413]),
        ("a_text_of_100_k", json!({"id": "x".repeat(100_000)}).to_string(), &[413]),
        ("a_text_of_60_k", json!({"id": "x".repeat(60_000)}).to_string(), &[400, 413, 422]),
    ] {
        note(name, post(node, rooms, "", &body).await?.status, wanted);
    }
    let packed = post(node, rooms, "Content-Encoding: gzip\r\n", "\u{1f}\u{8b}bomb").await?;
    note("a_packed_body", packed.status, &[400, 415, 422]);
    let head = format!("GET /livez HTTP/1.1\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    note("a_head_of_1_mb", request(node, head.as_bytes()).await?.status, &[431, 400, 0]);
    note("message_of_64_mb", message(node, MESSAGE, b"").await?, &[1009]);
    let frame = deep(60_000);
    note("message_of_depth", message(node, frame.len() as u64, frame.as_bytes()).await?, &[OPEN]);
    let frame = keys(3_000);
    note("message_of_keys", message(node, frame.len() as u64, frame.as_bytes()).await?, &[OPEN]);
    Ok(())
}

fn deep(levels: usize) -> String {
    "[".repeat(levels)
}

fn keys(count: usize) -> String {
    let all: serde_json::Map<_, _> =
        (0..count).map(|n| (format!("key-{n}"), Value::from(n))).collect();
    Value::Object(all).to_string()
}

async fn request(node: &Node, bytes: &[u8]) -> Result<Reply, Failure> {
    // A node that refuses early resets the rest, which is an answer, too.
    Ok(once(host(0), address(&node.url)?, bytes).await.unwrap_or_default())
}

async fn post(node: &Node, path: &str, more: &str, body: &str) -> Result<Reply, Failure> {
    let admin = &node.secrets.admin;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {admin}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n",
        body.len()
    );
    let mut stream = dial(host(0), address(&node.admin)?).await?;
    stream.write_all(head.as_bytes()).await?;
    let (mut from, mut to) = stream.split();
    // It may answer before it has heard all, and stop listening.
    let (_, reply) = tokio::join!(to.write_all(body.as_bytes()), read(&mut from));
    Ok(reply)
}

async fn read(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Reply {
    let mut buffer = [0; 4_096];
    let read = timeout(PATIENCE, from.read(&mut buffer)).await;
    let text =
        String::from_utf8_lossy(&buffer[..read.map_or(0, Result::unwrap_or_default)]).into_owned();
    let status = text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
    Reply { status, text }
}

/// A body of 100 MB, by its length or in chunks without an end.
async fn huge_body(node: &Node, chunked: bool) -> Result<Reply, Failure> {
    let admin = &node.secrets.admin;
    let how = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {BODY}")
    };
    let head = format!(
        "POST /v1/rooms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {admin}\r\n\
         Content-Type: application/json\r\n{how}\r\n\r\n"
    );
    let mut stream = dial(host(0), address(&node.admin)?).await?;
    stream.write_all(head.as_bytes()).await?;
    let (mut from, mut to) = stream.split();
    let flow = async {
        let piece = vec![b'x'; 64 * 1024];
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(&piece);
        chunk.extend_from_slice(b"\r\n");
        let bytes = if chunked { &chunk } else { &piece };
        for _ in 0..BODY / piece.len() {
            if to.write_all(bytes).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        reply = read(&mut from) => Ok(reply),
        () = flow => Err("the body was taken".into()),
    }
}

/// The session goes on: the frame was counted and ignored.
const OPEN: u16 = 1;

/// A text message that says it has `len` bytes; the close code, [`OPEN`] if a ping is answered
/// after it.
async fn message(node: &Node, len: u64, bytes: &[u8]) -> Result<u16, Failure> {
    let peer = format!("large-{}", rand::random::<u32>());
    let token = node.token("large", &peer)?;
    let path = format!("/ws?roomId=large&peerId={peer}&token={token}");
    let mut stream = dial(host(1), address(&node.url)?).await?;
    stream.write_all(upgrade(&path).as_bytes()).await?;
    let reply = hear(&mut stream).await;
    if reply.status != 101 || reply.has("sec-websocket-extensions") {
        // Compression that was agreed on could be a bomb.
        return Ok(reply.status);
    }
    stream.write_all(&frame(0x81, len, bytes)).await?;
    if !bytes.is_empty() {
        let ping = br#"{"request":true,"id":7,"method":"ping","data":{}}"#;
        stream.write_all(&frame(0x81, ping.len() as u64, ping)).await?;
    }
    timeout(PATIENCE, verdict(&mut stream)).await?
}

/// A client's frame (RFC 6455 §5.2), masked with zeros.
fn frame(first: u8, len: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match len {
        0..126 => out.push(0x80 | len as u8),
        126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(bytes);
    out
}

/// Reads frames of the node until one closes, or answers the ping.
async fn verdict(stream: &mut TcpStream) -> Result<u16, Failure> {
    loop {
        let mut head = [0; 2];
        if stream.read_exact(&mut head).await.is_err() {
            return Ok(1006);
        }
        let len = match head[1] & 0x7f {
            126 => usize::from(stream.read_u16().await?),
            127 => stream.read_u64().await? as usize,
            short => usize::from(short),
        };
        let mut body = vec![0; len.min(1 << 20)];
        stream.read_exact(&mut body).await?;
        match head[0] & 0x0f {
            8 => return Ok(body.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
            1 if String::from_utf8_lossy(&body).contains("\"id\":7") => return Ok(OPEN),
            _ => {}
        }
    }
}
