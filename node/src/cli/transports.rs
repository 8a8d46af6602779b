//! `starling transports`: what a peer's packets come and go by.

use std::net::SocketAddr;

use clap::Subcommand;
use starling_client::{Client, Object};
use starling_proto::{
    TransportId,
    rest::{
        ConnectPlainTransport, ConnectTransport, CreatePlainTransport, CreateTransport,
        CreateWebRtcTransport, TransportBitrates, TransportConnected, TransportCreated,
    },
    transport::PlainAddress,
};

use super::{
    done::Done,
    look::Look,
    objects::{self, Whose},
    output::{self, Failure, Line, or_dash},
    remote::Remote,
};

/// What peers' packets come and go by.
#[derive(Debug, clap::Args)]
pub(super) struct Transports {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// A peer's transports.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        look: Look,
    },
    /// What the node holds of one, or with `--stats` counts, as JSON.
    Get {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        id: TransportId,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Gives a program's peer one: plain RTP, unless --webrtc.
    Create {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        what: What,
    },
    /// Tells one where its other side is, once.
    Connect {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        id: TransportId,
        /// Of plain RTP: where to send.
        #[arg(long, required_unless_present = "file", conflicts_with = "file")]
        to: Option<SocketAddr>,
        /// Where to send RTCP; without RTCP on the same port.
        #[arg(long, requires = "to")]
        rtcp_port: Option<u16>,
        /// JSON with dtlsParameters, or with ip, port and srtpParameters; `-` for stdin.
        #[arg(long, value_name = "FILE")]
        file: Option<String>,
    },
    /// Gives a WebRTC one new ICE credentials, for its client.
    RestartIce {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        id: TransportId,
    },
    /// Limits what it sends and receives, in bits per second; what is not given stays.
    Bitrates {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        id: TransportId,
        #[command(flatten)]
        limits: Limits,
    },
    /// Ends it, with all that is on it.
    Close {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        id: TransportId,
    },
}

/// What is made.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct What {
    /// ICE and DTLS, for a browser whose signalling is yours.
    #[arg(long, conflicts_with_all = ["comedia", "rtcp_port_too", "srtp", "sctp", "port"])]
    webrtc: bool,
    /// Its client is told of TCP candidates alone.
    #[arg(long, requires = "webrtc")]
    force_tcp: bool,
    /// Learns where the other side is from its first packet.
    #[arg(long)]
    comedia: bool,
    /// RTCP has a port of its own.
    #[arg(long)]
    rtcp_port_too: bool,
    /// Encrypts; the other side's key comes with `connect`.
    #[arg(long)]
    srtp: bool,
    /// Carries data channels.
    #[arg(long)]
    sctp: bool,
    /// Where the node listens; chosen by it if absent.
    #[arg(long)]
    port: Option<u16>,
}

