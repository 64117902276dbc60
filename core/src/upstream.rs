//! The servers' side of MCP: connections over a child's pipes or over HTTP, what a connected
//! server is reached by, and the calls in flight.
//!
//! A call passes no lock and no mailbox: it takes a slot among the calls in flight, writes, and is
//! woken by whoever reads the answer.

mod call;
mod cancel;
mod endpoint;
mod http;
mod http_stream;
mod introduction;
mod link;
mod pending;
mod stdio;

pub use call::{CallError, Notices, Reply, Revocation};
pub use endpoint::{Endpoint, Lease};
pub use http::HttpConnection;
pub use introduction::{Introduction, introduce, list};
pub use link::{Connection, Connector, Launcher, Link, Opening, Signals};
pub use pending::{Pending, Ticket};
pub use stdio::StdioConnection;
