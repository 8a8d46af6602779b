//! The WebSocket of one client: checks who comes, opens the peer's session, and carries frames
//! between the two through the [`Adaptor`]. Never does: understand a message.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use axum::{
    extract::{
        FromRequestParts, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{
        HeaderMap,
        header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL},
        request::Parts,
    },
    response::Response,
};
use futures::{FutureExt, future::BoxFuture};
use serde::Deserialize;
use starling_actors::session::{FromClient, Grants, Session, SessionRequest, ToClient};
use starling_proto::{
    Code, PeerId, Refusal, RoomId,
    rest::NodeInfo,
    signal::{Frame, MAX_FRAME, NodeHint, ServerNotification},
    span::Parent,
};
use tokio::time::{sleep_until, timeout};

use super::adaptor::{Adaptor, CLOSE_FOR_GOOD, CLOSE_GO_ELSEWHERE, Effect, fitting, named};
use crate::{
    auth::{Badge, Freshness, Reason},
    entrance::Entrance,
    http::{
        App, Problem, dev, elsewhere,
        guard::{Remote, is_same},
        problem::Query,
    },
    ice::ForClient,
    traces::came_with,
};

/// How often a client is pinged: three missed ones are a verdict.
const PING: Duration = Duration::from_secs(5);
/// A client that has been silent for so long is gone. Wi-Fi hand-overs take up to 10 s.
const SILENCE: Duration = Duration::from_secs(15);
/// A client that takes no frame for so long does not read.
const WRITE: Duration = Duration::from_secs(10);
/// How long the close frame may take to be answered, so that it is not lost to a reset.
const GOODBYE: Duration = Duration::from_secs(1);
/// Bytes that may wait to be written; beyond that `send` waits, and then [`WRITE`] counts.
const WRITE_BUFFER: usize = 512 * 1024;
/// Bytes read at once, held for as long as the session lasts: most frames are shorter, and the
/// library's own 128 KiB would be most of what an idle peer costs.
const READ_BUFFER: usize = 4 * 1024;

/// mediasoup-demo's query, and ours.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    room_id: RoomId,
    peer_id: PeerId,
    token: Option<String>,
    resume: Option<String>,
    traceparent: Option<String>,
}

/// A client that may come in.
pub struct Asked {
    upgrade: WebSocketUpgrade,
    request: SessionRequest,
    /// Of its token; in dev it may have none.
    badge: Option<Badge>,
    /// The trace that the client is part of.
    parent: Option<Parent>,
}

impl FromRequestParts<App> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Remote(remote) = Remote::from_request_parts(parts, app).await?;
        // An office that comes back as one after its node died is not held up here: the turnstile
        // counts it.
        if !comes_back(app, parts).await && !app.admit(remote) {
            return Err(Problem::new(
                Code::LimitReached,
                "too many new sessions from this address",
            )
            .hint("wait a second; operators can raise sessions_per_second"));
        }
        dev::check_origin(app, &parts.headers)?;
        check_origin(app, &parts.headers)?;
        let upgrade = WebSocketUpgrade::from_request_parts(parts, app).await.map_err(|error| {
            Problem::new(Code::BadRequest, format!("this is a WebSocket endpoint: {error}"))
                .hint("connect with a WebSocket client, sub-protocol protoo")
        })?;
        if !offers_protoo(&parts.headers) {
            return Err(Problem::new(Code::Forbidden, "the sub-protocol protoo is not offered")
                .hint("open the WebSocket as new WebSocket(url, 'protoo')"));
        }
        let Query(wish) = Query::<Wish>::from_request_parts(parts, app).await.map_err(|error| {
            error.hint("the URL needs ?roomId=…&peerId=…, and &token=… outside dev")
        })?;
        let (grants, badge) = grants(app, &wish)?;
        let Wish { room_id: room, peer_id: peer, resume: resume_ticket, traceparent, .. } = wish;
        // A browser's script can send no header here.
        let named = traceparent.as_deref().and_then(Parent::parse);
        let parent = came_with(&parts.headers).or(named);
        let request = SessionRequest {
            room,
            peer,
            resume_ticket,
            remote,
            grants,
            narrowed: false,
            trace: None,
        };
        Ok(Self { upgrade, request, badge, parent })
    }
}

/// A browser does not keep a page of another origin from opening a WebSocket: the node does.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let listed = app.ws_origins.iter().any(|allowed| allowed == "*" || allowed == origin);
    if listed || is_same(headers, origin) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "pages of this origin may not open signalling here")
        .hint("operators can list it in ws_origins"))
}

/// Whether it has a token of a room and says that it resumes there.
async fn comes_back(app: &App, parts: &mut Parts) -> bool {
    let wish = Query::<Wish>::from_request_parts(parts, app).await;
    wish.is_ok_and(|Query(wish)| wish.resume.is_some() && grants(app, &wish).is_ok())
}

fn offers_protoo(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offers = offers.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    offers.any(|offer| offer.trim() == "protoo")
}

