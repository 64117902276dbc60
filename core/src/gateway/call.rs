use std::{ops::Range, sync::Arc, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    Gateway,
    availability::{Availability, not_back, wait_for},
    flights::{Boarded, Flight},
    flying::{Flying, next_notice},
    respond,
    session::{Held, Scope},
    stream,
};
use crate::{
    api::wire::DefinitionState,
    catalog::Definition,
    mcp::{Envelope, Outgoing, Refusal, Spliced, json, refusal::Fault},
    metrics::Outcome,
    server::ServerName,
    upstream::{CallError, Endpoint, Lease, Notices, Reply, Revocation},
    view::{Snapshot, View},
};

/// Progress under way to one client; what it has no room for is dropped.
const NOTICES: usize = 64;

/// A call without an answer for this long is answered by an event stream, so that nobody between
/// takes the silence for a dead connection.
pub(super) const STREAM_AFTER: Duration = Duration::from_secs(10);

/// A tool call on its way: everything that was found out before it is sent.
pub(super) struct Call {
    view: View,
    flight: Arc<Flight>,
    envelope: Envelope,
    server: ServerName,
    tool: Arc<Definition>,
    /// Where the tool's name stands, and what it is called upstream, if that differs.
    rename: Option<(Range<usize>, Bytes)>,
    token: Option<Range<usize>>,
    notices: Option<mpsc::Sender<Bytes>>,
}

impl Gateway {
    /// Passes a tool call through.
    pub(super) async fn call(
        &self,
        session: Held,
        envelope: Envelope,
        takes_events: bool,
    ) -> Response {
        self.beat.call();
        let id = envelope.id();
        let boarded = Boarded::new(session, id.clone());
        let (call, patience, notices) = match self.prepare(&boarded, envelope, takes_events) {
            Ok(prepared) => prepared,
            Err(refusal) => return respond::refusal(&id, &refusal),
        };
        let first_wait = if takes_events {
            patience.min(STREAM_AFTER)
        } else {
            patience
        };
        let mut flying = Flying {
            server: call.server.clone(),
            answer: Box::pin(call.run(id.clone())),
            notices,
            deadline: Box::pin(sleep(first_wait)),
            patience,
            boarded,
            id,
        };
        tokio::select! {
            biased;
            answer = &mut flying.answer => respond::message(answer),
            Some(notice) = next_notice(&mut flying.notices) => stream::events(flying, Some(notice)),
            () = flying.boarded.cancelled() => stream::nothing(),
            () = &mut flying.deadline => {
                if takes_events && patience > STREAM_AFTER {
                    let left = patience - STREAM_AFTER;
                    flying.deadline.as_mut().reset(Instant::now() + left);
                    return stream::events(flying, None);
                }
                respond::message(Spliced { pieces: vec![flying.time_out()] })
            }
        }
    }

    fn prepare(
        &self,
        boarded: &Boarded<Held>,
        envelope: Envelope,
        takes_events: bool,
    ) -> Result<(Call, Duration, Option<mpsc::Receiver<Bytes>>), Refusal> {
        let invalid = |message: &str| {
            Refusal::of_message(-32602, "invalid_params", message, "Name the tool to call.")
        };
        let twice = |error: crate::mcp::InvalidEnvelope| invalid(&error.to_string());
        let name_range = envelope
            .field("name")
            .map_err(twice)?
            .ok_or_else(|| invalid("no tool is named"))?;
        let meta = envelope.field("_meta").map_err(twice)?;
        let token = match meta {
            Some(meta) => envelope.field_of(meta, "progressToken").map_err(twice)?,
            None => None,
        };
        let name = json::decode(&envelope.bytes()[name_range.clone()])
            .ok_or_else(|| invalid("the name is no text"))?;
        let (server, tool, patience) = self.resolve(&boarded.session().0.scope, &name)?;
        let rename = (tool.name != name).then(|| {
            let quoted = serde_json::to_vec(&tool.name).expect("a text encodes");
            (name_range, Bytes::from(quoted))
        });
        let (sender, receiver) = match token.is_some() && takes_events {
            true => {
                let (sender, receiver) = mpsc::channel(NOTICES);
                (Some(sender), Some(receiver))
            }
            false => (None, None),
        };
        let call = Call {
            view: self.view.clone(),
            flight: boarded.flight(),
            envelope,
            server,
            tool,
            rename,
            token,
            notices: sender,
        };
        Ok((call, patience, receiver))
    }

