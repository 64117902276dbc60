use std::sync::{Arc, atomic::Ordering};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    Gateway, body,
    call::Streams,
    capabilities::Capabilities,
    flying::Flying,
    hello::hello,
    questions::Answered,
    respond,
    session::{Opening, Scope, Session},
    sessions::Begun,
    target::Asked,
};
use crate::{
    catalog::{DefinitionKind, Features, list_result},
    mcp::{Envelope, InvalidEnvelope, Kind, Refusal, Revision, Spliced, json, media},
    runtime::by_size,
    upstream::Endpoint,
    view::{Snapshot, Subject},
};

/// The standard codes of JSON-RPC.
pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;

impl Gateway {
    /// Takes one message of a client, or a batch of them.
    pub(super) async fn post(&self, client: Arc<str>, scope: Scope, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = match body::read(&parts.headers, body).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        let envelope = match by_size(body.len(), || Envelope::parse(body.clone())) {
            Ok(envelope) => envelope,
            Err(InvalidEnvelope::Batch) => {
                return self.batch(&parts.headers, &client, &scope, body).await;
            }
            Err(error) => {
                let refusal = malformed(&error);
                return respond::refused(StatusCode::BAD_REQUEST, b"null", &refusal);
            }
        };
        if envelope.kind() == Kind::Request && envelope.method() == "initialize" {
            return self.initialize(client, scope, &envelope);
        }
        let session = match self.session(&parts.headers, &client, &scope, &envelope.id()) {
            Ok(session) => session,
            Err(response) => return response,
        };
        match envelope.kind() {
            Kind::Request => {
                let streams = if takes_events(&parts.headers) {
                    Streams::Own
                } else {
                    Streams::Never
                };
                match self.take(&session, envelope, streams) {
                    Taken::Answered(answer) => respond::message(answer),
                    Taken::Later(answer) => respond::message(answer.await),
                    Taken::Flying(flying) => self.answer(session, flying).await,
                }
            }
            Kind::Notification => {
                self.notified(&session, &envelope);
                respond::accepted()
            }
            Kind::Result | Kind::Error => match session.answered(&envelope) {
                Answered::Taken | Answered::Late => respond::accepted(),
                Answered::Unknown => {
                    let refusal = unknown_question();
                    respond::refused(StatusCode::BAD_REQUEST, &envelope.id(), &refusal)
                }
            },
        }
    }

    /// Returns the session that a request names; `id` is the message's, for the refusal.
    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    pub(super) fn session(
        &self,
        headers: &HeaderMap,
        client: &str,
        scope: &Scope,
        id: &[u8],
    ) -> Result<Arc<Session>, Response> {
        let Some(session) = headers
            .get("mcp-session-id")
            .and_then(|value| value.to_str().ok())
        else {
            let refusal = Refusal::of_message(
                INVALID_REQUEST,
                "no_session",
                "no Mcp-Session-Id header: the session is not initialized",
                "Initialize first, and send the session's id with every request.",
            );
            return Err(respond::refused(StatusCode::BAD_REQUEST, id, &refusal));
        };
        let session = self
            .sessions
            .find(session, client, scope)
            .ok_or_else(|| respond::no_session(id))?;
        match headers
            .get("mcp-protocol-version")
            .map(|value| value.to_str().ok().and_then(Revision::of))
        {
            Some(None) => {
                let known = Revision::ALL.map(Revision::as_str).join(", ");
                let refusal = Refusal::of_message(
                    INVALID_REQUEST,
                    "unsupported_revision",
                    "the MCP-Protocol-Version header names a revision that is not supported",
                    format!("Send the one agreed on; supported are {known}."),
                );
                Err(respond::refused(StatusCode::BAD_REQUEST, id, &refusal))
            }
            Some(Some(_)) | None => Ok(session),
        }
    }

