use std::{ops::Range, sync::Arc, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{
    Gateway,
    flights::{Ahead, Boarded, Flight},
    flying::Flying,
    links,
    owner::Owner,
    reach::{self, Reached},
    recording::AwaitedAll,
    respond,
    session::{Scope, Session},
    stream,
    tape::Tape,
    target::{Asked, Target, twice},
};
use crate::{
    mcp::{Envelope, Outgoing, Refusal, Spliced},
    metrics::Outcome,
    runtime::by_size,
    upstream::{CallError, Caller, Endpoint, Lease, Reply},
    view::View,
};

/// A request without an answer for this long is answered by an event stream, so that nobody between
/// takes the silence for a dead connection.
pub(super) const STREAM_AFTER: Duration = Duration::from_secs(10);

/// How often a client's own connection is opened anew, or a session that had expired begun anew, for
/// one request that did not reach the server.
const TRIES_MAX: usize = 2;

/// A request for a server on its way: everything that was found out before it is sent.
pub(super) struct Call {
    view: View,
    flight: Arc<Flight>,
    envelope: Envelope,
    asked: Asked,
    target: Target,
    token: Option<Range<usize>>,
    /// By when it must have its turn.
    deadline: Instant,
    /// Whether URIs in the answer may be called otherwise at the client's address.
    links: bool,
}

impl Gateway {
    /// Sends a request on.
    ///
    /// # Errors
    /// Its answer, where there is one without that.
    pub(super) fn fly(
        &self,
        session: &Arc<Session>,
        asked: Asked,
        envelope: Envelope,
        streams: Streams<'_>,
    ) -> Result<Flying, Spliced> {
        self.beat.call();
        let begun = Instant::now();
        let id = envelope.id();
        let merged = session.scope == Scope::All;
        let prepared = self.target(&session.scope, asked, &envelope);
        let prepared = prepared.and_then(|target| Ok((target, progress_token(&envelope)?)));
        let (target, token) = match prepared {
            Ok((target, _)) if !target.served => {
                let nothing = Bytes::from_static(br#"{"completion":{"values":[]}}"#);
                return Err(respond::result(&id, nothing));
            }
            Ok(prepared) => prepared,
            Err(refusal) => return Err(respond::refusal(&id, &refusal)),
        };
        let spelled = token.clone().map(|range| envelope.bytes().slice(range));
        let (takes_events, tape) = match streams {
            Streams::Never => (false, None),
            Streams::Own => (true, None),
            Streams::On(tape) => (true, Some(tape)),
        };
        let boarded = Boarded::new(Arc::clone(session), id.clone(), spelled, takes_events, tape);
        let (server, patience) = (target.server.clone(), target.patience);
        let call = Call {
            view: self.view.clone(),
            flight: Arc::clone(boarded.flight()),
            envelope,
            asked,
            links: merged && target.links,
            target,
            token,
            deadline: begun + patience,
        };
        let first_wait = match streams {
            Streams::Own => patience.min(STREAM_AFTER),
            Streams::Never | Streams::On(_) => patience,
        };
        Ok(Flying {
            server,
            answer: Box::pin(call.run(id.clone())),
            deadline: Box::pin(sleep_until(begun + first_wait)),
            patience,
            boarded,
            id,
            view: self.view.clone(),
        })
    }

    /// Answers a request that is sent on.
    pub(super) async fn answer(&self, session: Arc<Session>, mut flying: Flying) -> Response {
        let takes_events = flying.boarded.flight().streams();
        loop {
            tokio::select! {
                biased;
                // What came before the answer is told before it.
                ahead = flying.boarded.flight().ahead() => return match ahead {
                    Ahead::Notice => self.stream_of(session, flying),
                    Ahead::Cancelled => stream::nothing(),
                },
                answer = &mut flying.answer => return match flying.unless_first(answer) {
                    Some(answer) => respond::message(answer),
                    None => self.stream_of(session, flying),
                },
                () = &mut flying.deadline => {
                    if takes_events && flying.patience > STREAM_AFTER {
                        return self.stream_of(session, flying);
                    }
                    if !flying.goes_on() {
                        return respond::message(Spliced { pieces: vec![flying.time_out()] });
                    }
                }
            }
        }
    }

    fn stream_of(&self, session: Arc<Session>, mut flying: Flying) -> Response {
        flying.take_all_time(STREAM_AFTER);
        let tape = Arc::clone(flying.boarded.flight().tape());
        let mut awaited = AwaitedAll::default();
        awaited.push(flying.awaited());
        self.stream(session, &tape, Vec::new(), awaited)
    }
}

/// Where what is said because of a request goes.
#[derive(Clone, Copy)]
pub(super) enum Streams<'a> {
    /// The client takes no event stream for an answer.
    Never,
    /// On a stream of its own.
    Own,
    /// On this one, with other requests.
    On(&'a Arc<Tape>),
}

/// Returns where the request's progress token stands.
fn progress_token(envelope: &Envelope) -> Result<Option<Range<usize>>, Refusal> {
    let Some(meta) = envelope.field("_meta").map_err(twice)? else {
        return Ok(None);
    };
    envelope.field_of(meta, "progressToken").map_err(twice)
}

impl Call {
    /// Sends the request, again where that is safe, and returns the message to answer with.
    async fn run(self, id: Bytes) -> Spliced {
        let reply = self.reply().await;
        if reply.is_ok() {
            self.flight.answered();
        }
        match reply {
            Ok(reply) if self.links && reply.is_result => self.with_links(&reply, &id),
            Ok(reply) => reply.under(&id),
            Err(refusal) => Spliced {
                pieces: vec![refusal.response(&id)],
            },
        }
    }

    /// Returns the answer with the URIs in it as they are called at the client's address.
    fn with_links(&self, reply: &Reply, id: &Bytes) -> Spliced {
        let (server, payload) = (&self.target.server, reply.payload());
        // A search takes an eighth of the time of a scan.
        if !by_size(payload.len() / 8, || links::may_be_in(&payload)) {
            return reply.under(id);
        }
        let now = self.view.snapshot();
        let edits = by_size(payload.len(), || {
            links::edits(&payload, |uri| {
                let offered = now.offers.resources().offered(server, uri);
                (offered != uri).then(|| offered.into_owned())
            })
        });
        reply.edited(id, &edits)
    }

    async fn reply(&self) -> Result<Reply, Refusal> {
        let (server, repeatable) = (&self.target.server, self.target.repeatable());
        let definition = self.target.definition.as_ref();
        let mut gone: Option<Endpoint> = None;
        let (mut repeated, mut tries) = (false, 0);
        loop {
            let look = Reached {
                view: &self.view,
                server,
                definition,
            };
            let mut endpoint = look.endpoint(gone.as_ref()).await?;
            if endpoint.look_again_if_old().await {
                // What was offered a minute ago may be held by now.
                endpoint = look.endpoint(gone.as_ref()).await?;
            }
            let mut sent = false;
            match self.ask(&endpoint, &mut sent).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.left_undone() && self.again(&error, &endpoint, tries) => {
                    tries += 1;
                    gone = endpoint.is_over().then_some(endpoint);
                }
                Err(CallError::ServerEnded) if repeatable && !repeated => {
                    repeated = true;
                    gone = endpoint.is_over().then_some(endpoint);
                }
                Err(error) => {
                    let harmless = repeatable || !sent;
                    return Err(reach::refusal(server.as_str(), &error, harmless));
                }
            }
        }
    }

    /// Whether what did not get through to a server is sent to it again.
    fn again(&self, error: &CallError, endpoint: &Endpoint, tries: usize) -> bool {
        // Who forgets every session at once is not asked for ever.
        tries < TRIES_MAX || (endpoint.is_over() && *error != CallError::SessionExpired)
    }

    /// Asks a server when it is this call's turn. `sent` says whether it came to that.
    async fn ask(&self, endpoint: &Endpoint, sent: &mut bool) -> Result<Reply, CallError> {
        let session = self.flight.session();
        let patron = || Owner::patron(session, &self.target.server, &self.view);
        let lease = endpoint.lease_for(session.number, patron).await?;
        self.flight.count_dropped(|| lease.metrics().dropped());
        let started = Instant::now();
        let place = lease.place(session.number, self.deadline).await?;
        *sent = lease.is_open();
        let counted = (self.asked == Asked::Tool).then(|| Counted {
            lease: &lease,
            flight: &self.flight,
            started,
            outcome: Outcome::Cancelled,
        });
        let caller: Arc<dyn Caller> = self.flight.clone();
        let result = lease.send(&place, &self.outgoing(), Some(caller)).await;
        if let Some(counted) = counted {
            counted.came_out(&result);
        }
        result
    }

    fn outgoing(&self) -> Outgoing {
        // A request has an id.
        let id = self.envelope.id_range().unwrap_or_default();
        let mut outgoing = Outgoing::forward(self.envelope.bytes().clone(), id);
        if let Some((range, name)) = &self.target.rename {
            outgoing.replace(range.clone(), name.clone());
        }
        if let Some(token) = &self.token {
            outgoing.replace_by_id(token.clone());
        }
        outgoing
    }
}

/// Counts a call, even one that is dropped before its end.
struct Counted<'a> {
    lease: &'a Lease,
    flight: &'a Flight,
    started: Instant,
    outcome: Outcome,
}

impl Counted<'_> {
    fn came_out(mut self, result: &Result<Reply, CallError>) {
        self.outcome = match result {
            Ok(reply) if reply.is_result => Outcome::Succeeded,
            Ok(_) => Outcome::Error,
            Err(CallError::TimedOut) => Outcome::TimedOut,
            Err(CallError::ServerEnded | CallError::Revoked(_) | CallError::NotConnected) => {
                Outcome::Ended
            }
            Err(
                CallError::SessionExpired
                | CallError::NotReading
                | CallError::InvalidReply(_)
                | CallError::TooLong
                | CallError::HttpStatus(_)
                | CallError::Redirected
                | CallError::SignInNeeded
                | CallError::NotMcp
                | CallError::NotOpened(_)
                | CallError::Unreachable
                | CallError::Proxy(_)
                | CallError::Untrusted(_)
                | CallError::Overloaded { .. }
                | CallError::Busy { .. },
            ) => Outcome::Failed,
        };
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let outcome = if self.outcome == Outcome::Cancelled && self.flight.has_timed_out() {
            Outcome::TimedOut
        } else {
            self.outcome
        };
        self.lease
            .metrics()
            .came_out(outcome, self.started.elapsed());
    }
}
