//! HTTP+SSE, the transport of 2024-11-05: one stream of events for all that the server says, and an
//! address, named by its first event, to which messages are posted.
//!
//! The stream is the session: when it ends, so does the connection, and another begins with another
//! `initialize`. So the source of events never connects again by itself.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper_rustls::ConfigBuilderExt as _;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use reqwest_eventsource::{Error, Event, EventSource, retry::Never};
use tokio::task::JoinHandle;
use url::Url;

use super::{
    CallError, Caller, Pending, Reply, Signals,
    cancel::CancelOnDrop,
    hear::Ear,
    introduction, next_number,
    question::{Back, Way},
};
use crate::{
    mcp::{Envelope, Kind, Outgoing, Revision, SERVER_MESSAGE_BYTES_MAX},
    runtime::by_size,
    server::{Cause, CauseKind, Value},
};

/// Long enough for a handshake over a bad mobile link; an address on this machine answers at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to say where messages go: it knows when the stream begins.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may take to accept a message; the answer comes on the stream.
const POST_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection over HTTP+SSE.
#[derive(Debug)]
pub struct SseConnection {
    client: Client,
    messages: Url,
    headers: HeaderMap,
    revision: OnceLock<Revision>,
    pending: Arc<Pending>,
    signals: Arc<Signals>,
    reader: Mutex<Option<JoinHandle<()>>>,
    closing: AtomicBool,
    own: Weak<Self>,
}

impl SseConnection {
    /// Opens the stream, and waits until the server has said where messages go.
    ///
    /// # Errors
    /// When the address does not speak HTTP+SSE.
    pub async fn open(
        url: &Url,
        headers: &BTreeMap<String, Value>,
        calls: usize,
    ) -> Result<Arc<Self>, Cause> {
        let client = client(url)?;
        let headers = header_map(headers)?;
        let request = client.get(url.clone()).headers(headers.clone());
        let mut source = EventSource::new(request)
            .map_err(|error| Cause::new(CauseKind::Internal, error.to_string(), "Report this."))?;
        source.set_retry_policy(Box::new(Never));
        let named = tokio::time::timeout(ENDPOINT_TIMEOUT, endpoint(&mut source)).await;
        let named = named
            .unwrap_or(Err(CallError::TimedOut))
            .map_err(|error| introduction::cause(&error))?;
        let messages = url
            .join(&named)
            .ok()
            .filter(|it| it.origin() == url.origin());
        let messages = messages.ok_or_else(|| {
            // Whoever answers there would get the entry's headers.
            let message = "it sends messages to another origin";
            Cause::new(CauseKind::InvalidReply, message, "Check the address.")
        })?;
        let (pending, signals) = (Arc::new(Pending::new(calls)), Arc::<Signals>::default());
        Ok(Arc::new_cyclic(|own| {
            let reader = Reader {
                pending: Arc::clone(&pending),
                signals: Arc::clone(&signals),
                back: Back {
                    connection: next_number(),
                    way: Way::Sse(own.clone()),
                },
            };
            Self {
                client,
                messages,
                headers,
                revision: OnceLock::new(),
                pending,
                signals,
                reader: Mutex::new(Some(tokio::spawn(reader.run(source)))),
                closing: AtomicBool::new(false),
                own: own.clone(),
            }
        }))
    }

    /// Takes note of the revision agreed on, which every later request names.
    pub fn agreed_on(&self, revision: Revision) {
        // One connection is initialized once.
        let _ = self.revision.set(revision);
    }

    /// Posts one message; what comes of it comes on the stream.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn post(&self, message: Vec<u8>) -> Result<(), CallError> {
        let mut request = self
            .client
            .post(self.messages.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .timeout(POST_TIMEOUT)
            .body(message);
        if let Some(revision) = self.revision.get() {
            request = request.header("mcp-protocol-version", revision.as_str());
        }
        let response = request.send().await.map_err(|error| failed(&error))?;
        refused(response.status()).map_or(Ok(()), Err)
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
        let posting = self.post(request.render(ticket.id()));
        let reply = tokio::select! {
            biased;
            reply = ticket.reply() => reply,
            posted = posting => match posted {
                Ok(()) => ticket.reply().await,
                Err(error) => Err(error),
            },
        };
        cancel.disarm();
        reply
    }

    /// Sends a message that nobody waits for.
    pub(super) fn post_later(&self, message: Vec<u8>) {
        if let Some(own) = self.own.upgrade() {
            // Bounded by its timeout; a server that is gone needs no word.
            tokio::spawn(async move { own.post(message).await });
        }
    }

