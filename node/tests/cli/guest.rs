//! Somebody who is in a room by signalling and goes where it is told, as pages do.

use std::time::Duration;

use serde_json::json;
use starling_client::Client;
use starling_people::client::{Heard, Signal};
use starling_proto::{PeerId, RoomId, rest::CreateToken};
use tokio::{sync::mpsc, time::sleep};

use crate::bench::{Dev, TOKEN};

/// How long the old session is kept after a move.
const BOTH: Duration = Duration::from_millis(300);

/// What a node says when it closes a session: WebSocket's code, and why.
pub(crate) type Closings = mpsc::UnboundedReceiver<(u16, String)>;

/// To where somebody is told to go, and why sessions are closed.
#[derive(Clone)]
struct Ears {
    go: mpsc::UnboundedSender<String>,
    closed: mpsc::UnboundedSender<(u16, String)>,
}

/// Comes into a room on the first node, and stays until the test ends or it is sent away.
pub(crate) async fn come(dev: &Dev, room: &str, peer: &str) -> Closings {
    let client = Client::new(&dev.url()).unwrap().token(TOKEN).unwrap();
    let (of, who): (RoomId, PeerId) = (room.parse().unwrap(), peer.parse().unwrap());
    let token = client.create_token(&CreateToken::member(of, who)).await.unwrap().token;
    let query = format!("roomId={room}&peerId={peer}&token={token}");
    let first = format!("{}/ws?{query}", dev.url().replacen("http", "ws", 1));
    let (go, mut told) = mpsc::unbounded_channel();
    let (closed, closings) = mpsc::unbounded_channel();
    let ears = Ears { go, closed };
    let (mut session, mut ticket) = join(&first, peer, ears.clone()).await;
    tokio::spawn(async move {
        while let Some(url) = told.recv().await {
            let url = format!("{url}?{query}&resume={ticket}");
            let (next, newer) = join(&url, peer_of(&query), ears.clone()).await;
            sleep(BOTH).await;
            session.close().await;
            (session, ticket) = (next, newer);
        }
    });
    closings
}

fn peer_of(query: &str) -> &str {
    query.split('&').find_map(|pair| pair.strip_prefix("peerId=")).unwrap_or_default()
}

/// A session, and the ticket for the next.
async fn join(url: &str, peer: &str, ears: Ears) -> (Signal, String) {
    let hear = move |heard| match heard {
        Heard::Told(told) if told.method == "moveTo" => {
            if let Some(url) = told.data["nodes"][0]["url"].as_str() {
                let _ = ears.go.send(url.to_owned());
            }
        }
        Heard::Told(_) => {}
        Heard::Closed { code, reason } => {
            let _ = ears.closed.send((code, reason));
        }
    };
    let session = Signal::listening(url, Box::new(hear)).await.unwrap();
    let wish = json!({"displayName": peer, "device": {"name": "a test"}});
    let joined = session.request("join", wish).await.unwrap();
    let ticket = joined["resumeTicket"].as_str().unwrap().to_owned();
    (session, ticket)
}
