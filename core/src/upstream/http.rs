use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::task::JoinHandle;
use url::Url;

use super::{
    CallError, Caller, Pending, Reply, Signals,
    cancel::CancelOnDrop,
    hear::Ear,
    http_stream, next_number,
    question::{Back, Way},
};
use crate::{
    mcp::{Envelope, Kind, Outgoing, Revision, SERVER_MESSAGE_BYTES_MAX, media, sse},
    runtime::by_size,
    server::{Cause, CauseKind, Value},
};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Long enough for a handshake over a bad mobile link; an address on this machine answers at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a session is waited for when a server is disconnected.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an unused connection is kept.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(90);

type Sender = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Returns a client for addresses of one scheme, made when the first is wanted: reading the
/// system's certificates takes a moment and some memory, which plain HTTP need not pay.
fn sender(secure: bool) -> Result<Sender, Cause> {
    static SENDERS: [OnceLock<Sender>; 2] = [const { OnceLock::new() }; 2];
    let place = &SENDERS[usize::from(secure)];
    if let Some(sender) = place.get() {
        return Ok(sender.clone());
    }
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    let builder = if secure {
        let provider = rustls::crypto::ring::default_provider();
        builder
            .with_provider_and_native_roots(provider)
            .map_err(|error| {
                Cause::new(
                    CauseKind::Unreachable,
                    format!("the system's certificates cannot be read: {error}"),
                    "Install your system's CA certificates (package ca-certificates).",
                )
            })?
    } else {
        let roots = rustls::RootCertStore::empty();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::new(CauseKind::Internal, error.to_string(), "Report this."))?
        .with_root_certificates(roots)
        .with_no_client_auth();
        builder.with_tls_config(config)
    };
    let connector = builder
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(connector);
    Ok(place.get_or_init(|| client).clone())
}

/// A connection over Streamable HTTP: each request is a POST with an answer of its own.
#[derive(Debug)]
pub struct HttpConnection {
    sender: Sender,
    uri: Uri,
    headers: HeaderMap,
    session: ArcSwapOption<HeaderValue>,
    revision: OnceLock<Revision>,
    pending: Arc<Pending>,
    signals: Arc<Signals>,
    stream: Mutex<Option<JoinHandle<()>>>,
    closing: AtomicBool,
    looks_older: AtomicBool,
    own: Weak<Self>,
    back: Back,
}

