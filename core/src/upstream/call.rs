use std::{ops::Range, time::Duration};

use bytes::Bytes;

use crate::mcp::{Envelope, Spliced, splice};

/// A server's answer to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    message: Bytes,
    id: Range<usize>,
    payload: Range<usize>,
    /// Whether it is a result rather than an error.
    pub is_result: bool,
}

impl Reply {
    /// Takes a response apart; `None` where the message is no response.
    pub fn of(envelope: &Envelope) -> Option<Self> {
        Some(Self {
            id: envelope.id_range()?,
            payload: envelope.payload_range()?,
            is_result: match envelope.kind() {
                crate::mcp::Kind::Result => true,
                crate::mcp::Kind::Error => false,
                crate::mcp::Kind::Request | crate::mcp::Kind::Notification => return None,
            },
            message: envelope.bytes().clone(),
        })
    }

    /// Returns the whole answer under the id that the client gave the request.
    pub fn under(&self, id: &Bytes) -> Spliced {
        Spliced::replace(&self.message, self.id.clone(), id)
    }

    /// Like [`Self::under`], with `edits` of the result: ranges of [`Self::payload`] and what stands
    /// there then, in order of place.
    pub fn edited(&self, id: &Bytes, edits: &[(Range<usize>, Bytes)]) -> Spliced {
        if edits.is_empty() {
            return self.under(id);
        }
        let start = self.payload.start;
        let moved = |(range, by): &(Range<usize>, Bytes)| {
            (start + range.start..start + range.end, by.clone())
        };
        let mut all: Vec<_> = edits.iter().map(moved).collect();
        let before = all.partition_point(|(range, _)| range.start < self.id.start);
        all.insert(before, (self.id.clone(), id.clone()));
        let all: Vec<_> = all
            .iter()
            .map(|(range, by)| (range.clone(), &by[..]))
            .collect();
        Spliced {
            pieces: vec![splice(&self.message, &all).into()],
        }
    }

    /// Returns the raw `result` or `error`.
    pub fn payload(&self) -> Bytes {
        self.message.slice(self.payload.clone())
    }
}

/// Why a call has no answer from its server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It was never written: the server had ended before.
    #[error("the server is not connected")]
    NotConnected,
    /// It was written to a server which then ended.
    #[error("the server ended before it answered")]
    ServerEnded,
    /// A person's decision ended it.
    #[error("{}", .0.as_str())]
    Revoked(Revocation),
    /// The server's session had expired, so it did nothing.
    #[error("the server's session had expired")]
    SessionExpired,
    /// No answer and no progress in time.
    #[error("no answer in time")]
    TimedOut,
    /// The server does not read what it is sent.
    #[error("the server does not read its input")]
    NotReading,
    /// The answer is not a JSON-RPC response.
    #[error("the answer is malformed: {0}")]
    InvalidReply(String),
    /// The answer is longer than allowed.
    #[error("the answer is longer than 64 MB")]
    TooLong,
    /// The address answered with an HTTP error.
    #[error("the server answered with HTTP status {0}")]
    HttpStatus(u16),
    /// The address has too much to do (HTTP status 429 or 503).
    #[error("the server has too much to do (HTTP status {status})")]
    Overloaded {
        /// The status.
        status: u16,
        /// After what time it may be asked again, where it says so.
        retry_after: Option<Duration>,
    },
    /// The address sends elsewhere.
    #[error("the address redirects to another place")]
    Redirected,
    /// The address wants a person to sign in.
    #[error("the server wants a sign-in")]
    SignInNeeded,
    /// The address answers with something that is not MCP.
    #[error("the address answers with something that is not MCP")]
    NotMcp,
    /// No connection of the client's own could be opened.
    #[error("no connection of the client's own: {0}")]
    NotOpened(String),
    /// The address cannot be reached, so the server did nothing.
    #[error("the address cannot be reached")]
    Unreachable,
    /// The proxy on the way to the address does not lead to it, so the server did nothing.
    #[error("the proxy {0}")]
    Proxy(String),
    /// The address shows a certificate that is not trusted, so it was told nothing.
    #[error("the address shows a certificate that {0}")]
    Untrusted(&'static str),
    /// There was no place for it, so the server never saw it.
    #[error("{why}")]
    Busy {
        /// What there was no place in.
        why: Busy,
        /// An estimate of when there is one.
        retry_after: Duration,
    },
}

/// Why a call found no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// As many calls as may wait for the server do so already.
    #[error("too many calls wait for it")]
    ServerFull,
    /// Its time ran out while it waited for the server.
    #[error("the calls before this one took all its time")]
    ServerLate,
    /// As many calls as may wait for any server do so already.
    #[error("too many calls are in flight at all servers together")]
    AllFull,
    /// Its time ran out while it waited for calls to any server.
    #[error("calls to all servers together took all its time")]
    AllLate,
}

impl CallError {
    /// Whether the request did not get through to the server, so that it is sent again where that may
    /// help: on another connection, or in another session.
    pub const fn left_undone(&self) -> bool {
        match self {
            Self::NotConnected
            | Self::SessionExpired
            | Self::Unreachable
            | Self::Proxy(_)
            | Self::Untrusted(_) => true,
            Self::ServerEnded
            | Self::Revoked(_)
            | Self::TimedOut
            | Self::NotReading
            | Self::InvalidReply(_)
            | Self::TooLong
            | Self::NotOpened(_)
            | Self::HttpStatus(_)
            | Self::Overloaded { .. }
            | Self::Busy { .. }
            | Self::Redirected
            | Self::SignInNeeded
            | Self::NotMcp => false,
        }
    }

    /// Whether the connection on which it happened is of no more use: whoever asks next would get
    /// the same.
    pub(super) const fn ends_connection(&self) -> bool {
        match self {
            Self::Unreachable | Self::Proxy(_) | Self::Untrusted(_) | Self::SignInNeeded => true,
            Self::NotConnected
            | Self::ServerEnded
            | Self::Revoked(_)
            | Self::SessionExpired
            | Self::TimedOut
            | Self::NotReading
            | Self::InvalidReply(_)
            | Self::TooLong
            | Self::NotOpened(_)
            | Self::HttpStatus(_)
            | Self::Overloaded { .. }
            | Self::Busy { .. }
            | Self::Redirected
            | Self::NotMcp => false,
        }
    }
}

/// The decision that ended the calls in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The server was put in quarantine.
    Quarantined,
    /// The server was disconnected, paused, switched off, restarted or removed.
    Disconnected,
}

impl Revocation {
    /// Returns what happened.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "the server was put in quarantine",
            Self::Disconnected => "the server was disconnected",
        }
    }
}
