use std::{
    fmt,
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc;

use super::{HttpConnection, SseConnection};
use crate::mcp::{Envelope, Refusal, refusal::Fault, splice};

/// What a server asks of a client, until it is answered. Dropped without an answer it is refused:
/// no server waits for a client that has gone.
pub struct Question {
    request: Envelope,
    back: Back,
    answered: AtomicBool,
    lasts: bool,
}

/// The way back to the server on one connection.
#[derive(Debug, Clone)]
pub struct Back {
    /// Names the connection.
    pub(super) connection: u64,
    pub(super) way: Way,
}

#[derive(Debug, Clone)]
pub(super) enum Way {
    Stdio(mpsc::WeakSender<Vec<u8>>),
    Http(Weak<HttpConnection>),
    Sse(Weak<SseConnection>),
}

impl Back {
    /// Sends a message; a server that does not read, or has ended, goes without it.
    pub fn send(&self, mut message: Vec<u8>) {
        match &self.way {
            Way::Stdio(out) => {
                crate::mcp::one_line(&mut message);
                if let Some(out) = out.upgrade() {
                    // Bounded: see above.
                    let _ = out.try_send(message);
                }
            }
            Way::Http(connection) => {
                if let Some(connection) = connection.upgrade() {
                    connection.post_later(message);
                }
            }
            Way::Sse(connection) => {
                if let Some(connection) = connection.upgrade() {
                    connection.post_later(message);
                }
            }
        }
    }
}

impl Question {
    pub(super) const fn new(request: Envelope, back: Back) -> Self {
        Self {
            request,
            back,
            answered: AtomicBool::new(false),
            lasts: false,
        }
    }

    /// Makes it the client's own, whichever of its calls ends before it is answered.
    pub(super) const fn lasting(mut self) -> Self {
        self.lasts = true;
        self
    }

    /// Whether it is the client's own, not that of one of its calls.
    pub const fn lasts(&self) -> bool {
        self.lasts
    }

    /// Returns the request as the server wrote it.
    pub const fn request(&self) -> &Envelope {
        &self.request
    }

    /// Returns the way back to the server.
    pub const fn back(&self) -> &Back {
        &self.back
    }

    /// Whether this is the request `id` of `connection`.
    pub fn is(&self, connection: u64, id: &[u8]) -> bool {
        self.back.connection == connection && self.request.id() == id
    }

    /// Passes the client's answer on, under the id that the server gave.
    pub fn answer(&self, answer: &Envelope) {
        let Some(id) = answer.id_range() else {
            return;
        };
        if !self.answered.swap(true, Ordering::AcqRel) {
            let own = self.request.id();
            self.back.send(splice(answer.bytes(), &[(id, &own)]));
        }
    }

    /// Says that no client answers, and why.
    pub fn refuse(&self, refusal: &Refusal) {
        if !self.answered.swap(true, Ordering::AcqRel) {
            self.back
                .send(refusal.response(&self.request.id()).to_vec());
        }
    }

    /// Takes note that the server no longer waits.
    pub fn withdraw(&self) {
        self.answered.store(true, Ordering::Release);
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !*self.answered.get_mut() {
            let message = "the client's call ended before it answered";
            let remedy = "Ask again within another call.";
            self.refuse(&unanswerable("client_gone", message, remedy));
        }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("method", &self.request.method())
            .field("back", &self.back)
            .finish_non_exhaustive()
    }
}

/// Returns what a server is told whose question reaches no client.
pub fn unanswerable(kind: &'static str, message: &str, remedy: &str) -> Refusal {
    Refusal {
        code: -32000,
        kind,
        message: message.to_owned(),
        fault: Fault::Client,
        server: None,
        retry_safe: true,
        retry_after: None,
        remedy: remedy.to_owned(),
    }
}

/// Returns what a server is told that asks for what was not declared.
pub fn not_declared(code: i32, method: &str) -> Refusal {
    Refusal {
        code,
        ..unanswerable(
            "not_declared",
            &format!("the client declared nothing that {method} could be asked of"),
            "Use what the client declares.",
        )
    }
}

/// Whose question it is cannot be told.
pub(super) fn several_clients() -> Refusal {
    unanswerable(
        "several_clients",
        "several clients have calls in flight on this connection, and it cannot be told whose this is",
        "Give each client a connection of its own: \"session\": \"per_client\" in its entry.",
    )
}

/// There is nobody whose question it could be.
pub(super) fn no_client() -> Refusal {
    unanswerable(
        "no_client",
        "no client has a call in flight on this connection, so nobody can be asked",
        "Ask within a call, or give each client a connection of its own: \"session\": \"per_client\" in its entry.",
    )
}
