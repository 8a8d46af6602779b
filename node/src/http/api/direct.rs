//! `/v1/rooms/{room}/peers/{peer}/direct`: a direct transport for a program outside of this
//! process. A WebSocket whose binary frames are RTP and RTCP packets and messages, both ways;
//! producers and consumers are made on it over REST as on a plain transport. Never does: look into
//! a packet.

use std::time::Duration;

use axum::{
    extract::{
        FromRequestParts, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    },
    response::Response,
};
use futures::{FutureExt, future::OptionFuture};
use serde_json::json;
use starling_actors::direct::{Direct, DirectData, DirectSender, Tapped};
use starling_proto::{
    Code, DataProducerId, Id, IdError, PeerId, RoomId,
    direct::{MAX_FRAME, decode, encode},
    message::DataMessage,
    rest::Problem as ProblemBody,
};
use tokio::time::{Instant, interval, timeout};

use crate::http::{App, Problem, guard::Operator, problem::Path};

/// Longest packet taken, in bytes: no path carries a longer one to a client.
const MAX_PACKET: usize = 1_500;
/// A program that takes nothing for so long does not read; its packets were dropped meanwhile.
const WRITE: Duration = Duration::from_secs(10);
/// How often a program is pinged.
const PING: Duration = Duration::from_secs(5);
/// A program that has been silent for so long, answers to pings included, is gone.
const SILENCE: Duration = Duration::from_secs(15);
/// Bytes that may wait to be written, beside the transport's own queue.
const WRITE_BUFFER: usize = 512 * 1024;

/// Opens a direct transport as a WebSocket. The first frame is text, `{"transportId": …}`. Binary
/// frames are one RTP or RTCP packet each, or a message: a byte 1, a byte with the length of an id,
/// the id (of a data producer from the program, of a data consumer to it), a byte 0 for text or 1
/// for bytes, a byte with the number of subchannels, two bytes for each, the payload. 64 added to
/// the kind says that a required subchannel comes before them, 128 an ignored one. Later text is
/// `{"dataConsumerClosed": id, "reason": …}`. Packets are dropped where they cannot be taken; a
/// reliable message is waited for, and no other frame is read meanwhile. The transport ends with
/// the WebSocket.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers/{peer}/direct", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "A peer made with POST, on this node.")
    ),
    responses(
        (status = 101, description = "The WebSocket is open."), (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn open(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade.map_err(|error| {
        Problem::new(Code::BadRequest, format!("this is a WebSocket endpoint: {error}"))
            .hint("connect with a WebSocket client and the admin token as bearer")
    })?;
    let direct = app.node.create_direct_transport(&room, &peer).await?;
    let upgrade = upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .max_write_buffer_size(WRITE_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| carry(socket, direct).map(drop).boxed()))
}

/// Carries packets and messages until one side has had enough.
async fn carry(mut socket: WebSocket, mut direct: Direct) -> Option<()> {
    let hello = json!({ "transportId": direct.id() }).to_string();
    write(&mut socket, Message::Text(hello.into())).await?;
    let sender = direct.sender();
    let mut sending = OptionFuture::default();
    let mut pings = interval(PING);
    let mut heard = Instant::now();
    let mut waits = false;
    loop {
        tokio::select! {
            tapped = direct.recv() => match tapped {
                Some(tapped) => {
                    if let Some(frame) = frame(tapped) {
                        write(&mut socket, frame).await?;
                    }
                }
                None => {
                    let (code, reason) = (close_code::AWAY, "the transport ended".into());
                    let end = Message::Close(Some(CloseFrame { code, reason }));
                    return write(&mut socket, end).await;
                }
            },
            _ = &mut sending, if waits => (waits, heard) = (false, Instant::now()),
            message = socket.recv(), if !waits => {
                heard = Instant::now();
                match message?.ok()? {
                    Message::Binary(frame) => match decode(&frame) {
                        Some((id, message)) => {
                            sending = Some(say(sender.clone(), id.parse(), message).boxed()).into();
                            waits = true;
                        }
                        // A full queue drops, as a network would.
                        None if frame.len() <= MAX_PACKET => drop(direct.send(&frame)),
                        None => {}
                    },
                    Message::Close(_) => return Some(()),
                    Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
                }
            }
            _ = pings.tick() => {
                if !waits && heard.elapsed() >= SILENCE {
                    return None;
                }
                write(&mut socket, Message::Ping(Vec::new().into())).await?;
            }
        }
    }
}

/// What names no data producer of the program is dropped.
async fn say(sender: DirectSender, id: Result<DataProducerId, IdError>, message: DataMessage) {
    if let Ok(id) = id {
        sender.send(&id, message).await;
    }
}

/// For the program.
fn frame(tapped: Tapped) -> Option<Message> {
    Some(match tapped {
        Tapped::Packet(packet) => Message::Binary(packet),
        Tapped::Data(DirectData::Message { consumer, message }) => {
            Message::Binary(encode(Id::as_str(&consumer), &message)?.into())
        }
        Tapped::Data(DirectData::ConsumerClosed { consumer, reason }) => {
            let closed = json!({ "dataConsumerClosed": consumer, "reason": reason });
            Message::Text(closed.to_string().into())
        }
    })
}

async fn write(socket: &mut WebSocket, message: Message) -> Option<()> {
    timeout(WRITE, socket.send(message)).await.ok()?.ok()
}

#[cfg(test)]
mod tests;
