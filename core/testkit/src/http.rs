//! A scripted server over Streamable HTTP.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

use crate::{
    http_legacy,
    script::HttpScript,
    scripted::{Incoming, Outlet, Scripted},
};

/// Where a test reads how many requests a server has had.
pub const REQUESTS: &str = "/testkit/requests";

/// How many messages wait for a listener that reads slowly.
const MESSAGES_WAITING_MAX: usize = 1024;

/// Serves until it is killed.
pub fn serve(scripted: Scripted, script: HttpScript) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = runtime.and_then(|runtime| runtime.block_on(run(scripted, script)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where the complaint cannot be written, the exit code says it.
            let _ = writeln!(io::stderr(), "narthex-testkit-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Announces an address as one line of JSON.
///
/// # Errors
/// When nobody reads it.
pub fn say_address(address: SocketAddr) -> io::Result<()> {
    say_url(address, "/mcp")
}

pub(crate) fn say_url(address: SocketAddr, path: &str) -> io::Result<()> {
    let line = json!({
        "listening": address.to_string(),
        "url": format!("http://{address}{path}"),
    });
    writeln!(io::stdout(), "{line}")
}

async fn run(scripted: Scripted, script: HttpScript) -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, script.port)).await?;
    if script.legacy {
        say_url(listener.local_addr()?, http_legacy::PATH)?;
        return http_legacy::run(scripted, script, listener).await;
    }
    say_address(listener.local_addr()?)?;
    let server = Arc::new(Server {
        scripted,
        script,
        sessions: Mutex::default(),
        next: AtomicU64::new(1),
        requests: AtomicUsize::new(0),
        messages: broadcast::channel(MESSAGES_WAITING_MAX).0,
    });
    #[cfg(unix)]
    if server.scripted.script().announce_on_hangup {
        let server = Arc::clone(&server);
        crate::offspring::on_hangup(move || server.scripted.announce(&*server));
    }
    let app = Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::disable())
        .with_state(server);
    let listener = listener.tap_io(|stream| {
        // A connection that is closed already needs no option.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

struct Server {
    scripted: Scripted,
    script: HttpScript,
    /// How many requests each session has had.
    sessions: Mutex<HashMap<String, usize>>,
    next: AtomicU64,
    requests: AtomicUsize,
    messages: broadcast::Sender<String>,
}

async fn handle(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if uri.path() == REQUESTS {
        return server
            .requests
            .load(Ordering::Relaxed)
            .to_string()
            .into_response();
    }
    server.requests.fetch_add(1, Ordering::Relaxed);
    if let Some(to) = &server.script.redirect {
        let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response();
    }
    if server.script.html {
        let page = "<!DOCTYPE html><html><body>Welcome to the router.</body></html>";
        return ([(header::CONTENT_TYPE, "text/html")], page).into_response();
    }
    if let Some(status) = server.script.status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return status.into_response();
    }
    match method {
        Method::POST => post(server, &headers, body).await,
        Method::GET => match server.session(&headers) {
            Ok(_) => listen(&server),
            Err(status) => status.into_response(),
        },
        Method::DELETE => match server.session(&headers) {
            Ok(session) => {
                server.sessions().remove(&session);
                StatusCode::OK.into_response()
            }
            Err(status) => status.into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn post(server: Arc<Server>, headers: &HeaderMap, body: Bytes) -> Response {
    server.scripted.record(&String::from_utf8_lossy(&body));
    let Ok(message) = serde_json::from_slice::<Incoming<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let initializes = message.method.as_deref() == Some("initialize");
    let session = if initializes {
        let session = format!("session-{}", server.next.fetch_add(1, Ordering::Relaxed));
        server.sessions().insert(session.clone(), 0);
        session
    } else {
        match server.session(headers) {
            Ok(session) => session,
            Err(status) => return status.into_response(),
        }
    };
    let is_request = message.id.is_some() && message.method.is_some();
    let mut response = if !is_request {
        server.scripted.answer(&message, &*server);
        StatusCode::ACCEPTED.into_response()
    } else if server.script.sse {
        let (sender, receiver) = mpsc::unbounded_channel();
        if server.scripted.takes_its_time(&message) {
            let server = Arc::clone(&server);
            tokio::task::spawn_blocking(move || server.answer_into(&body, &sender));
        } else {
            server.answer_into(&body, &sender);
        }
        events(stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|line| (line, receiver))
        }))
    } else {
        let answer = if server.scripted.takes_its_time(&message) {
            let server = Arc::clone(&server);
            tokio::task::spawn_blocking(move || server.answer(&body))
                .await
                .unwrap_or(None)
        } else {
            server.answer(&body)
        };
        match answer {
            Some(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
            // What a server leaves unanswered over stdio hangs over HTTP.
            None => std::future::pending().await,
        }
    };
    if initializes && let Ok(session) = HeaderValue::from_str(&session) {
        response.headers_mut().insert("mcp-session-id", session);
    }
    response
}

fn listen(server: &Server) -> Response {
    let receiver = server.messages.subscribe();
    events(stream::unfold(receiver, |mut receiver| async move {
        let line = receiver.recv().await.ok()?;
        Some((line, receiver))
    }))
}

fn events(lines: impl stream::Stream<Item = String> + Send + 'static) -> Response {
    use futures_util::StreamExt;

    let body = lines.map(|line| Ok::<_, Infallible>(format!("data: {line}\n\n")));
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response()
}

/// The stream of one request.
struct Reply<'a> {
    server: &'a Server,
    sender: &'a mpsc::UnboundedSender<String>,
}

impl Server {
    /// Answers in one piece: messages that belong to the request have no place to go.
    fn answer(&self, body: &[u8]) -> Option<String> {
        let message = serde_json::from_slice::<Incoming<'_>>(body).ok()?;
        let answer = self.scripted.answer(&message, self)?;
        let id = message.id.map_or("null", |id| id.get());
        Some(self.mangled(message.method.as_deref(), id, answer))
    }

    /// Answers into a stream; an answer that never comes leaves the stream open.
    fn answer_into(&self, body: &[u8], sender: &mpsc::UnboundedSender<String>) {
        let Ok(message) = serde_json::from_slice::<Incoming<'_>>(body) else {
            return;
        };
        let reply = Reply {
            server: self,
            sender,
        };
        match self.scripted.answer(&message, &reply) {
            Some(answer) => {
                let id = message.id.map_or("null", |id| id.get());
                let answer = self.mangled(message.method.as_deref(), id, answer);
                // A client that has gone needs no answer.
                let _ = sender.send(answer);
            }
            None => std::mem::forget(sender.clone()),
        }
    }

    fn mangled(&self, method: Option<&str>, id: &str, answer: String) -> String {
        let script = self.scripted.script();
        if script.wrong_id && method == Some(&script.at) {
            answer.replacen(&format!(r#""id":{id}"#), r#""id":"nobody's""#, 1)
        } else {
            answer
        }
    }

    /// Returns the session that a request belongs to, if it is known still.
    fn session(&self, headers: &HeaderMap) -> Result<String, StatusCode> {
        let named = headers
            .get("mcp-session-id")
            .and_then(|id| id.to_str().ok())
            .ok_or(StatusCode::BAD_REQUEST)?;
        let mut sessions = self.sessions();
        let requests = sessions.get_mut(named).ok_or(StatusCode::NOT_FOUND)?;
        *requests += 1;
        if self
            .script
            .expire_after
            .is_some_and(|after| *requests > after)
        {
            sessions.remove(named);
            return Err(StatusCode::NOT_FOUND);
        }
        Ok(named.to_owned())
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Server {
    fn related(&self, _: &Value) {}

    fn say(&self, text: &str, aside: bool) {
        if aside {
            // As below.
            let _ = self.messages.send(text.to_owned());
        }
    }

    fn broadcast(&self, message: &Value) {
        // Nobody may be listening.
        let _ = self.messages.send(message.to_string());
    }
}

impl Outlet for Reply<'_> {
    fn related(&self, message: &Value) {
        // As above.
        let _ = self.sender.send(message.to_string());
    }

    fn broadcast(&self, message: &Value) {
        self.server.broadcast(message);
    }

    fn say(&self, text: &str, aside: bool) {
        if aside {
            self.server.say(text, true);
        } else {
            // As above.
            let _ = self.sender.send(text.to_owned());
        }
    }
}
