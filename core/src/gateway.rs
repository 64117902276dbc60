//! The clients' side of MCP: sessions, lists from bytes made once, calls passed through, and what
//! servers ask and say on its way to the client that it concerns.
//!
//! The gateway reads the view and talks to endpoints; it never waits for an actor.

mod availability;
mod batch;
mod beat;
mod body;
mod call;
mod capabilities;
pub mod credentials;
mod flights;
mod flying;
mod follow;
mod hello;
mod level;
mod levels;
mod links;
mod owner;
mod post;
mod questions;
mod reach;
mod recording;
mod respond;
mod room;
mod session;
mod sessions;
mod standing;
mod stream;
mod subscriptions;
mod tape;
mod tapes;
mod target;

use std::{sync::Arc, time::Duration};

use axum::{extract::Request, http::Method, response::Response};
use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;

use self::{
    beat::Beat,
    credentials::{Credentials, Who},
    session::{Scope, Session},
    sessions::Sessions,
    standing::Standing,
};
use crate::{
    upstream::Audience,
    view::{Publisher, View},
};

/// One of the gateway's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `/mcp`: all servers.
    All,
    /// `/mcp/s/{server}`: one server.
    Server(String),
}

/// What every request to the gateway needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    view: View,
    sessions: Arc<Sessions>,
    standing: Arc<Standing>,
    credentials: Arc<Credentials>,
    /// Cancelled when the core ends, so that streams end with it.
    stop: CancellationToken,
    beat: Beat,
}

impl Gateway {
    /// Serves what `publisher`'s view shows to clients that `credentials` knows, until `stop`, and
    /// hears what servers say. Must be called on a Tokio runtime.
    pub fn new(
        publisher: Arc<Publisher>,
        credentials: Arc<Credentials>,
        audience: &Audience,
        stop: CancellationToken,
    ) -> Self {
        let view = publisher.view().clone();
        let beat = Beat::default();
        tokio::spawn(beat.clone().run(stop.clone()));
        let standing = Standing::new(view.clone(), stop.clone());
        audience.seat(standing.clone());
        Self {
            view,
            sessions: Arc::new(Sessions::new(publisher)),
            standing,
            credentials,
            stop,
            beat,
        }
    }

    /// Returns for how long no client has had a stream open, a call in flight or a request sent;
    /// `None` while one has.
    pub fn rest(&self) -> Option<Duration> {
        self.sessions.rest()
    }

    /// Returns which of the gateway's addresses a path is, if it is one.
    pub fn address(path: &str) -> Option<Address> {
        let rest = path.strip_prefix("/mcp")?;
        if rest.is_empty() {
            return Some(Address::All);
        }
        let server = rest
            .strip_prefix("/s/")
            .filter(|server| !server.contains('/'))?;
        let server = percent_decode_str(server).decode_utf8().ok()?;
        Some(Address::Server(server.into_owned()))
    }

    /// Answers a request to one of the gateway's addresses.
    pub async fn handle(&self, address: Address, request: Request) -> Response {
        let (client, scope) = match self.admit(address, &request) {
            Ok(admitted) => admitted,
            Err(response) => return response,
        };
        match *request.method() {
            Method::POST => self.post(client, scope, request).await,
            Method::GET => self.get(&client, &scope, &request),
            Method::DELETE => self.delete(&client, &scope, &request),
            _ => respond::wrong_method(),
        }
    }

    /// Ends what a session that is forgotten holds here and at the servers.
    fn gone(&self, session: &Session) {
        session.end();
        self.standing.gone(session);
        for endpoint in self.endpoints(&session.scope) {
            endpoint.forget(session.number);
        }
    }

    /// Returns who asks, and for what; or the refusal. Whoever is not known learns no names.
    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    fn admit(&self, address: Address, request: &Request) -> Result<(Arc<str>, Scope), Response> {
        let client = match self.credentials.who(request.headers()) {
            Who::Client(name) => credentials::bridged(&name, request.headers()).unwrap_or(name),
            Who::Control => return Err(respond::control_credential()),
            Who::Nobody => return Err(respond::no_credential()),
        };
        let Address::Server(server) = address else {
            return Ok((client, Scope::All));
        };
        let name = self
            .view
            .read(|now| now.server(&server).map(|entry| entry.name.clone()));
        let scope = name.map(|name| (client, Scope::Server(name)));
        scope.ok_or_else(respond::no_such_address)
    }
}