    /// Returns the server and the definition that a name leads to, if clients may see it, and how
    /// long its calls may take.
    fn resolve(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<(ServerName, Arc<Definition>, Duration), Refusal> {
        self.view.read(|now| {
            let (server, tool) = match scope {
                Scope::All => {
                    let route = now
                        .offers
                        .built()
                        .route(name)
                        .ok_or_else(|| no_such_tool(None))?;
                    (&route.server, &route.tool)
                }
                Scope::Server(server) => {
                    let catalog = now
                        .server(server.as_str())
                        .and_then(|entry| entry.catalog.as_ref());
                    let tool = catalog.and_then(|catalog| catalog.tool(name));
                    // Of a server that may not be seen, that comes first.
                    let Some(tool) = tool else {
                        let entry = now.server(server.as_str());
                        return Err(match entry.map(|entry| Availability::of(entry, None)) {
                            Some(Availability::Refused(refusal)) => refusal,
                            Some(Availability::Ready(_) | Availability::Coming) | None => {
                                no_such_tool(Some(server.as_str()))
                            }
                        });
                    };
                    (server, tool)
                }
            };
            let entry = now
                .server(server.as_str())
                .ok_or_else(|| no_such_tool(Some(server.as_str())))?;
            if let Availability::Refused(refusal) = Availability::of(entry, None) {
                return Err(refusal);
            }
            if tool.state != DefinitionState::Offered {
                return Err(held(server.as_str(), tool.state));
            }
            let patience = entry
                .desire
                .spec
                .as_ref()
                .map_or(Duration::ZERO, |spec| spec.call_timeout);
            Ok((server.clone(), Arc::clone(&tool.definition), patience))
        })
    }
}

impl Call {
    /// Sends the call, again where that is safe, and returns the message to answer with.
    async fn run(self, id: Bytes) -> Spliced {
        match self.reply().await {
            Ok(reply) => reply.under(&id),
            Err(refusal) => Spliced {
                pieces: vec![refusal.response(&id)],
            },
        }
    }

    async fn reply(&self) -> Result<Reply, Refusal> {
        let mut gone: Option<Endpoint> = None;
        let mut repeated = false;
        loop {
            let mut endpoint = self.endpoint(gone.as_ref()).await?;
            if endpoint.look_again_if_old().await {
                // What was offered a minute ago may be held by now.
                endpoint = self.endpoint(gone.as_ref()).await?;
            }
            let lease = endpoint.lease();
            let started = Instant::now();
            let counted = Counted {
                lease: &lease,
                flight: &self.flight,
                started,
                outcome: Outcome::Cancelled,
            };
            let result = lease.request(&self.outgoing(), self.notices(&lease)).await;
            counted.came_out(&result);
            match result {
                Ok(reply) => return Ok(reply),
                Err(
                    CallError::NotConnected | CallError::Unreachable | CallError::SessionExpired,
                ) => {
                    // The server never acted on it.
                    gone = Some(endpoint);
                }
                Err(CallError::ServerEnded) if self.tool.repeatable && !repeated => {
                    repeated = true;
                    gone = Some(endpoint);
                }
                Err(error) => {
                    return Err(refusal(self.server.as_str(), &error, self.tool.repeatable));
                }
            }
        }
    }

    /// Returns what the server is reached by, after a wait if it is coming back. `gone` is an
    /// endpoint that turned out to be no more.
    async fn endpoint(&self, gone: Option<&Endpoint>) -> Result<Endpoint, Refusal> {
        let view = &self.view;
        if let Some(decided) = view.read(|now| self.decide(now, gone)) {
            return decided;
        }
        let name = self.server.as_str();
        let spec = view.read(|now| now.server(name).and_then(|entry| entry.desire.spec.clone()));
        let wait = spec.as_deref().map_or(Duration::ZERO, wait_for);
        let decided = timeout(wait, view.wait_for(|now| self.decide(now, gone))).await;
        decided.unwrap_or_else(|_| Err(not_back(name, wait)))
    }

