use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    availability::{Availability, held, not_back, wait_for},
    target::unknown,
};
use crate::{
    api::wire::DefinitionState,
    catalog::{Definition, DefinitionKind},
    mcp::{Refusal, refusal::Fault},
    server::ServerName,
    upstream::{Busy, CallError, Endpoint, Revocation},
    view::{Snapshot, View},
};

/// A server on the way to being asked for something.
pub(super) struct Reached<'a> {
    pub(super) view: &'a View,
    pub(super) server: &'a ServerName,
    /// What is asked for, where clients must be allowed to see it.
    pub(super) definition: Option<&'a (DefinitionKind, Arc<Definition>)>,
}

impl Reached<'_> {
    /// Returns what the server is reached by, after a wait if it is coming back. `gone` is an
    /// endpoint that turned out to be no more.
    pub(super) async fn endpoint(&self, gone: Option<&Endpoint>) -> Result<Endpoint, Refusal> {
        let view = self.view;
        if let Some(decided) = view.read(|now| self.decide(now, gone)) {
            return decided;
        }
        let name = self.server.as_str();
        let spec = view.read(|now| now.server(name).and_then(|entry| entry.desire.spec.clone()));
        let wait = spec.as_deref().map_or(Duration::ZERO, wait_for);
        let decided = timeout(wait, view.wait_for(|now| self.decide(now, gone))).await;
        decided.unwrap_or_else(|_| Err(not_back(name, wait)))
    }

    /// Decides by one snapshot whether the request is sent, refused, or waits (`None`): a server
    /// that came back with another form of what is asked for is not asked under the old one.
    fn decide(&self, now: &Snapshot, gone: Option<&Endpoint>) -> Option<Result<Endpoint, Refusal>> {
        let name = self.server.as_str();
        let Some(entry) = now.server(name) else {
            let kind = self.definition.map_or(DefinitionKind::Resource, |it| it.0);
            return Some(Err(unknown(kind, Some(name))));
        };
        match Availability::of(entry, gone) {
            Availability::Ready(endpoint) => {
                let Some((kind, definition)) = self.definition else {
                    return Some(Ok(endpoint));
                };
                let catalog = entry.catalog.as_ref();
                let item = catalog.and_then(|catalog| catalog.of(*kind).get(&definition.name));
                // One that is gone has changed.
                let state = item.map_or(DefinitionState::Changed, |item| item.state);
                Some(if state == DefinitionState::Offered {
                    Ok(endpoint)
                } else {
                    Err(held(name, *kind, state))
                })
            }
            Availability::Refused(refusal) => Some(Err(refusal)),
            Availability::Coming => None,
        }
    }
}

/// Returns what a client is told of a failed request. `repeatable`: asking again does no harm.
pub(super) fn refusal(server: &str, error: &CallError, repeatable: bool) -> Refusal {
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
        CallError::Overloaded {
            status,
            retry_after,
        } => {
            let remedy = "Try again when it says; ask it for less at once.";
            let mut refusal = of_server("server_busy", remedy);
            refusal.retry_after = *retry_after;
            // 429 is said instead of acting.
            unsafe_unless(repeatable || *status == 429, refusal)
        }
        CallError::NotConnected
        | CallError::NotOpened(_)
        | CallError::Unreachable
        | CallError::Proxy(_)
        | CallError::Untrusted(_)
        | CallError::SessionExpired => of_server("not_connected", "Try again in a moment."),
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
        CallError::Busy { why, retry_after } => {
            let remedy = match why {
                Busy::ServerFull | Busy::ServerLate => {
                    "Try again after `retry_after_ms`, or allow it more with \"maxConcurrent\" in its entry."
                }
                Busy::AllFull | Busy::AllLate => {
                    "Try again after `retry_after_ms`, or allow more with \"maxConcurrent\" beside \"mcpServers\"."
                }
            };
            let message = format!("server `{server}`: {error}");
            Refusal::of_server("busy", Fault::Narthex, server, message, remedy)
                .retry_after(*retry_after)
        }
        CallError::NotMcp => unsafe_unless(repeatable, of_server("not_mcp", "Check its address.")),
    }
}
