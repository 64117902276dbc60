//! HTTP+SSE, the transport of 2024-11-05: one stream of events for all that the server says, and an
//! address, named by its first event, to which messages are posted.
//!
//! The stream is the session: when it ends, so does the connection, and another begins with another
//! `initialize`. So it is never opened again here.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use tokio::{task::JoinHandle, time::timeout};
use url::Url;

use super::{
    CallError, Caller, Pending, Reply, Signals,
    cancel::CancelOnDrop,
    company::Company,
    hear::Ear,
    http::{Address, Events, Form, TooLong, refused},
    introduction::cause,
    pace::Pace,
    question::Way,
};
use crate::{
    mcp::{Kind, Outgoing, Revision},
    server::{Cause, CauseKind, Value},
};

/// How long a server may take to say where messages go: it knows when the stream begins.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may take to accept a message; the answer comes on the stream.
const POST_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection over HTTP+SSE.
#[derive(Debug)]
pub struct SseConnection {
    messages: Address,
    revision: OnceLock<Revision>,
    ear: Arc<Ear>,
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
        let address = Address::new(url, headers)?;
        let opened = timeout(ENDPOINT_TIMEOUT, stream(&address)).await;
        let opened = opened.unwrap_or(Err(CallError::TimedOut));
        let (events, named) = opened.map_err(|error| cause(&error))?;
        let messages = url
            .join(&named)
            .ok()
            .filter(|it| it.origin() == url.origin())
            .and_then(|it| address.at(&it));
        let messages = messages.ok_or_else(|| {
            // Whoever answers there would get the entry's headers.
            let message = "it sends messages to another origin";
            Cause::new(CauseKind::InvalidReply, message, "Check the address.")
        })?;
        Ok(Arc::new_cyclic(|own| {
            let ear = Arc::new(Ear::new(calls, Way::Sse(own.clone())));
            let reading = read(Arc::clone(&ear), events);
            Self {
                messages,
                revision: OnceLock::new(),
                ear,
                reader: Mutex::new(Some(tokio::spawn(reading))),
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
        let revision = self.revision.get().copied();
        let request = self.messages.post(message.into(), "*/*", revision);
        let answer = timeout(POST_TIMEOUT, self.messages.send(request)).await;
        let answer = answer.unwrap_or(Err(CallError::TimedOut))?;
        let refused = refused(&answer);
        answer.into_body().let_go();
        refused.map_or(Ok(()), Err)
    }

    /// See [`super::Connection::request`].
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let ticket = self.ear.open(caller.clone())?;
        let cancel = CancelOnDrop::new(ticket.id(), caller, |message| {
            if !self.closing.load(Ordering::Relaxed) {
                self.post_later(message);
            }
        });
        let mut posting = pin!(self.post(request.render(ticket.id())));
        let reply = tokio::select! {
            biased;
            reply = ticket.reply() => reply,
            posted = &mut posting => match posted {
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
    pub fn pending(&self) -> &Arc<Pending> {
        &self.ear.pending
    }

    /// Returns what the connection tells its actor.
    pub fn signals(&self) -> &Arc<Signals> {
        &self.ear.signals
    }
}

impl Drop for SseConnection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens the stream, and returns it with where messages go.
async fn stream(address: &Address) -> Result<(Events, String), CallError> {
    let request = address.request(Method::GET, Bytes::new(), "text/event-stream", None);
    let answer = address.send(request).await?;
    if let Some(error) = refused(&answer) {
        return Err(error);
    }
    if answer.status() != StatusCode::OK || Form::of(&answer)? != Form::Events {
        return Err(CallError::NotMcp);
    }
    let mut events = Events::new(Some(answer.into_body()), &Arc::new(Company::new()));
    loop {
        match events.next().await {
            Ok(Some(event)) if event.name == "endpoint" => {
                let named = String::from_utf8_lossy(&event.data).into_owned();
                return Ok((events, named));
            }
            Ok(Some(event)) if event.data.is_empty() => {}
            Ok(Some(_)) => return Err(CallError::NotMcp),
            Ok(None) => return Err(CallError::ServerEnded),
            Err(TooLong) => return Err(CallError::TooLong),
        }
    }
}

/// Reads what the server says until the stream ends.
async fn read(ear: Arc<Ear>, mut events: Events) {
    let (lost, mut pace) = (CauseKind::ConnectionLost, Pace::new());
    events.read_among(&ear.company);
    let (kind, message, reason) = loop {
        match events.next().await {
            Ok(Some(event)) if event.name == "endpoint" => {
                break (lost, "it began another session", CallError::ServerEnded);
            }
            Ok(Some(mut event)) => {
                let known = match event.message() {
                    Ok(message) => {
                        if message.kind() == Kind::Request {
                            pace.asked();
                        }
                        ear.took(&message)
                    }
                    Err(error) => ear.unreadable(&event.data, &error),
                };
                if !known {
                    pace.heard(event.data.len());
                    if pace.is_over() {
                        pace.rest().await;
                    }
                }
            }
            Ok(None) => break (lost, "its stream ended", CallError::ServerEnded),
            Err(TooLong) => {
                let message = "it sent an event of more than 64 MB";
                break (CauseKind::MessageTooLong, message, CallError::TooLong);
            }
        }
    };
    ear.pending.close(reason);
    let remedy = "Look at the server's log for the reason; then try again.";
    ear.signals.ended(Cause::new(kind, message, remedy));
}