    /// Decides by one snapshot whether the call is sent, refused, or waits (`None`): a server that
    /// came back with another form of the tool is not called under the old one.
    fn decide(&self, now: &Snapshot, gone: Option<&Endpoint>) -> Option<Result<Endpoint, Refusal>> {
        let name = self.server.as_str();
        let Some(entry) = now.server(name) else {
            return Some(Err(no_such_tool(Some(name))));
        };
        match Availability::of(entry, gone) {
            Availability::Ready(endpoint) => {
                let tool = entry
                    .catalog
                    .as_ref()
                    .and_then(|catalog| catalog.tool(&self.tool.name));
                // One that is gone has changed.
                let state = tool.map_or(DefinitionState::Changed, |tool| tool.state);
                Some(if state == DefinitionState::Offered {
                    Ok(endpoint)
                } else {
                    Err(held(name, state))
                })
            }
            Availability::Refused(refusal) => Some(Err(refusal)),
            Availability::Coming => None,
        }
    }

    fn outgoing(&self) -> Outgoing {
        // A request has an id.
        let id = self.envelope.id_range().unwrap_or_default();
        let mut outgoing = Outgoing::forward(self.envelope.bytes().clone(), id);
        if let Some((range, name)) = &self.rename {
            outgoing.replace(range.clone(), name.clone());
        }
        if let Some(token) = &self.token {
            outgoing.replace_by_id(token.clone());
        }
        outgoing
    }

    fn notices(&self, lease: &Lease) -> Option<Notices> {
        let to = self.notices.clone()?;
        let token = self
            .token
            .clone()
            .map(|range| self.envelope.bytes().slice(range));
        Some(Notices {
            to,
            token,
            dropped: lease.metrics().dropped(),
        })
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
                | CallError::Unreachable,
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

fn no_such_tool(server: Option<&str>) -> Refusal {
    let remedy = "List the tools again: they may have changed.";
    let mut refusal = Refusal::of_message(
        -32602,
        "unknown_tool",
        "no tool of this name is offered",
        remedy,
    );
    refusal.server = server.map(ToOwned::to_owned);
    refusal
}

fn held(server: &str, state: DefinitionState) -> Refusal {
    let message = match state {
        DefinitionState::New => format!("server `{server}`: nobody has reviewed this tool yet"),
        DefinitionState::Changed | DefinitionState::Offered => {
            format!("server `{server}` has changed this tool, and nobody has reviewed it")
        }
    };
    Refusal::of_server(
        "held",
        Fault::Person,
        server,
        message,
        format!("Review it: narthex approve {server}"),
    )
}

/// Returns what a client is told of a failed call. `repeatable`: calling again does no harm.
fn refusal(server: &str, error: &CallError, repeatable: bool) -> Refusal {
    let of_server = |kind, remedy: &str| {
        Refusal::of_server(
            kind,
            Fault::Server,
            server,
            format!("server `{server}`: {error}"),
            remedy,
        )
    };
    let unsafe_unless = |safe: bool, refusal: Refusal| {
        if safe {
            refusal
        } else {
            refusal.retry_unsafe()
        }
    };
    match error {
        CallError::ServerEnded => {
            let remedy = "It is started again. Check what the call did before you repeat it.";
            unsafe_unless(repeatable, of_server("server_ended", remedy))
        }
        CallError::Revoked(why) => {
            let kind = match why {
                Revocation::Quarantined => "in_quarantine",
                Revocation::Disconnected => "disconnected",
            };
            let remedy = "A person decided so; ask them.";
            let message = format!("server `{server}`: {error}");
            unsafe_unless(
                repeatable,
                Refusal::of_server(kind, Fault::Person, server, message, remedy),
            )
        }
        CallError::NotConnected | CallError::Unreachable | CallError::SessionExpired => {
            of_server("not_connected", "Try again in a moment.")
        }
        CallError::TimedOut => unsafe_unless(
            repeatable,
            of_server("timed_out", "Give its calls more time."),
        ),
        CallError::NotReading => {
            of_server("not_reading", "Restart it: it no longer reads its input.")
        }
        CallError::InvalidReply(_) => {
            unsafe_unless(repeatable, of_server("invalid_reply", "Look at its log."))
        }
        CallError::TooLong => unsafe_unless(
            repeatable,
            of_server("reply_too_long", "Ask it for less at once."),
        ),
        CallError::HttpStatus(_) => {
            unsafe_unless(repeatable, of_server("http_status", "Look at its log."))
        }
        CallError::Redirected => of_server("redirected", "Put the right address in its entry."),
        CallError::SignInNeeded => of_server("sign_in_needed", "Sign in to it from Narthex."),
        CallError::NotMcp => unsafe_unless(repeatable, of_server("not_mcp", "Check its address.")),
    }
}
