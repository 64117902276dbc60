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
    api,
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
            .method_not_allowed_fallback(wrong_method)
            .with_state(self)
    }
}

async fn post_all(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.post(None, request).await
}

async fn get_all(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.get(None, &request)
}

async fn delete_all(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.delete(None, &request)
}

async fn wrong_method(State(gateway): State<Gateway>, request: Request) -> Response {
    match gateway.client(&request) {
        Ok(_) => api::wrong_method().await,
        Err(response) => response,
    }
}

type Server = Path<String>;

async fn post_one(State(gateway): State<Gateway>, server: Server, request: Request) -> Response {
    gateway.post(Some(&server), request).await
}

async fn get_one(State(gateway): State<Gateway>, server: Server, request: Request) -> Response {
    gateway.get(Some(&server), &request)
}

async fn delete_one(State(gateway): State<Gateway>, server: Server, request: Request) -> Response {
    gateway.delete(Some(&server), &request)
}

impl Gateway {
    /// Returns who asks, or the refusal.
    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    fn client(&self, request: &Request) -> Result<Arc<str>, Response> {
        match self.credentials.who(request.headers()) {
            Who::Client(name) => Ok(name),
            Who::Control => Err(respond::control_credential()),
            Who::Nobody => Err(respond::no_credential()),
        }
    }

    /// Returns who asks, and for what; or the refusal. Whoever is not known learns no names.
    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    fn admit(
        &self,
        server: Option<&str>,
        request: &Request,
    ) -> Result<(Arc<str>, Scope), Response> {
        let client = self.client(request)?;
        let Some(server) = server else {
            return Ok((client, Scope::All));
        };
        let name = self
            .view
            .read(|now| now.server(server).map(|entry| entry.name.clone()));
        let scope = name.map(|name| (client, Scope::Server(name)));
        scope.ok_or_else(respond::no_such_address)
    }
}