impl From<What> for CreateTransport {
    fn from(what: What) -> Self {
        let What { webrtc, force_tcp, comedia, rtcp_port_too, srtp, sctp, port } = what;
        if webrtc {
            return Self::Webrtc(CreateWebRtcTransport { force_tcp });
        }
        Self::Plain(CreatePlainTransport {
            rtcp_mux: !rtcp_port_too,
            port,
            rtcp_port: None,
            comedia,
            enable_srtp: srtp,
            srtp_crypto_suite: None,
            enable_sctp: sctp,
        })
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Limits {
    /// Assumed to reach the receiver until anything is known.
    #[arg(long, value_name = "BPS")]
    initial: Option<u64>,
    /// The estimate is never less; at least 30,000.
    #[arg(long, value_name = "BPS")]
    min: Option<u64>,
    /// The estimate is never more; 0 for no limit.
    #[arg(long, value_name = "BPS")]
    max: Option<u64>,
    /// What the sender is told not to exceed; 0 for no limit.
    #[arg(long, value_name = "BPS")]
    max_incoming: Option<u64>,
}

impl Line for TransportCreated {
    const HEAD: &'static [&'static str] = &["transport", "type", "address", "rtcp port"];

    fn name(&self) -> String {
        match self {
            Self::Webrtc(made) => made.transport.transport_id.to_string(),
            Self::Plain(made) => made.transport_id.to_string(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let (kind, address, rtcp) = match self {
            Self::Webrtc(made) => {
                let candidates = made.transport.ice_candidates.iter();
                let all = candidates.map(|it| format!("{}:{}", it.ip, it.port));
                ("webrtc", all.collect::<Vec<_>>().join(", "), None)
            }
            Self::Plain(made) => {
                let PlainAddress { ip, port, rtcp_port } = &made.address;
                ("plain", SocketAddr::new(*ip, *port).to_string(), *rtcp_port)
            }
        };
        let rtcp = rtcp.map(|port| port.to_string()).unwrap_or_default();
        vec![self.name(), kind.to_owned(), or_dash(address), or_dash(rtcp)]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Transports { verb, remote }: Transports) -> Result<(), Failure> {
    let client = remote.client()?;
    let done = |Whose { room, peer }: &Whose, id: &TransportId, did, word| {
        let to: [(_, &dyn ToString); 3] = [("room", room), ("peer", peer), ("transport", id)];
        remote.done(&Done::new(did, &to, format!("transport {id} of {peer} {word}")))
    };
    match verb {
        Verb::List { whose: Whose { room, peer }, look } => {
            let fetch = async || Ok(client.peer(&room, &peer).await?.transports);
            look.all(remote.output, fetch).await
        }
        Verb::Get { whose, id, stats } => {
            objects::seen(&remote, &client, &whose, &Object::Transport(id), stats).await
        }
        Verb::Create { whose: Whose { room, peer }, what } => {
            remote.show(&client.create_transport(&room, &peer, &what.into()).await?)
        }
        Verb::Connect { whose, id, to, rtcp_port, file } => {
            let wish = match file {
                Some(file) => objects::body(&file)?,
                None => plain(to, rtcp_port),
            };
            connect(&remote, &client, &whose, &id, &wish).await
        }
        Verb::RestartIce { whose: Whose { room, peer }, id } => {
            let told = client.restart_ice(&room, &peer, &id).await?;
            output::value(remote.output, &serde_json::json!(told))
        }
        Verb::Bitrates { whose, id, limits } => {
            let limits = TransportBitrates {
                initial_available_outgoing_bitrate: limits.initial,
                min_outgoing_bitrate: limits.min,
                max_outgoing_bitrate: limits.max,
                max_incoming_bitrate: limits.max_incoming,
            };
            client.set_bitrates(&whose.room, &whose.peer, &id, &limits).await?;
            done(&whose, &id, "bitrates", "is limited")
        }
        Verb::Close { whose, id } => {
            client.close(&whose.room, &whose.peer, &Object::Transport(id.clone())).await?;
            done(&whose, &id, "close", "is closed")
        }
    }
}

fn plain(to: Option<SocketAddr>, rtcp_port: Option<u16>) -> ConnectTransport {
    let address = to.map(|to| PlainAddress { ip: to.ip(), port: to.port(), rtcp_port });
    let plain = ConnectPlainTransport { address, srtp_parameters: None };
    ConnectTransport { dtls_parameters: None, plain }
}

async fn connect(
    remote: &Remote,
    client: &Client,
    Whose { room, peer }: &Whose,
    id: &TransportId,
    wish: &ConnectTransport,
) -> Result<(), Failure> {
    match client.connect_transport(room, peer, id, wish).await? {
        TransportConnected::Plain(made) => remote.show(&TransportCreated::Plain(made)),
        TransportConnected::Webrtc(told) => output::value(remote.output, &serde_json::json!(told)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_connected_is_an_address_as_the_api_takes_it() {
        let body = plain(Some("192.0.2.7:5004".parse().unwrap()), Some(5_005));
        assert_eq!(json!(body), json!({"ip": "192.0.2.7", "port": 5004, "rtcpPort": 5005}));
    }
}