    fn initialize(&self, client: Arc<str>, scope: Scope, envelope: &Envelope) -> Response {
        let id = envelope.id();
        let asked = envelope.field("protocolVersion").ok().flatten();
        let asked = asked.and_then(|range| json::decode(&envelope.bytes()[range]));
        let revision = asked
            .as_deref()
            .and_then(Revision::of)
            .unwrap_or(Revision::LATEST);
        let (features, instructions) = self.features(&scope);
        let capabilities = Capabilities::of(envelope);
        let hello = hello(envelope, revision);
        let begun = self.sessions.begin(Opening {
            client,
            scope,
            revision,
            capabilities,
            hello,
        });
        let Some(Begun { session, gone }) = begun else {
            let refusal = Refusal::of_message(
                -32603,
                "no_random_bytes",
                "no session id could be made",
                "Try again.",
            );
            return respond::refused(StatusCode::INTERNAL_SERVER_ERROR, &id, &refusal);
        };
        if let Some(gone) = gone {
            tracing::debug!(client = %gone.client, session = ?gone.id, "session forgotten for another");
            self.gone(&gone);
        }
        tracing::info!(client = %session.client, session = ?session.id, %revision, "session began");
        let mut result = format!(
            r#"{{"protocolVersion":"{revision}","capabilities":{},"serverInfo":{{"name":"narthex","title":"Narthex","version":"{}"}}"#,
            features.declared(),
            env!("CARGO_PKG_VERSION"),
        )
        .into_bytes();
        if let Some(instructions) = instructions {
            result.extend_from_slice(br#","instructions":"#);
            result.extend_from_slice(&instructions);
        }
        result.push(b'}');
        respond::initialized(&session, &id, result.into())
    }

    /// Returns what is declared at an address, and for that of one server the instructions that a
    /// person has approved. What one server has is known; what all of them will have while a session
    /// lasts is not, and Narthex can serve everything.
    fn features(&self, scope: &Scope) -> (Features, Option<Bytes>) {
        let Scope::Server(server) = scope else {
            return (Features::ALL, None);
        };
        self.view.read(|now| {
            let entry = now.server(server.as_str());
            let Some(entry) = entry.filter(|entry| entry.is_listed()) else {
                return (Features::ALL, None);
            };
            let catalog = entry.catalog.as_ref();
            catalog.map_or((Features::ALL, None), |catalog| {
                let instructions = catalog.instructions.as_ref();
                let instructions = instructions.map(|text| text.raw.clone());
                (catalog.features, instructions)
            })
        })
    }

    /// Takes a request within a session.
    pub(super) fn take(
        &self,
        session: &Arc<Session>,
        envelope: Envelope,
        streams: Streams<'_>,
    ) -> Taken {
        let id = envelope.id();
        let list = |kind| Taken::Answered(respond::result_of(&id, self.list(session, kind)));
        let asked = match envelope.method() {
            "tools/call" => Asked::Tool,
            "prompts/get" => Asked::Prompt,
            "resources/read" => Asked::Resource,
            "completion/complete" => Asked::Completion,
            "tools/list" => return list(DefinitionKind::Tool),
            "prompts/list" => return list(DefinitionKind::Prompt),
            "resources/list" => return list(DefinitionKind::Resource),
            "resources/templates/list" => return list(DefinitionKind::Template),
            "resources/subscribe" => return self.followed(session, envelope, true),
            "resources/unsubscribe" => return self.followed(session, envelope, false),
            "logging/setLevel" => return Taken::Answered(self.set_level(session, &envelope)),
            "ping" => return Taken::Answered(respond::result(&id, Bytes::from_static(b"{}"))),
            _ => {
                let refusal = Refusal::of_message(
                    METHOD_NOT_FOUND,
                    "method_not_found",
                    "this method is not offered",
                    "Use what the answer to initialize declares.",
                );
                return Taken::Answered(respond::refusal(&id, &refusal));
            }
        };
        match self.fly(session, asked, envelope, streams) {
            Ok(flying) => Taken::Flying(flying),
            Err(answer) => Taken::Answered(answer),
        }
    }

    fn followed(&self, session: &Arc<Session>, envelope: Envelope, on: bool) -> Taken {
        let (gateway, session) = (self.clone(), Arc::clone(session));
        Taken::Later(Box::pin(async move {
            gateway.follow(&session, &envelope, on).await
        }))
    }

    /// Returns the result of a list, in pieces, from bytes that were made once.
    fn list(&self, session: &Session, kind: DefinitionKind) -> Vec<Bytes> {
        let subject = match kind {
            DefinitionKind::Tool => Subject::Tools,
            DefinitionKind::Prompt => Subject::Prompts,
            DefinitionKind::Template | DefinitionKind::Resource => Subject::Resources,
        };
        self.view.read(|now| {
            if subject == Subject::Resources {
                refresh(now, &session.scope);
            }
            session.listed[subject as usize]
                .store(session.scope.listed(subject, now), Ordering::Relaxed);
            match (&session.scope, kind) {
                (Scope::All, DefinitionKind::Tool) => now.offers.tools().list.clone(),
                (Scope::All, DefinitionKind::Prompt) => now.offers.prompts().list.clone(),
                (Scope::All, DefinitionKind::Template) => {
                    vec![now.offers.resources().templates.clone()]
                }
                (Scope::All, DefinitionKind::Resource) => {
                    vec![now.offers.resources().resources.clone()]
                }
                (Scope::Server(server), _) => {
                    let entry = now
                        .server(server.as_str())
                        .filter(|entry| entry.is_listed());
                    let catalog = entry.and_then(|entry| entry.catalog.as_ref());
                    vec![catalog.map_or_else(
                        || list_result(kind, std::iter::empty()),
                        |catalog| catalog.of(kind).own_list(),
                    )]
                }
            }
        })
    }

    /// Returns what the servers of an address are reached by.
    pub(super) fn endpoints(&self, scope: &Scope) -> Vec<Endpoint> {
        self.view.read(|now| {
            let entries = now.servers.values();
            let of_scope = entries.filter(|entry| scope.holds(&entry.name));
            of_scope
                .filter_map(|entry| entry.endpoint().cloned())
                .collect()
        })
    }

    /// Takes a notification of a client.
    pub(super) fn notified(&self, session: &Session, envelope: &Envelope) {
        match envelope.method() {
            "notifications/cancelled" => {
                if let Ok(Some(id)) = envelope.field("requestId") {
                    session.cancel(&envelope.bytes()[id], envelope);
                }
            }
            "notifications/progress" => session.answering(envelope),
            "notifications/roots/list_changed" => {
                // Roots are declared on connections of a client's own alone.
                for endpoint in self.endpoints(&session.scope) {
                    endpoint.tell(session.number, envelope.bytes());
                }
            }
            _ => {}
        }
    }

    /// Ends a session.
    pub(super) fn delete(&self, client: &str, scope: &Scope, request: &Request) -> Response {
        match self.session(request.headers(), client, scope, b"null") {
            Ok(session) => {
                self.sessions.forget(&session);
                self.gone(&session);
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(response) => response,
        }
    }
}

/// What becomes of a request.
pub(super) enum Taken {
    /// It is answered already.
    Answered(Spliced),
    /// It is answered without a word before that.
    Later(BoxFuture<'static, Spliced>),
    /// It is sent on.
    Flying(Flying),
}

/// Has old lists read again: resources come and go, and few servers say so. Nobody waits for it;
/// a client that listens is told of what changed.
fn refresh(now: &Snapshot, scope: &Scope) {
    let servers = now.servers.values();
    for entry in servers.filter(|entry| scope.holds(&entry.name) && entry.is_listed()) {
        if let Some(endpoint) = entry.endpoint() {
            endpoint.refresh_if_old();
        }
    }
}

/// Refuses an answer to what nobody ever asked this client.
pub(super) fn unknown_question() -> Refusal {
    Refusal::of_message(
        INVALID_REQUEST,
        "unknown_question",
        "nothing was asked of this session under this id",
        "Answer under the id that the request came with.",
    )
}

/// Whether the client takes an event stream for an answer.
pub(super) fn takes_events(headers: &HeaderMap) -> bool {
    media::takes(headers.get_all(header::ACCEPT), media::EVENT_STREAM)
}

/// Refuses what is no message.
pub(super) fn malformed(error: &InvalidEnvelope) -> Refusal {
    let (code, kind) = match error {
        InvalidEnvelope::Json(_) | InvalidEnvelope::Utf8(_) | InvalidEnvelope::Trailing(_) => {
            (PARSE_ERROR, "parse_error")
        }
        InvalidEnvelope::Batch => (INVALID_REQUEST, "batch"),
        InvalidEnvelope::Twice(_) | InvalidEnvelope::WrongType(_) | InvalidEnvelope::NoMessage => {
            (INVALID_REQUEST, "invalid_request")
        }
    };
    Refusal::of_message(
        code,
        kind,
        error.to_string(),
        "Send one JSON-RPC 2.0 message.",
    )
}