fn grants(app: &App, wish: &Wish) -> Result<(Grants, Option<Badge>), Problem> {
    match &wish.token {
        Some(token) => {
            let ticket = wish.resume.is_some();
            let freshness = if ticket { Freshness::WithTicket } else { Freshness::Now };
            let seat = app.tokens.seat(token, &wish.room_id, &wish.peer_id, freshness)?;
            let badge = seat.badge();
            Ok((seat.grants, Some(badge)))
        }
        None if app.dev.is_some() => Ok((Grants::member(), None)),
        None => Err(Problem(app.tokens.refuse(Reason::Missing))
            .hint("add &token=… to the URL; `starling token create` makes one")),
    }
}

/// Takes the client in. What the node refuses after this is told by close code and reason, because
/// a browser shows its page no status of a failed upgrade.
pub async fn connect(State(app): State<App>, asked: Asked) -> Response {
    let Asked { upgrade, request, badge, parent } = asked;
    let upgrade = upgrade
        .protocols(["protoo"])
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .max_write_buffer_size(WRITE_BUFFER)
        .read_buffer_size(READ_BUFFER);
    upgrade.on_upgrade(move |socket| {
        async move {
            app.counters.sessions.fetch_add(1, Relaxed);
            app.counters.sessions_total.fetch_add(1, Relaxed);
            serve(&app, Line { socket, app: app.clone() }, request, (badge, parent)).await;
            app.counters.sessions.fetch_sub(1, Relaxed);
        }
        .boxed()
    })
}

async fn serve(
    app: &App,
    mut line: Line,
    mut request: SessionRequest,
    (badge, parent): (Option<Badge>, Option<Parent>),
) {
    let room = request.room.clone();
    let entrance = Entrance::new(app, &mut request, "ws", parent);
    if let Err(wait) = app.enter(request.resume_ticket.is_some()) {
        app.counters.refused(Code::Busy);
        let refusal = Refusal::new(Code::Busy, "this node takes in as many as it can");
        entrance.end(&Err(refusal.clone()));
        return turn_away(app, &mut line, &room, &refusal, wait).await;
    }
    let ice = app.ice.for_client(request.peer.clone());
    let opened = match entrance.admit(&mut request).await {
        Ok(()) => entrance.open(&request).await,
        Err(refusal) => Err(refusal),
    };
    entrance.end(&opened);
    match opened {
        Ok(session) => {
            let revoked = app.tokens.revoked(badge);
            Carrier::new(line, session, ice, revoked).run().await;
        }
        Err(refusal) => {
            app.counters.refused(refusal.code);
            turn_away(app, &mut line, &room, &refusal, Duration::ZERO).await;
        }
    }
}

/// Says where else to go, if anywhere, and closes.
async fn turn_away(app: &App, line: &mut Line, room: &RoomId, refusal: &Refusal, wait: Duration) {
    let reason = format!("{} [{}]", refusal.message, refusal.code);
    let code = match refusal.code {
        Code::WrongNode | Code::Draining | Code::NoCapacity | Code::Busy => {
            let nodes = others(app, room).await;
            let nowhere = nodes.is_empty();
            if !nowhere || !wait.is_zero() {
                let moved = ServerNotification::MoveTo {
                    nodes,
                    reason: refusal.message.clone(),
                    within_ms: 0,
                    retry_after_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
                };
                let (method, data) = named(&moved);
                let _ = line.send(Frame::Notification { method, data }.to_text()).await;
            }
            if nowhere { CLOSE_TRY_AGAIN } else { CLOSE_GO_ELSEWHERE }
        }
        Code::RegistryUnavailable | Code::Internal | Code::Timeout | Code::AdmissionUnavailable => {
            CLOSE_TRY_AGAIN
        }
        _ => CLOSE_FOR_GOOD,
    };
    line.close(code, fitting(&reason)).await;
}

/// RFC 6455's registry: 1013, try again later.
const CLOSE_TRY_AGAIN: u16 = 1013;

async fn others(app: &App, room: &RoomId) -> Vec<NodeHint> {
    let nodes = elsewhere::nodes(app, room).await.into_iter();
    let hint = |node: NodeInfo| {
        let url = format!("{}/ws", node.api_url.replacen("http", "ws", 1));
        NodeHint { node_id: node.id, url, region: node.region }
    };
    nodes.map(hint).collect()
}

/// The socket with the bounds on writing.
struct Line {
    socket: WebSocket,
    app: App,
}

impl Line {
    async fn send(&mut self, text: String) -> Option<()> {
        self.app.counters.frames_out.fetch_add(1, Relaxed);
        self.message(Message::Text(text.into())).await
    }

    /// `None` if the client is gone or takes nothing.
    async fn message(&mut self, message: Message) -> Option<()> {
        timeout(WRITE, self.socket.send(message)).await.ok()?.ok()
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code, reason: reason.into() };
        if self.message(Message::Close(Some(frame))).await.is_none() {
            return;
        }
        let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(GOODBYE, answered).await;
    }
}

