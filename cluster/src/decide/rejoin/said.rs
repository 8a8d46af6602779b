//! What happens to a client, and what it is to do: JSON in the fixtures and in traces.

use serde::{Deserialize, Serialize};

/// Which seat: counted from 1, never used again.
pub type SeatId = u32;

/// How to go on if the node dies: of a join answer or a `standbyChanged`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// URLs of nodes to go to, best first.
    pub standby: Vec<String>,
    /// Proof there that it is the same peer.
    pub ticket: String,
}

/// How a WebSocket ended, or did not even open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Closed {
    /// Its close code; 1006 if there was none.
    pub code: u16,
    /// The stable code in the reason's brackets, as `unauthorized`.
    pub refusal: String,
    /// URLs of the `moveTo` that came before it: better nodes.
    pub nodes: Vec<String>,
    /// Its `retryAfterMs`: how long not to come back to this node.
    pub retry_after_ms: u32,
}

/// What happened. What is said of a seat that is gone changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Input {
    /// Go in, through one of these nodes.
    Start {
        /// Where to, best first.
        urls: Vec<String>,
    },
    /// The WebSocket is open.
    Opened {
        /// Of which.
        seat: SeatId,
    },
    /// `join` was answered.
    Joined {
        /// Where.
        seat: SeatId,
        /// The node's own URL, as its answer has it; empty: that which was connected to.
        url: String,
        /// For later.
        offer: Offer,
    },
    /// `standbyChanged`.
    Offered {
        /// Where.
        seat: SeatId,
        /// For later.
        offer: Offer,
    },
    /// A frame came.
    Heard {
        /// Where.
        seat: SeatId,
    },
    /// Media came within the last moments, looked for because of [`Output::Ask`].
    Media {
        /// Where.
        seat: SeatId,
    },
    /// Its WebSocket ended.
    Closed {
        /// Which.
        seat: SeatId,
        /// How.
        #[serde(flatten)]
        closed: Closed,
    },
    /// `moveTo` on a seat that works.
    MoveTo {
        /// Which.
        seat: SeatId,
        /// URLs, best first; none: stay.
        nodes: Vec<String>,
        /// Its `withinMs`: over how long its clients are to spread.
        #[serde(default)]
        within_ms: u32,
    },
    /// All that the seat before it received has come here too.
    Settled {
        /// Where.
        seat: SeatId,
    },
    /// It wants to leave.
    Leave,
    /// Nothing but time: at [`super::ClientSession::next`].
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Output {
    /// Take a seat: connect, make transports, join.
    Connect {
        /// Its name from now on.
        seat: SeatId,
        /// Of the node.
        url: String,
        /// Given as `resume`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        ticket: Option<String>,
    },
    /// It counts from now on: send from it.
    Use {
        /// Which.
        seat: SeatId,
    },
    /// Ask its node something small, and look whether media comes.
    Ask {
        /// Which.
        seat: SeatId,
    },
    /// Close it.
    Drop {
        /// Which.
        seat: SeatId,
    },
    /// It is over; nothing follows.
    End {
        /// Why.
        why: End,
    },
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The client left.
    Left,
    /// A node said: for good.
    Refused,
    /// No node took it in for [`super::FIRST`] or [`super::AGAIN`].
    Nowhere,
}