impl HttpConnection {
    /// Prepares an address; nothing is sent yet.
    ///
    /// # Errors
    /// When the system's certificates cannot be read, or a header is none.
    pub fn new(
        url: &Url,
        headers: &BTreeMap<String, Value>,
        calls: usize,
    ) -> Result<Arc<Self>, Cause> {
        let invalid = |what: &str| {
            Cause::new(
                CauseKind::Internal,
                format!("{what} cannot be used"),
                "Correct the entry in narthex.json.",
            )
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name =
                HeaderName::try_from(name.as_str()).map_err(|_| invalid("the name of a header"))?;
            let mut value = HeaderValue::try_from(value.resolved.expose())
                .map_err(|_| invalid("a header's value"))?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        map.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        map.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        let uri = Uri::try_from(url.as_str()).map_err(|_| invalid("the address"))?;
        let sender = sender(url.scheme() == "https")?;
        Ok(Arc::new_cyclic(|own| Self {
            sender,
            uri,
            headers: map,
            session: ArcSwapOption::empty(),
            revision: OnceLock::new(),
            pending: Arc::new(Pending::new(calls)),
            signals: Arc::new(Signals::default()),
            stream: Mutex::new(None),
            closing: AtomicBool::new(false),
            looks_older: AtomicBool::new(false),
            own: own.clone(),
            back: Back {
                connection: next_number(),
                way: Way::Http(own.clone()),
            },
        }))
    }

    /// Takes note of the revision agreed on, which every later request names.
    pub fn agreed_on(&self, revision: Revision) {
        // One connection is initialized once.
        let _ = self.revision.set(revision);
    }

    /// Begins to listen for what the server says by itself, if it does.
    pub fn listen(&self) {
        let Some(own) = self.own.upgrade() else {
            return;
        };
        let task = tokio::spawn(http_stream::listen(Arc::downgrade(&own)));
        if let Some(before) = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(task)
        {
            before.abort();
        }
    }

    fn message(&self, method: Method, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        if let Some(revision) = self.revision.get() {
            headers.insert(
                PROTOCOL_VERSION,
                HeaderValue::from_static(revision.as_str()),
            );
        }
        if let Some(session) = &*self.session.load() {
            headers.insert(SESSION_ID, HeaderValue::clone(session));
        }
        request
    }

    /// Sends one message of our own for which no answer is due.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn post(&self, message: Vec<u8>) -> Result<(), CallError> {
        let response = self
            .send(self.message(Method::POST, message.into()))
            .await?;
        self.check(&response)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, CallError> {
        let sent = self.sender.request(request).await;
        sent.map_err(|error| {
            tracing::debug!(error = super::link::describe(&error), "request failed");
            if error.is_connect() {
                CallError::Unreachable
            } else {
                CallError::ServerEnded
            }
        })
    }

    /// Opens the stream of what the server says by itself.
    pub(super) async fn get(
        &self,
        last_event: Option<&str>,
    ) -> Result<Response<Incoming>, CallError> {
        let mut request = self.message(Method::GET, Bytes::new());
        let headers = request.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
        if let Some(id) = last_event.and_then(sse::last_event_id) {
            headers.insert("last-event-id", id);
        }
        self.send(request).await
    }

    fn check(&self, response: &Response<Incoming>) -> Result<(), CallError> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        if self.revision.get().is_none() {
            let older = matches!(status.as_u16(), 400 | 404 | 405);
            self.looks_older.store(older, Ordering::Relaxed);
        }
        Err(match status {
            StatusCode::UNAUTHORIZED => CallError::SignInNeeded,
            StatusCode::NOT_FOUND if self.session.load().is_some() => CallError::SessionExpired,
            status if status.is_redirection() => CallError::Redirected,
            status => CallError::HttpStatus(status.as_u16()),
        })
    }

