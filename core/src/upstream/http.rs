//! Streamable HTTP: each request is a POST with an answer of its own, which may be a stream of
//! events that goes on over several connections.

mod address;
mod answer;
mod client;
mod events;
mod lines;
mod message;
mod pause;
mod proxy;
mod session;
mod stream;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use url::Url;

pub(super) use self::{
    address::Address,
    answer::{Form, refused},
    events::{Events, TooLong},
};
use self::{
    lines::Body,
    pause::Pause,
    session::{SESSION_ID, Session},
    stream::Opened,
};
use super::{
    CallError, Caller, Pending, Reply, Signals,
    cancel::CancelOnDrop,
    hear::{Ear, under_no_id},
    introduction::cause,
    pace::Pace,
    question::Way,
};
use crate::{
    mcp::{Envelope, Kind, Outgoing, Revision},
    server::{Cause, Value},
};

/// What a POST takes for an answer.
const ANSWERS: &str = "application/json, text/event-stream";

/// How long a message that nobody waits for may take.
const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a session is waited for when a server is disconnected.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection over Streamable HTTP.
#[derive(Debug)]
pub struct HttpConnection {
    address: Address,
    session: ArcSwap<Session>,
    ear: Ear,
    stream: Mutex<Option<JoinHandle<()>>>,
    closing: AtomicBool,
    looks_older: AtomicBool,
    own: Weak<Self>,
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
        let address = Address::new(url, headers)?;
        Ok(Arc::new_cyclic(|own| Self {
            address,
            session: ArcSwap::default(),
            ear: Ear::new(calls, Way::Http(own.clone())),
            stream: Mutex::new(None),
            closing: AtomicBool::new(false),
            looks_older: AtomicBool::new(false),
            own: own.clone(),
        }))
    }

    /// Takes note of the revision agreed on, which every later request names.
    pub fn agreed_on(&self, revision: Revision) {
        self.session.rcu(|session| Session {
            revision: Some(revision),
            ..Session::clone(session)
        });
    }

    /// Leaves a session that has expired: the next request is the `initialize` of another one.
    /// Calls in flight go on in the one they were made in.
    pub fn begin_anew(&self) {
        self.stop_listening();
        self.session.rcu(|session| session.next());
    }

    /// Returns how many sessions were left on this connection.
    pub fn renewals(&self) -> u64 {
        self.session.load().number
    }

    /// Begins to listen for what the server says by itself, if it does.
    pub fn listen(&self) {
        self.stop_listening();
        let session = self.session.load_full();
        let task = tokio::spawn(stream::listen(self.own.clone(), session));
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn stop_listening(&self) {
        let stream = self.stream.lock();
        if let Some(stream) = stream.unwrap_or_else(PoisonError::into_inner).take() {
            stream.abort();
        }
    }

    fn posting(&self, session: &Session, message: Bytes) -> Request<Full<Bytes>> {
        let mut request = self.address.post(message, ANSWERS, session.revision);
        session.name_in(&mut request);
        request
    }

    /// Sends one message of our own for which no answer is due.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn post(&self, message: Vec<u8>) -> Result<(), CallError> {
        let session = self.session.load_full();
        let answer = self.address.send(self.posting(&session, message.into()));
        let answer = answer.await?;
        let checked = self.check(&answer, &session);
        answer.into_body().let_go();
        checked
    }

    /// Looks at the head of an answer to what was sent in `session`.
    fn check(&self, answer: &Response<Body>, session: &Session) -> Result<(), CallError> {
        let Some(error) = refused(answer) else {
            return Ok(());
        };
        if session.number == 0 && session.revision.is_none() {
            let older = matches!(answer.status().as_u16(), 400 | 404 | 405);
            self.looks_older.store(older, Ordering::Relaxed);
        }
        if answer.status() == StatusCode::NOT_FOUND && session.id.is_some() {
            self.expired(session);
            return Err(CallError::SessionExpired);
        }
        Err(error)
    }

    /// Takes note that the server no longer knows a session.
    fn expired(&self, session: &Session) {
        if self.session.load().number == session.number && session.revision.is_some() {
            self.ear.signals.expire();
        }
    }

    /// Whether a server that answers 400 in a session has forgotten it, as some say it: it answers
    /// a ping there in the same way.
    async fn refuses_pings(&self, session: &Session) -> bool {
        let Ok(ticket) = self.ear.open(None) else {
            return false;
        };
        let ping = Outgoing::new("ping", "{}").render(ticket.id());
        let answer = self.address.send(self.posting(session, ping.into())).await;
        answer.is_ok_and(|answer| matches!(answer.status().as_u16(), 400 | 404))
    }

    /// See [`super::Connection::request`].
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let session = self.session.load_full();
        // Calls wait until another session is begun and what it offers is reviewed.
        let begun = session.revision.is_some() && !self.ear.signals.has_expired();
        if caller.is_some() && !begun {
            return Err(CallError::SessionExpired);
        }
        let ticket = self.ear.open(caller.clone())?;
        let cancel = CancelOnDrop::new(ticket.id(), caller, |message| {
            if !self.closing.load(Ordering::Relaxed) {
                self.post_later(message);
            }
        });
        // In place, where a second one would make every call larger.
        let mut exchange = pin!(self.exchange(request, ticket.id(), &session));
        let reply = tokio::select! {
            biased;
            reply = &mut exchange => reply,
            reply = ticket.reply() => reply,
        };
        cancel.disarm();
        if let Err(error) = &reply
            && error.ends_connection()
        {
            self.ear.signals.ended(cause(error));
        }
        reply
    }

    async fn exchange(
        &self,
        request: &Outgoing,
        id: u64,
        session: &Session,
    ) -> Result<Reply, CallError> {
        let body = Bytes::from(request.render(id));
        let answer = self.address.send(self.posting(session, body)).await?;
        match self.check(&answer, session) {
            Err(CallError::HttpStatus(400))
                if session.id.is_some() && Box::pin(self.refuses_pings(session)).await =>
            {
                self.expired(session);
                return Err(CallError::SessionExpired);
            }
            other => other?,
        }
        if let Some(named) = answer.headers().get(SESSION_ID)
            && session.id.as_ref() != Some(named)
        {
            self.session.rcu(|now| {
                let mut now = Session::clone(now);
                if now.number == session.number {
                    now.id = Some(named.clone());
                }
                now
            });
        }
        match Form::of(&answer)? {
            Form::Json => self.whole(answer.into_body(), id).await,
            // What reads a stream is large, and a call is not to be for the sake of those that have one.
            Form::Events => Box::pin(self.streamed(answer.into_body(), id, session)).await,
        }
    }

    async fn whole(&self, body: Body, id: u64) -> Result<Reply, CallError> {
        let envelope = message::read(body, &self.ear.company).await?;
        self.take(&envelope, id)?
            .ok_or_else(|| CallError::InvalidReply("no response".to_owned()))
    }

    /// Reads the answer to `id` from a stream of events. One that ends before is gone on with where
    /// the server says how, for as long as the caller waits.
    async fn streamed(&self, body: Body, id: u64, session: &Session) -> Result<Reply, CallError> {
        let mut events = Events::new(Some(body), &self.ear.company);
        let (mut pause, mut pace) = (Pause::default(), Pace::new());
        let mut since = Instant::now();
        loop {
            while let Some(mut event) = events.next().await.map_err(|_| CallError::TooLong)? {
                match event.message() {
                    Ok(envelope) => {
                        if envelope.kind() == Kind::Request {
                            pace.asked();
                        }
                        if let Some(reply) = self.take(&envelope, id)? {
                            events.let_go();
                            return Ok(reply);
                        }
                    }
                    Err(error) => {
                        self.ear.unreadable(&event.data, &error);
                    }
                }
                pace.heard(event.data.len());
                if pace.is_over() {
                    pace.rest().await;
                }
            }
            pause.ended(since.elapsed(), events.retry());
            // What is rare does not make every call larger.
            Box::pin(self.go_on(&mut events, &mut pause, session)).await?;
            since = Instant::now();
        }
    }

    /// Opens the stream again from where it broke off.
    async fn go_on(
        &self,
        events: &mut Events,
        pause: &mut Pause,
        session: &Session,
    ) -> Result<(), CallError> {
        // Without an id there is no place to go on from.
        let place = events.place().ok_or(CallError::ServerEnded)?;
        let mut named = events.retry();
        loop {
            sleep(pause.wait(named, fastrand::f64())).await;
            named = match self.open_stream(session, Some(&place)).await {
                Opened::Events(body) => {
                    events.go_on(body);
                    return Ok(());
                }
                Opened::Later(after) => after.or(events.retry()),
                // The server may have acted on the call before it forgot it.
                Opened::NotOffered | Opened::Expired => return Err(CallError::ServerEnded),
                Opened::Failed(CallError::ServerEnded) => events.retry(),
                Opened::Failed(CallError::Unreachable | CallError::Proxy(_)) => events.retry(),
                Opened::Failed(error) => return Err(error),
            };
            pause.failed();
        }
    }

    /// Acts on one message of a reply: the answer to `id` is returned, what else comes is passed on.
    fn take(&self, envelope: &Envelope, id: u64) -> Result<Option<Reply>, CallError> {
        match envelope.kind() {
            Kind::Result | Kind::Error if envelope.id_number() == Some(id) => {
                Ok(Reply::of(envelope))
            }
            Kind::Result | Kind::Error => Err(under_no_id()),
            Kind::Notification | Kind::Request => {
                self.ear.heard(envelope, Some(id));
                Ok(None)
            }
        }
    }

    /// Sends a message that nobody waits for.
    pub(super) fn post_later(&self, message: Vec<u8>) {
        if let Some(own) = self.own.upgrade() {
            // A server that is gone needs no word.
            tokio::spawn(async move { timeout(POST_TIMEOUT, own.post(message)).await });
        }
    }

    /// Ends the session at the server, and stops listening.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.stop_listening();
        let session = self.session.load_full();
        if session.id.is_some() && !self.ear.signals.has_expired() {
            let revision = session.revision;
            let mut request = self
                .address
                .request(Method::DELETE, Bytes::new(), "*/*", revision);
            session.name_in(&mut request);
            // A server that is gone, or knows no DELETE, has nothing to end.
            let _ = timeout(DELETE_TIMEOUT, self.address.send(request)).await;
        }
    }

    /// Whether the address refused to be initialized as one does that speaks HTTP+SSE only.
    pub fn looks_older(&self) -> bool {
        self.looks_older.load(Ordering::Relaxed)
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

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.stop_listening();
    }
}
