//! An HTTP server whose answers a test writes, to the byte and in its own time.
//!
//! What the test does not ask for is answered as a plain MCP server would: `initialize` begins a
//! session, lists hold one tool, `call`, and there is no stream. The test takes the rest in hand:
//! each request of a kind that it named waits for it.

use std::{
    collections::HashSet,
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// How long a request may be waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct Peer {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<Book>,
    arrived: Notify,
    sessions: AtomicU64,
}

#[derive(Debug, Default)]
struct Book {
    /// The kinds of request that wait for the test.
    taken: HashSet<String>,
    waiting: Vec<Asked>,
    /// Every request, as it came.
    seen: Vec<Seen>,
    /// The streams of HTTP+SSE sessions, where it speaks that.
    older: Option<Vec<mpsc::UnboundedSender<io::Result<Bytes>>>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method of JSON-RPC for a POST, else that of HTTP; `answer` for an answer.
    pub kind: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its message; null where it has none.
    pub message: Value,
}

impl Seen {
    /// Returns a header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

/// A request that waits for the test's answer. Dropped, it ends without one.
#[derive(Debug)]
pub struct Asked {
    /// What came.
    pub seen: Seen,
    answer: oneshot::Sender<Response>,
}

/// The rest of an answer's body. Dropped, it ends in order.
#[derive(Debug)]
pub struct Rest(mpsc::UnboundedSender<io::Result<Bytes>>);

impl Peer {
    /// Starts a server over Streamable HTTP.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        Self::run(None).await
    }

    /// Starts a server over HTTP+SSE: answers go out on the stream, and the test can write there.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn older() -> Self {
        Self::run(Some(Vec::new())).await
    }

    async fn run(older: Option<Vec<mpsc::UnboundedSender<io::Result<Bytes>>>>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(Book {
                older,
                ..Book::default()
            }),
            arrived: Notify::new(),
            sessions: AtomicU64::new(0),
        });
        let app = Router::new()
            .fallback(handle)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let task = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, app).await;
        });
        Self {
            url: format!("http://{address}/mcp"),
            shared,
            task,
        }
    }

    /// Returns its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has requests of a kind wait for the test from here on. Kinds: see [`Seen::kind`].
    pub fn take(&self, kind: &str) {
        self.shared.state().taken.insert(kind.to_owned());
    }

    /// Has requests of a kind answered as usual again.
    pub fn leave(&self, kind: &str) {
        self.shared.state().taken.remove(kind);
    }

    /// Waits for a request of a kind that was taken.
    ///
    /// # Panics
    /// When none comes.
    pub async fn asked(&self, kind: &str) -> Asked {
        let waiting = async {
            loop {
                let arrived = self.shared.arrived.notified();
                if let Some(asked) = self.shared.waiting(kind) {
                    return asked;
                }
                arrived.await;
            }
        };
        let asked = timeout(PATIENCE, waiting).await;
        asked.unwrap_or_else(|_| panic!("no {kind} came; these did: {:?}", self.kinds()))
    }

    /// Returns every request of a kind so far, in order.
    pub fn seen(&self, kind: &str) -> Vec<Seen> {
        let state = self.shared.state();
        let of_kind = state.seen.iter().filter(|seen| seen.kind == kind);
        of_kind.cloned().collect()
    }

    /// Writes on the stream of the latest session over HTTP+SSE.
    ///
    /// # Panics
    /// When there is none.
    pub fn rest(&self) -> Rest {
        let state = self.shared.state();
        let streams = state.older.as_ref().expect("it speaks HTTP+SSE");
        Rest(streams.last().expect("a session has begun").clone())
    }

    fn kinds(&self) -> Vec<String> {
        let state = self.shared.state();
        state.seen.iter().map(|seen| seen.kind.clone()).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn waiting(&self, kind: &str) -> Option<Asked> {
        let mut state = self.state();
        let place = state.waiting.iter().position(|it| it.seen.kind == kind)?;
        Some(state.waiting.remove(place))
    }

    fn state(&self) -> MutexGuard<'_, Book> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    _: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let kind = match message["method"].as_str() {
        Some(kind) => kind.to_owned(),
        None if method == Method::POST => "answer".to_owned(),
        None => method.to_string(),
    };
    let seen = Seen {
        kind,
        headers,
        message,
    };
    let waiting = {
        let mut state = shared.state();
        state.seen.push(seen.clone());
        state.taken.contains(&seen.kind).then(|| {
            let (answer, answered) = oneshot::channel();
            state.waiting.push(Asked {
                seen: seen.clone(),
                answer,
            });
            answered
        })
    };
    let Some(answered) = waiting else {
        return shared.usual(&seen);
    };
    shared.arrived.notify_waiters();
    match answered.await {
        Ok(response) => response,
        // The test wants no answer to come; the connection ends with an error.
        Err(_) => cut(),
    }
}

