//! `starling-load fleet`: people who stay, and come back by themselves. Many WebRTC clients in one
//! or more rooms over several nodes; whoever drives them marks a moment, hurts the cluster, and
//! asks what each stream saw since.
//!
//! Members are named `<prefix>-<n>`; the first of each room publish a small camera with two layers
//! and a microphone, all of them subscribe to everything in their room. Every node given takes its
//! share in turn. A room token is made here from `STARLING_TOKEN_SECRET`; `starling dev` needs
//! none.
//!
//! Standard output has one JSON object a line. `at` is milliseconds since 1970, with fractions, as
//! JavaScript's `Date.now()`; `peer`, `room` and `node` are ids.
//!
//! ```text
//! {"ready": 40, "ms": 2210}                                    all are in, and their streams flow
//! {"event": "joined", "peer", "room", "node", "ms", "tries", "at"}   the first time
//! {"event": "lost", "peer", "room", "node", "why", "at"}       its node is gone; `why` in words
//! {"event": "back", "peer", "room", "node", "from", "ms", "tries", "at"}   `ms` since "lost"
//! {"event": "moved", "peer", "room", "node", "from", "ms", "at"}  asked to move, and has; the old
//!                                               seat is left when the new one has all its streams
//! {"event": "refused", "peer", "room", "url", "why", "at"}     one try that failed, under way
//! {"event": "gone", "peer", "room", "why", "at"}               gave up for good
//! {"marked": at}
//! {"stream": {"by", "by_node", "by_now", "of", "of_node", "of_now", "room", "source",
//!   "gap_ms", "received", "lost", "packets_lost", "duplicates", "older", "strange"}}
//! {"report": {"streams": n, "members": n, "in": n, "at"}}      ends the rows of a `report`
//! ```
//!
//! Standard input takes one word a line:
//!
//! - `mark`: what `report` tells begins now. `by_node` and `of_node` are where the two are now.
//! - `report`: a `stream` row for each stream that a member has heard, and `report` as the end.
//! - `guest`: somebody called `<prefix>-guest-<n>` joins the first room, through the next node in
//!   turn, and leaves after 3 s. Its `joined` says how long that took and in how many `tries`; it
//!   is in no report.
//! - `quit`: all leave at once; so does the end of input.
//!
//! In a row, `source` is `audio` or `video`; `gap_ms` is the longest time without anything new of
//! the stream since the mark, the one that is still going on included. `lost` are pictures or
//! sounds (each is one packet) that were sent and never came, between the first and the newest that
//! did; what a member gets on two seats while it moves counts once. `packets_lost` are gaps in RTP
//! sequence numbers, which is what a browser calls lost: nodes give those who go on with another
//! seat of a publisher numbers without a gap, so a picture between the two may be missing and no
//! packet lost. `duplicates` came twice on one
//! seat. `older` came of an earlier life of the publisher after something of a later one: it must
//! be 0. `strange` are packets of somebody else, or of another room: 0, too. Of a publisher that is
//! not a member (a browser) `of_node` is null and only `gap_ms` and `received` count.
//!
//! A member is cheap: at 15 pictures and 10 sounds a second, a room of ten with two publishers is
//! 450 packets a second, all members together.

mod config;
mod ear;
mod member;
mod run;
mod seat;
mod sender;
mod tell;

pub(crate) use config::FleetConfig;
pub(crate) use run::fleet;
