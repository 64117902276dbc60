use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use super::Question;
use crate::mcp::Envelope;

/// The client's request behind a call, as the servers' side sees it: where goes what a server says
/// because of it.
pub trait Caller: fmt::Debug + Send + Sync {
    /// Names the client's session: of two calls of one session it is the same.
    fn session(&self) -> u64;

    /// Takes the call's progress, whose token stands at `token`.
    fn progress(&self, message: &Bytes, token: Range<usize>);

    /// Takes a notification.
    fn heard(&self, message: &Envelope);

    /// Takes what the server asks of the client.
    fn asked(self: Arc<Self>, question: Question);

    /// Returns the notification by which the client has cancelled the request, if it has.
    fn cancellation(&self) -> Option<Envelope>;

    /// Takes it back: `connection` no longer waits for the answer to its request `id`.
    fn withdrawn(&self, connection: u64, id: &[u8], message: &Envelope);
}

/// Whose doing a server's message is.
#[derive(Debug)]
pub(super) enum Whose {
    /// One client's, as far as the wire tells.
    One(Arc<dyn Caller>),
    /// No client has a call in flight.
    Nobody,
    /// Several have, and the wire does not tell which it is.
    Several,
}
