//! A scripted server over HTTP+SSE, the transport of 2024-11-05: `GET /sse` is the stream of a
//! session, whose first event says where its messages are posted.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::{
    script::HttpScript,
    scripted::{Incoming, Outlet, Scripted},
};

/// Where its stream is.
pub(crate) const PATH: &str = "/sse";

/// Where a test has every stream ended.
pub(crate) const HANG_UP: &str = "/testkit/hang-up";

struct Server {
    scripted: Scripted,
    script: HttpScript,
    sessions: Mutex<HashMap<u64, mpsc::UnboundedSender<String>>>,
    next: AtomicU64,
    hung_up: watch::Sender<()>,
}

pub(crate) async fn run(
    scripted: Scripted,
    script: HttpScript,
    listener: tokio::net::TcpListener,
) -> io::Result<()> {
    let server = Arc::new(Server {
        scripted,
        script,
        sessions: Mutex::default(),
        next: AtomicU64::new(1),
        hung_up: watch::Sender::new(()),
    });
    let app = Router::new()
        .route(PATH, get(listen))
        .route("/message", post(take))
        .route(HANG_UP, post(hang_up))
        .layer(DefaultBodyLimit::disable())
        .with_state(server);
    axum::serve(listener, app).await
}

async fn listen(State(server): State<Arc<Server>>) -> Response {
    let number = server.next.fetch_add(1, Ordering::Relaxed);
    let (sender, receiver) = mpsc::unbounded_channel();
    server.sessions().insert(number, sender);
    let elsewhere = server.script.legacy_endpoint.clone();
    let endpoint = elsewhere.unwrap_or_else(|| format!("/message?session={number}"));
    let first = stream::iter([format!("event: endpoint\ndata: {endpoint}\n\n")]);
    let state = (receiver, server.hung_up.subscribe());
    let rest = stream::unfold(state, |(mut receiver, mut hung_up)| async move {
        let line: String = tokio::select! {
            line = receiver.recv() => line?,
            _ = hung_up.changed() => return None,
        };
        let event = format!("event: message\ndata: {line}\n\n");
        Some((event, (receiver, hung_up)))
    });
    let body = Body::from_stream(first.chain(rest).map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn hang_up(State(server): State<Arc<Server>>) {
    server.hung_up.send_replace(());
}

#[derive(Deserialize)]
struct Of {
    session: u64,
}

async fn take(State(server): State<Arc<Server>>, Query(of): Query<Of>, body: Bytes) -> StatusCode {
    server.scripted.record(&String::from_utf8_lossy(&body));
    let Some(sender) = server.sessions().get(&of.session).cloned() else {
        return StatusCode::NOT_FOUND;
    };
    // It is answered on the stream, in its own time.
    tokio::task::spawn_blocking(move || {
        let Ok(message) = serde_json::from_slice::<Incoming<'_>>(&body) else {
            return;
        };
        let stream = Stream(sender);
        if let Some(answer) = server.scripted.answer(&message, &stream) {
            stream.send(answer);
        }
    });
    StatusCode::ACCEPTED
}

struct Stream(mpsc::UnboundedSender<String>);

impl Stream {
    fn send(&self, line: String) {
        // A client that has gone needs no answer.
        let _ = self.0.send(line);
    }
}

impl Outlet for Stream {
    fn related(&self, message: &Value) {
        self.send(message.to_string());
    }

    fn broadcast(&self, message: &Value) {
        self.related(message);
    }

    fn say(&self, text: &str, _: bool) {
        self.send(text.to_owned());
    }
}

impl Server {
    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<String>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
