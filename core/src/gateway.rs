//! The clients' side of MCP: sessions, lists from bytes made once, and calls passed through.
//!
//! The gateway reads the view and talks to endpoints; it never waits for an actor.

mod availability;
mod call;
pub mod credentials;
mod flights;
mod post;
mod respond;
mod session;

mod stream;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::post,
};
use tokio_util::sync::CancellationToken;

use self::{
    credentials::{Credentials, Who},
    session::{Scope, Sessions},
};
use crate::{
    server::ServerName,
    view::{Publisher, View},
};

/// What every request to the gateway needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    view: View,
    sessions: Arc<Sessions>,
    credentials: Arc<Credentials>,
    /// Cancelled when the core ends, so that streams end with it.
    stop: CancellationToken,
}

impl Gateway {
    /// Serves what `publisher`'s view shows to clients that `credentials` knows.
    pub fn new(
        publisher: Arc<Publisher>,
        credentials: Arc<Credentials>,
        stop: CancellationToken,
    ) -> Self {
        let view = publisher.view().clone();
        Self {
            view,
            sessions: Arc::new(Sessions::new(publisher)),
            credentials,
            stop,
        }
    }

    /// Returns the routes `/mcp` and `/mcp/s/{server}`.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/mcp", post(post_all).get(get_all).delete(delete_all))
            .route(
                "/mcp/s/{server}",
                post(post_one).get(get_one).delete(delete_one),
            )
            .with_state(self)
    }
}

async fn post_all(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.post(Scope::All, request).await
}

async fn get_all(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.get(&Scope::All, &request)
}

async fn delete_all(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.delete(&Scope::All, &request)
}

async fn post_one(
    State(gateway): State<Gateway>,
    Path(server): Path<String>,
    request: Request,
) -> Response {
    match gateway.scope_of(&server) {
        Ok(scope) => gateway.post(scope, request).await,
        Err(response) => response,
    }
}

async fn get_one(
    State(gateway): State<Gateway>,
    Path(server): Path<String>,
    request: Request,
) -> Response {
    gateway
        .scope_of(&server)
        .map_or_else(|response| response, |scope| gateway.get(&scope, &request))
}

async fn delete_one(
    State(gateway): State<Gateway>,
    Path(server): Path<String>,
    request: Request,
) -> Response {
    gateway.scope_of(&server).map_or_else(
        |response| response,
        |scope| gateway.delete(&scope, &request),
    )
}

impl Gateway {
    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    fn scope_of(&self, server: &str) -> Result<Scope, Response> {
        let name = ServerName::new(server).ok();
        let known = name.filter(|name| self.view.read(|now| now.server(name.as_str()).is_some()));
        // Names are no secret to whoever may call, and told to nobody else.
        known
            .map(Scope::Server)
            .ok_or_else(respond::no_such_address)
    }

    /// Returns who asks, or the refusal.
    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    fn client(&self, request: &Request) -> Result<Arc<str>, Response> {
        match self.credentials.who(request.headers()) {
            Who::Client(name) => Ok(name),
            Who::Control => Err(respond::control_credential()),
            Who::Nobody => Err(respond::no_credential()),
        }
    }
}
