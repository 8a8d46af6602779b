//! A typed client of Starling's REST API: what the command line is made of, and what a program of
//! one's own may use.
//!
//! ```no_run
//! # async fn show() -> Result<(), starling_client::Error> {
//! use starling_client::Client;
//!
//! let client = Client::new("http://localhost:4443")?.token("the admin token")?;
//! for room in client.rooms().await? {
//!     println!("{}: {:?}", room.id, room.nodes);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Bodies and answers are those of `starling_proto::rest`. A refusal is [`Error::Refused`] with its
//! status, stable code, sentence and hint. Never does: retry, keep connections, follow redirects.
#![forbid(unsafe_code)]

mod client;
mod error;
mod events;
pub mod http;
mod links;
mod media;
mod nodes;
mod objects;
mod peers;
mod probes;
mod query;
mod rooms;
mod stream;
mod tokens;
mod webhooks;

pub use client::{Called, Client, PATIENCE};
pub use error::Error;
pub use events::{EventsWish, Follow, Followed};
pub use objects::Object;
pub use stream::{Events, ServerEvent};
