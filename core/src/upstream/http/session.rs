use axum::http::{HeaderName, HeaderValue, Request};

use crate::mcp::Revision;

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// A session at a server, from the `initialize` that begins it.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// Counts the sessions of one connection, from 0.
    pub(super) number: u64,
    /// What the server calls it, where it has sessions.
    pub(super) id: Option<HeaderValue>,
    /// The revision agreed on, which every later request names.
    pub(super) revision: Option<Revision>,
}

impl Session {
    /// Returns the one that follows: nothing is known of it yet.
    pub(super) fn next(&self) -> Self {
        Self {
            number: self.number + 1,
            ..Self::default()
        }
    }

    /// Names the session in a request.
    pub(super) fn name_in<B>(&self, request: &mut Request<B>) {
        if let Some(id) = &self.id {
            request.headers_mut().insert(SESSION_ID, id.clone());
        }
    }
}