fn cut() -> Response {
    let broken = Err::<Bytes, io::Error>(io::ErrorKind::ConnectionReset.into());
    let broken = stream::iter([broken]);
    Response::new(Body::from_stream(broken))
}

impl Shared {
    /// Answers as a plain server does.
    fn usual(&self, seen: &Seen) -> Response {
        let result = match seen.kind.as_str() {
            "initialize" => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}, "resources": {"subscribe": true}, "logging": {}},
                "serverInfo": {"name": "peer", "version": "1"},
            }),
            "tools/list" => json!({"tools": [{
                "name": "call",
                "inputSchema": {"type": "object"},
                "annotations": {"readOnlyHint": false},
            }]}),
            "tools/call" => text("usual"),
            "resources/list" => json!({"resources": []}),
            "resources/templates/list" => json!({"resourceTemplates": []}),
            "GET" => return self.listen(),
            "DELETE" => return empty(200),
            _ if seen.message["id"].is_null() => return empty(202),
            "answer" => return empty(202),
            _ => json!({}),
        };
        let answer = answer_to(seen, &result);
        if let Some(streams) = &self.state().older {
            if let Some(stream) = streams.last() {
                // A client that has gone needs no answer.
                let _ = stream.send(Ok(format!("data: {answer}\n\n").into()));
            }
            return empty(202);
        }
        let session = self
            .sessions
            .fetch_add(u64::from(seen.kind == "initialize"), Ordering::Relaxed);
        let mut response = Response::builder().header("content-type", "application/json");
        if seen.kind == "initialize" {
            response = response.header("mcp-session-id", format!("session-{session}"));
        }
        response.body(Body::from(answer)).expect("these are valid")
    }

    fn listen(&self) -> Response {
        let mut state = self.state();
        let Some(streams) = &mut state.older else {
            return empty(405);
        };
        let (sender, response) = streaming();
        sender.write("event: endpoint\ndata: /message\n\n");
        streams.push(sender.0);
        response
    }
}

/// Returns a body that ends with the first error of `chunks`, in the middle.
pub fn chunks(chunks: impl stream::Stream<Item = io::Result<String>> + Send + 'static) -> Body {
    Body::from_stream(chunks)
}

/// Returns the result of a tool that says `text`.
pub fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn answer_to(seen: &Seen, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": seen.message["id"], "result": result}).to_string()
}

fn empty(status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("a status of HTTP");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn streaming() -> (Rest, Response) {
    let (sender, receiver) = mpsc::unbounded_channel::<io::Result<Bytes>>();
    let body = stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        if chunk.is_err() {
            // What was written before goes out first.
            tokio::task::yield_now().await;
        }
        Some((chunk, receiver))
    });
    let response = Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(body));
    (Rest(sender), response.expect("these are valid"))
}

impl Asked {
    /// Returns the answer to it, as an event would carry it.
    pub fn with(&self, result: &Value) -> String {
        answer_to(&self.seen, result)
    }

    /// Answers with a result.
    pub fn result(self, result: &Value) {
        let body = self.with(result);
        self.respond(200, &[("content-type", "application/json")], body);
    }

    /// Answers with a status, headers and a body.
    ///
    /// # Panics
    /// When they are none of HTTP.
    pub fn respond(self, status: u16, headers: &[(&str, &str)], body: impl Into<Body>) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(body.into()).expect("these are valid");
        // A client that has gone needs no answer.
        let _ = self.answer.send(response);
    }

    /// Begins an answer that is a stream of events.
    pub fn stream(self) -> Rest {
        let (rest, response) = streaming();
        // As above.
        let _ = self.answer.send(response);
        rest
    }
}

impl Rest {
    /// Writes `text` as it stands; `false` where nobody reads any more.
    pub fn write(&self, text: impl Into<Bytes>) -> bool {
        self.0.send(Ok(text.into())).is_ok()
    }

    /// Breaks off: the connection ends in the middle of the body.
    pub fn cut(self) {
        // Nobody may be reading.
        let _ = self.0.send(Err(io::ErrorKind::ConnectionReset.into()));
    }

    /// Waits until nobody reads any more.
    pub async fn unread(&self) {
        self.0.closed().await;
    }
}