    /// Ends the stream, and with it the session.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = reader.take() {
            reader.abort();
        }
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

impl Drop for SseConnection {
    fn drop(&mut self) {
        self.close();
    }
}

struct Reader {
    pending: Arc<Pending>,
    signals: Arc<Signals>,
    back: Back,
}

impl Reader {
    async fn run(self, mut source: EventSource) {
        let mut end = ("its stream ended", CallError::ServerEnded);
        while let Some(Ok(event)) = source.next().await {
            let Event::Message(message) = event else {
                continue;
            };
            if message.event == "endpoint" {
                end.0 = "it began another session";
                break;
            }
            if message.data.len() > SERVER_MESSAGE_BYTES_MAX {
                end = ("it sent an event of more than 64 MB", CallError::TooLong);
                break;
            }
            let data = Bytes::from(message.data);
            if let Ok(message) = by_size(data.len(), || Envelope::parse(data)) {
                self.take(&message);
            }
        }
        let (message, reason) = end;
        self.pending.close(reason);
        let remedy = "Look at the server's log for the reason; then try again.";
        self.signals
            .ended(Cause::new(CauseKind::ConnectionLost, message, remedy));
    }

    fn take(&self, message: &Envelope) {
        match message.kind() {
            Kind::Request | Kind::Notification => {
                let ear = Ear {
                    pending: &self.pending,
                    signals: &self.signals,
                    back: &self.back,
                };
                ear.heard(message, None);
            }
            Kind::Result | Kind::Error => {
                let id = message.id_number();
                let known = id
                    .zip(Reply::of(message))
                    .is_some_and(|(id, reply)| self.pending.complete(id, Ok(reply)));
                if !known {
                    let reason = "it came under an id that was never given".to_owned();
                    self.pending.fail_only(id, &CallError::InvalidReply(reason));
                }
            }
        }
    }
}

/// Waits for the event that says where messages go.
async fn endpoint(source: &mut EventSource) -> Result<String, CallError> {
    loop {
        match source.next().await {
            Some(Ok(Event::Open)) => {}
            Some(Ok(Event::Message(message))) if message.event == "endpoint" => {
                return Ok(message.data);
            }
            Some(Ok(Event::Message(_))) => return Err(CallError::NotMcp),
            Some(Err(Error::InvalidStatusCode(status, _))) => {
                return Err(refused(status).unwrap_or(CallError::NotMcp));
            }
            Some(Err(Error::InvalidContentType(..))) => return Err(CallError::NotMcp),
            Some(Err(Error::Transport(error))) => return Err(failed(&error)),
            Some(Err(_)) | None => return Err(CallError::ServerEnded),
        }
    }
}

fn refused(status: StatusCode) -> Option<CallError> {
    match status {
        status if status.is_success() => None,
        StatusCode::UNAUTHORIZED => Some(CallError::SignInNeeded),
        status if status.is_redirection() => Some(CallError::Redirected),
        status => Some(CallError::HttpStatus(status.as_u16())),
    }
}

fn failed(error: &reqwest::Error) -> CallError {
    tracing::debug!(error = super::link::describe(error), "request failed");
    if error.is_connect() {
        CallError::Unreachable
    } else {
        CallError::ServerEnded
    }
}

fn client(url: &Url) -> Result<Client, Cause> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .tcp_nodelay(true);
    let this_machine = url.host().is_some_and(|host| match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    });
    if this_machine {
        builder = builder.no_proxy();
    }
    if url.scheme() == "https" {
        builder = builder.use_preconfigured_tls(tls()?);
    }
    builder
        .build()
        .map_err(|error| Cause::new(CauseKind::Internal, error.to_string(), "Report this."))
}

fn tls() -> Result<rustls::ClientConfig, Cause> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::new(CauseKind::Internal, error.to_string(), "Report this."))?;
    let builder = builder.with_native_roots().map_err(|error| {
        let message = format!("the system's certificates cannot be read: {error}");
        let remedy = "Install your system's CA certificates (package ca-certificates).";
        Cause::new(CauseKind::Unreachable, message, remedy)
    })?;
    Ok(builder.with_no_client_auth())
}

fn header_map(headers: &BTreeMap<String, Value>) -> Result<HeaderMap, Cause> {
    let invalid = |what: &str| {
        let message = format!("{what} cannot be used");
        let remedy = "Correct the entry in narthex.json.";
        Cause::new(CauseKind::Internal, message, remedy)
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
    Ok(map)
}
