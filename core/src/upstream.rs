//! The servers' side of MCP: connections over a child's pipes or over HTTP, what a connected
//! server is reached by, and the calls in flight.
//!
//! A call passes no lock and no mailbox: it takes a slot among the calls in flight, writes, and is
//! woken by whoever reads the answer.

mod audience;
mod call;
mod caller;
mod cancel;
mod company;
mod endpoint;
mod hear;
mod http;
mod http_sse;
mod introduction;
mod link;
mod oddities;
mod pace;
mod pending;
mod pool;
mod portions;
mod question;
mod stdio;
mod sync;
mod turns;

pub use audience::{Audience, Hears};
pub use call::{Busy, CallError, Reply, Revocation};
pub use caller::Caller;
pub use endpoint::{Endpoint, Lease, Place};
pub use http::HttpConnection;
pub use http_sse::SseConnection;
pub use introduction::{Introduction, forgetful, introduce, list, too_slow};
pub use link::{Connection, Connector, Launcher, Link, Opening, Signals};
pub use pending::{Pending, Ticket};
pub use pool::{Opener, Patron, Pool};
pub use question::{Back, Question, not_declared, unanswerable};
pub use stdio::StdioConnection;
pub use turns::{Full, Turn, Turns, WAITING_MAX, Waiting};

/// Returns a number that no connection had before.
fn next_number() -> u64 {
    static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