/// One session under way.
struct Carrier {
    line: Line,
    session: Session,
    adaptor: Adaptor,
    /// Waits for room in the peer's inbox; until then nothing is read, so that TCP holds the
    /// client.
    forward: Option<FromClient>,
    heard: Instant,
    pinged: Instant,
    /// Ends when its token is good no longer.
    revoked: BoxFuture<'static, ()>,
}

/// RFC 6455 §7.4.1: a message that is too big.
const CLOSE_TOO_LARGE: u16 = 1009;

/// axum says which error it was in words alone: those of `tungstenite::Error::Capacity`.
fn is_too_large(error: &axum::Error) -> bool {
    error.to_string().starts_with("Space limit exceeded")
}

/// Whether a session goes on.
enum Next {
    On,
    End,
}

/// What a turn waited for.
enum Happened {
    Forwarded,
    Received(Message),
    Said(Box<ToClient>),
    Deadline,
    ClientLeft,
    TooLarge,
    Revoked,
    PeerEnded,
}

impl Carrier {
    fn new(line: Line, session: Session, ice: ForClient, revoked: BoxFuture<'static, ()>) -> Self {
        let now = Instant::now();
        let adaptor = Adaptor::new(now).with_ice(ice);
        Self { line, session, adaptor, forward: None, heard: now, pinged: now, revoked }
    }

    async fn run(mut self) {
        while let Next::On = self.turn().await {}
        let malformed = self.adaptor.counts().malformed;
        self.line.app.counters.frames_malformed.fetch_add(malformed, Relaxed);
    }

    async fn turn(&mut self) -> Next {
        if let Next::End = self.carry_out().await {
            return Next::End;
        }
        let deadline = self.deadline().into();
        let happened = tokio::select! {
            place = self.session.inbox.reserve(), if self.forward.is_some() => {
                match (place, self.forward.take()) {
                    (Ok(place), Some(said)) => {
                        place.send(said);
                        Happened::Forwarded
                    }
                    _ => Happened::PeerEnded,
                }
            }
            received = self.line.socket.recv(), if self.forward.is_none() => match received {
                Some(Ok(message)) => Happened::Received(message),
                Some(Err(error)) if is_too_large(&error) => Happened::TooLarge,
                Some(Err(_)) | None => Happened::ClientLeft,
            },
            said = self.session.outbox.recv() => {
                said.map_or(Happened::PeerEnded, |said| Happened::Said(Box::new(said)))
            }
            () = &mut self.revoked => Happened::Revoked,
            () = sleep_until(deadline) => Happened::Deadline,
        };
        match happened {
            Happened::Forwarded => Next::On,
            Happened::Received(message) => self.on_message(message),
            Happened::Said(said) => {
                self.adaptor.handle_peer(Instant::now(), *said);
                Next::On
            }
            Happened::Deadline => self.on_deadline().await,
            Happened::ClientLeft => Next::End,
            Happened::TooLarge => {
                self.line.close(CLOSE_TOO_LARGE, "a frame was too large [too_large]").await;
                Next::End
            }
            Happened::Revoked => {
                let Refusal { code, message, .. } = Reason::Revoked.into();
                self.line.close(CLOSE_FOR_GOOD, &format!("{message} [{code}]")).await;
                Next::End
            }
            // The client may come back at once.
            Happened::PeerEnded => {
                self.line.close(1011, "the node lost this session [internal]").await;
                Next::End
            }
        }
    }

    async fn carry_out(&mut self) -> Next {
        while self.forward.is_none() {
            match self.adaptor.poll_effect() {
                None => break,
                Some(Effect::Forward(said)) => self.forward = Some(said),
                Some(Effect::Send(text)) => {
                    if self.line.send(text).await.is_none() {
                        return Next::End;
                    }
                }
                Some(Effect::Close { code, reason }) => {
                    self.line.close(code, &reason).await;
                    return Next::End;
                }
            }
        }
        Next::On
    }

    fn on_message(&mut self, message: Message) -> Next {
        let now = Instant::now();
        self.heard = now;
        match message {
            Message::Text(text) => {
                self.line.app.counters.frames_in.fetch_add(1, Relaxed);
                self.adaptor.handle_text(now, text.as_str());
                Next::On
            }
            // protoo has no binary frames: as malformed as any other nonsense, and rated like it.
            Message::Binary(_) => {
                self.adaptor.handle_text(now, "");
                Next::On
            }
            Message::Ping(_) | Message::Pong(_) => Next::On,
            Message::Close(_) => Next::End,
        }
    }

    async fn on_deadline(&mut self) -> Next {
        let now = Instant::now();
        self.adaptor.handle_timeout(now);
        if now >= self.heard + SILENCE {
            self.line.app.counters.sessions_silent.fetch_add(1, Relaxed);
            return Next::End;
        }
        if now >= self.pinged + PING {
            self.pinged = now;
            if self.line.message(Message::Ping(Default::default())).await.is_none() {
                return Next::End;
            }
        }
        Next::On
    }

    fn deadline(&self) -> Instant {
        let next = (self.pinged + PING).min(self.heard + SILENCE);
        self.adaptor.poll_timeout().map_or(next, |answer| answer.min(next))
    }
}
