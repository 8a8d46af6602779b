//! WHIP and WHEP by hand: an offer as ffmpeg's, the answer read as far as ICE and DTLS need it.

use std::net::SocketAddr;

use starling_proto::transport::IceParameters;
use tokio::io::AsyncWriteExt;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Duration, timeout},
};

use crate::{
    client::{Failure, Identity, Transport, check_at},
    node::Node,
};

/// Longer than a node takes for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer.
const LONGEST: u64 = 64 * 1024;

/// A session that is to be ended with DELETE.
pub(super) struct Session {
    address: SocketAddr,
    path: String,
    token: String,
    _line: Transport,
}

impl Session {
    /// Publishes a microphone (`whip`), or plays one (`whep`).
    pub(super) async fn open(
        node: &Node,
        protocol: &str,
        (room, peer): (&str, &str),
        identity: &Identity,
    ) -> Result<Self, Failure> {
        let token = node.token(room, peer)?;
        let address: SocketAddr = node.url.trim_start_matches("http://").parse()?;
        let way = if protocol == "whip" { "sendonly" } else { "recvonly" };
        let path = format!("/{protocol}/{room}");
        let offer = offer(way, identity.fingerprint());
        let answer = say(address, "POST", &path, &token, &offer).await?;
        let location = line(&answer, "location: ").ok_or_else(|| answer.clone())?;
        let at = location.find(&format!("/{protocol}/")).ok_or("a strange location")?;
        let path = location[at..].to_owned();
        let value = |name: &str| {
            let found = line(&answer, &format!("a={name}:")).map(str::to_owned);
            found.ok_or_else(|| format!("the answer has no {name}"))
        };
        let ice = IceParameters {
            username_fragment: value("ice-ufrag")?,
            password: value("ice-pwd")?,
            ice_lite: true,
        };
        let to = udp(&answer).ok_or("the answer has no candidate")?;
        let line = check_at(ice, to, true).await?.handshake(identity).await?;
        Ok(Self { address, path, token, _line: line })
    }

    /// Ends it.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let answer = say(self.address, "DELETE", &self.path, &self.token, "").await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) }
    }
}

fn offer(way: &str, fingerprint: &str) -> String {
    let ssrc = if way == "sendonly" { "a=ssrc:1137421182 cname:soak\r\n" } else { "" };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:load\r\n\
         a=ice-pwd:a396978365a7df0e0a98e6716de7144f\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:active\r\na=mid:0\r\na={way}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n{ssrc}"
    )
}

/// The rest of the first line that begins so, in whatever letters.
fn line<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let begins =
        |line: &&str| line.get(..head.len()).is_some_and(|found| found.eq_ignore_ascii_case(head));
    text.lines().find(begins).map(|line| line[head.len()..].trim())
}

/// Address and port of the first candidate of UDP (RFC 8839 §5.1).
fn udp(answer: &str) -> Option<SocketAddr> {
    let lines = answer.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
    let mut fields = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    let candidate = fields.find(|it| it.len() > 5 && it[2].eq_ignore_ascii_case("udp"))?;
    Some(SocketAddr::new(candidate[4].parse().ok()?, candidate[5].parse().ok()?))
}

/// One request on a connection of its own; the whole answer.
async fn say(
    to: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &str,
) -> Result<String, Failure> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    Ok(timeout(PATIENCE, exchange).await??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_far_as_it_is_needed() {
        let answer = "HTTP/1.1 201 Created\r\nLocation: http://h:1/whip/r/7\r\n\r\nv=0\r\n\
            a=ice-ufrag:abc\r\n\
            a=candidate:1 1 tcp 9 10.0.0.1 7000 typ host tcptype passive\r\n\
            a=candidate:2 1 UDP 9 127.0.0.1 7001 typ host\r\n";
        assert_eq!(line(answer, "location: "), Some("http://h:1/whip/r/7"));
        assert_eq!(line(answer, "a=ice-ufrag:"), Some("abc"));
        assert_eq!(udp(answer), Some("127.0.0.1:7001".parse().unwrap()));
        assert_eq!(udp("a=candidate:2 1 UDP"), None);
    }
}
