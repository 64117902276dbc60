//! What a client wants to hear beyond its calls: resources that it follows, and log messages.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Gateway,
    level::Level,
    owner::Owner,
    reach::{self, Reached},
    respond,
    session::Session,
    standing::{SUBSCRIPTIONS_MAX, too_many},
    target::Asked,
};
use crate::{
    mcp::{Envelope, Outgoing, Refusal, Spliced},
    server::ServerName,
    upstream::{CallError, Reply},
};

impl Gateway {
    /// Subscribes to a resource, or ends that.
    pub(super) async fn follow(
        &self,
        session: &Arc<Session>,
        envelope: &Envelope,
        on: bool,
    ) -> Spliced {
        let id = envelope.id();
        match self.try_follow(session, envelope, on).await {
            Ok(Some(reply)) => reply.under(&id),
            Ok(None) => respond::result(&id, Bytes::from_static(b"{}")),
            Err(refusal) => respond::refusal(&id, &refusal),
        }
    }

    async fn try_follow(
        &self,
        session: &Arc<Session>,
        envelope: &Envelope,
        on: bool,
    ) -> Result<Option<Reply>, Refusal> {
        let target = self.target(&session.scope, Asked::Resource, envelope)?;
        // A resource was found by its URI, and a request has an id.
        let spelled = envelope.field("uri").ok().flatten().unwrap_or_default();
        let spelled = Bytes::copy_from_slice(&envelope.bytes()[spelled]);
        let body = envelope.bytes().clone();
        let mut request = Outgoing::forward(body, envelope.id_range().unwrap_or_default());
        if let Some((range, own)) = target.rename {
            request.replace(range, own);
        }
        let (server, uri) = (&target.server, target.uri.unwrap_or_default());
        let alone = self.follow_alone(session, server, &uri, &request, on).await;
        if let Some(answer) = alone {
            return answer.map(Some);
        }
        let followed = self
            .standing
            .follow(session, server, uri, spelled, request, on);
        followed.await
    }

    /// Takes note of how grave a log message must be for a session.
    pub(super) fn set_level(&self, session: &Arc<Session>, envelope: &Envelope) -> Spliced {
        let id = envelope.id();
        let Some(level) = Level::of(envelope) else {
            let remedy =
                "Send one of debug, info, notice, warning, error, critical, alert, emergency.";
            let message = "the level is none";
            let refusal = Refusal::of_message(-32602, "invalid_params", message, remedy);
            return respond::refusal(&id, &refusal);
        };
        self.standing.set_level(session, level);
        for endpoint in self.endpoints(&session.scope) {
            endpoint.tell_level(session.number, level.as_str());
        }
        respond::result(&id, Bytes::from_static(b"{}"))
    }

    /// Subscribes on the session's own connection, where the server gives each client one.
    async fn follow_alone(
        &self,
        session: &Arc<Session>,
        server: &ServerName,
        uri: &str,
        request: &Outgoing,
        on: bool,
    ) -> Option<Result<Reply, Refusal>> {
        let look = Reached {
            view: &self.view,
            server,
            definition: None,
        };
        let endpoint = match look.endpoint(None).await {
            Ok(endpoint) if endpoint.is_shared() => return None,
            Ok(endpoint) => endpoint,
            Err(refusal) => return Some(Err(refusal)),
        };
        if on && endpoint.followed(session.number) >= SUBSCRIPTIONS_MAX {
            return Some(Err(too_many()));
        }
        let patron = || Owner::patron(session, server, &self.view);
        let asked = async {
            let lease = endpoint.lease_for(session.number, patron).await?;
            let reply = lease.request(request, None).await?;
            if reply.is_result {
                endpoint.follows(session.number, uri, on);
            }
            Ok(reply)
        };
        let answer: Result<Reply, CallError> = asked.await;
        Some(answer.map_err(|error| reach::refusal(server.as_str(), &error, true)))
    }
}
