//! Every kind of span there is, and what may be said of one: `docs/traces.md` is made from it.

/// A kind of span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanName {
    /// As tools show it.
    pub name: &'static str,
    /// From when to when.
    pub help: &'static str,
    /// On which node.
    pub node: &'static str,
}

/// Something that is said of a span, beside its room and peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The attribute's key.
    pub key: &'static str,
    /// What it says.
    pub help: &'static str,
}

const fn span(name: &'static str, node: &'static str, help: &'static str) -> SpanName {
    SpanName { name, help, node }
}

const fn note(key: &'static str, help: &'static str) -> Note {
    Note { key, help }
}

/// The root, if the client brings no trace of its own.
pub const JOIN: SpanName = span(
    "join",
    "the one that the client asked",
    "From the client's request until it has its session, or is refused.",
);
/// A part of [`JOIN`].
pub const ADMIT: SpanName = span(
    "ask for admission",
    "the same",
    "The admission hook is asked whether the client may join, if there is one.",
);
/// A part of [`JOIN`].
pub const OPEN: SpanName = span(
    "open session",
    "the same",
    "The node decides whether it takes the client in, the room starts if it is new there, and the session is made.",
);
/// Follows it.
pub const ENTER: SpanName = span(
    "enter room",
    "the same",
    "The client's `join` reaches the room, which takes it in and tells its other nodes.",
);
/// A part of [`ENTER`].
pub const SHOW: SpanName = span(
    "show peer",
    "every other one of the room",
    "From word of the peer over the link until the peers there are told of it.",
);
/// Beside [`SHOW`].
pub const AWAY: SpanName = span(
    "away",
    "every other one of the room",
    "Of a peer whose node was lost: from the loss until it was there again.",
);
/// Beside [`SHOW`].
pub const HAND_OVER: SpanName = span(
    "hand over",
    "the one that it left",
    "Of a peer that was asked to move: from the asking until it was there.",
);
/// Follows [`SHOW`].
pub const PULL: SpanName = span(
    "pull stream",
    "the one of a watcher, or a relay",
    "From asking another node for a stream until that one has said by which way it comes.",
);
/// Follows [`ENTER`].
pub const SERVE: SpanName = span(
    "serve stream",
    "the one that is asked",
    "From another node's wish for a stream until its first packet left over the link.",
);
/// Follows [`ENTER`] or [`SHOW`].
pub const FORWARD: SpanName = span(
    "forward stream",
    "the one of the watcher",
    "From offering a stream to a peer until its first packet left for that peer.",
);

/// All spans, in the order of a join.
pub const SPANS: [SpanName; 10] =
    [JOIN, ADMIT, OPEN, ENTER, SHOW, AWAY, HAND_OVER, PULL, SERVE, FORWARD];

/// Of a refusal.
pub const CODE: Note = note("starling.code", "Why it was refused: the code of the refusal.");
/// Of [`JOIN`].
pub const PROTOCOL: Note =
    note("starling.protocol", "How the client came: `ws`, `whip`, `whep` or `rest`.");
/// Of [`JOIN`].
pub const RESUMED: Note = note("starling.resumed", "`true` if it came with a resume ticket.");
/// Of streams and moves.
pub const FROM: Note = note("starling.from", "The node that a peer or a stream comes from.");
/// Of streams and moves.
pub const TO: Note = note("starling.to", "The node that it goes to.");
/// Of streams.
pub const PRODUCER: Note = note("starling.producer", "Which stream.");
/// Of streams.
pub const PUBLISHER: Note = note("starling.publisher", "Whose stream it is.");
/// Of streams.
pub const RECEIVER: Note = note("starling.receiver", "Which peer is to get it.");

/// All that is said.
pub const NOTES: [Note; 8] = [CODE, PROTOCOL, RESUMED, FROM, TO, PRODUCER, PUBLISHER, RECEIVER];