    /// See [`super::Connection::request`].
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let ticket = self
            .pending
            .open(caller.clone())
            .ok_or(CallError::NotReading)?;
        if ticket.is_answered() {
            return match ticket.reply().await {
                Err(CallError::ServerEnded) => Err(CallError::NotConnected),
                other => other,
            };
        }
        let cancel = CancelOnDrop::new(ticket.id(), caller, |message| {
            if !self.closing.load(Ordering::Relaxed) {
                self.post_later(message);
            }
        });
        let exchange = self.exchange(request, ticket.id());
        let reply = tokio::select! {
            biased;
            reply = exchange => reply,
            reply = ticket.reply() => reply,
        };
        cancel.disarm();
        if let Err(error) = &reply {
            self.failed(error);
        }
        reply
    }

    /// Tells the actor of failures after which the connection is of no more use.
    fn failed(&self, error: &CallError) {
        let (kind, message) = match error {
            CallError::Unreachable => (CauseKind::Unreachable, "its address cannot be reached"),
            CallError::SessionExpired => (CauseKind::ConnectionLost, "its session had expired"),
            CallError::SignInNeeded => (CauseKind::SignInNeeded, "it wants a sign-in"),
            CallError::NotConnected
            | CallError::ServerEnded
            | CallError::Revoked(_)
            | CallError::TimedOut
            | CallError::NotReading
            | CallError::InvalidReply(_)
            | CallError::TooLong
            | CallError::NotOpened(_)
            | CallError::HttpStatus(_)
            | CallError::Redirected
            | CallError::Busy { .. }
            | CallError::NotMcp => return,
        };
        self.signals.ended(Cause::new(
            kind,
            message,
            "Check that the server runs and that the address is right.",
        ));
    }

    async fn exchange(&self, request: &Outgoing, id: u64) -> Result<Reply, CallError> {
        let body = Bytes::from(request.render(id));
        let response = self.send(self.message(Method::POST, body)).await?;
        self.check(&response)?;
        if let Some(session) = response.headers().get(SESSION_ID)
            && self.session.load().as_deref() != Some(session)
        {
            self.session.store(Some(Arc::new(session.clone())));
        }
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is = |named| kind.is_some_and(|kind| media::is(kind, named));
        if is(media::JSON) {
            self.whole(response.into_body(), id).await
        } else if is(media::EVENT_STREAM) {
            self.streamed(response.into_body(), id).await
        } else {
            tracing::debug!(?kind, "answer that is not MCP");
            Err(CallError::NotMcp)
        }
    }

    async fn whole(&self, body: Incoming, id: u64) -> Result<Reply, CallError> {
        let body = Limited::new(body, SERVER_MESSAGE_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| body_error(&*error))?;
        let body = body.to_bytes();
        let envelope = by_size(body.len(), || Envelope::parse(body))
            .map_err(|error| CallError::InvalidReply(error.to_string()))?;
        self.take(&envelope, id)?
            .ok_or_else(|| CallError::InvalidReply("no response".to_owned()))
    }

    async fn streamed(&self, mut body: Incoming, id: u64) -> Result<Reply, CallError> {
        let mut reader = sse::Reader::new(SERVER_MESSAGE_BYTES_MAX);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| CallError::ServerEnded)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            reader.push(&data);
            while let Some(event) = reader.next_event().map_err(|_| CallError::TooLong)? {
                let data = event.data;
                let Ok(envelope) = by_size(data.len(), || Envelope::parse(data)) else {
                    continue;
                };
                if let Some(reply) = self.take(&envelope, id)? {
                    return Ok(reply);
                }
            }
        }
        Err(CallError::ServerEnded)
    }

    /// Acts on one message of a reply: the answer to `id` is returned, what else comes is passed on.
    fn take(&self, envelope: &Envelope, id: u64) -> Result<Option<Reply>, CallError> {
        match envelope.kind() {
            Kind::Result | Kind::Error if envelope.id_number() == Some(id) => {
                Ok(Reply::of(envelope))
            }
            Kind::Result | Kind::Error => Err(CallError::InvalidReply(
                "it came under an id that was never given".to_owned(),
            )),
            Kind::Notification | Kind::Request => {
                self.heard(envelope, Some(id));
                Ok(None)
            }
        }
    }

    /// Hears what the server says that is no answer; `cause` is the call on whose reply stream it
    /// came.
    pub(super) fn heard(&self, message: &Envelope, cause: Option<u64>) {
        let ear = Ear {
            pending: &self.pending,
            signals: &self.signals,
            back: &self.back,
        };
        ear.heard(message, cause);
    }

    /// Sends a message that nobody waits for.
    pub(super) fn post_later(&self, message: Vec<u8>) {
        if let Some(own) = self.own.upgrade() {
            // Bounded by the timeout; a server that is gone needs no word.
            tokio::spawn(
                async move { tokio::time::timeout(CONNECT_TIMEOUT, own.post(message)).await },
            );
        }
    }

    /// Ends the session at the server, and stops listening.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(stream) = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            stream.abort();
        }
        if self.session.load().is_some() {
            let request = self.message(Method::DELETE, Bytes::new());
            // A server that is gone, or knows no DELETE, has nothing to end.
            let _ = tokio::time::timeout(DELETE_TIMEOUT, self.send(request)).await;
        }
    }

    /// Whether the address refused to be initialized as one does that speaks HTTP+SSE only.
    pub fn looks_older(&self) -> bool {
        self.looks_older.load(Ordering::Relaxed)
    }

    /// Returns the requests in flight.
    pub const fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }

    /// Returns what the connection tells its actor.
    pub const fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        if let Some(stream) = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            stream.abort();
        }
    }
}

fn body_error(error: &(dyn std::error::Error + 'static)) -> CallError {
    if error.is::<http_body_util::LengthLimitError>() {
        CallError::TooLong
    } else {
        CallError::ServerEnded
    }
}
