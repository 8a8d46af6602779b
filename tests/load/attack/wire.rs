//! HTTP by hand, from whatever address of loopback: for requests that no library would make.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Duration, timeout},
};

use crate::client::Failure;

/// Longer than a node takes for any answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest head or body that is read.
const LONGEST: usize = 64 * 1024;

/// What was answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// 0 if the connection ended without an answer.
    pub(crate) status: u16,
    /// Head, and what of the body came with it.
    pub(crate) text: String,
}

impl Reply {
    /// Whether it has a header of this name, in small letters.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.text.lines().any(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))
    }
}

/// Strangers' addresses, none of them a client's own.
pub(crate) fn host(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2 + (n % 240) as u8)
}

/// `127.0.0.1:port` of a URL of ours.
pub(crate) fn address(url: &str) -> Result<SocketAddr, Failure> {
    Ok(url.split("://").nth(1).unwrap_or(url).parse()?)
}

/// A connection from that address.
pub(crate) async fn dial(from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::V4(SocketAddrV4::new(from, 0)))?;
    Ok(timeout(PATIENCE, socket.connect(to)).await??)
}

/// The head of an upgrade to a WebSocket.
pub(crate) fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: protoo\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
}

/// Says `request` and reads the head of the answer.
pub(crate) async fn say(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
) -> Result<Reply, Failure> {
    timeout(PATIENCE, stream.write_all(request)).await??;
    Ok(timeout(PATIENCE, hear(stream)).await?)
}

/// Reads until a head is whole, or nothing more comes.
pub(crate) async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Reply {
    let (mut text, mut buffer) = (Vec::new(), [0; 4_096]);
    while text.len() < LONGEST && !text.windows(4).any(|it| it == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(len) => text.extend_from_slice(&buffer[..len]),
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
    Reply { status, text }
}

/// Opens a connection, says something and hears the answer.
pub(crate) async fn once(from: Ipv4Addr, to: SocketAddr, request: &[u8]) -> Result<Reply, Failure> {
    say(&mut dial(from, to).await?, request).await
}
