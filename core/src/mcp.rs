//! The Model Context Protocol on the wire: envelopes around raw JSON, and protocol revisions.
//!
//! What need not be understood is not parsed: a message is scanned once, its members are byte
//! ranges, and what must change is spliced. Unknown fields, key order and the spelling of numbers
//! survive because nobody writes them again.

mod envelope;
pub mod json;
pub mod media;
mod message;
mod pieces;
pub mod refusal;
mod revision;
pub mod sse;

pub use envelope::{Envelope, InvalidEnvelope, Kind, Scan};
pub use message::{Outgoing, Spliced, one_line, splice};
pub use pieces::{PIECE, Pieces};
pub use refusal::Refusal;
pub use revision::Revision;

/// The longest message a server may send, in bytes.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest message a client may send, in bytes.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
