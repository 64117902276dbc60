use std::sync::{Arc, atomic::Ordering};

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

use super::{
    Gateway, respond,
    session::{Held, Scope, Session},
};
use crate::{
    mcp::{CLIENT_MESSAGE_BYTES_MAX, Envelope, InvalidEnvelope, Kind, Refusal, Revision, json},
    runtime::by_size,
};

/// The standard codes of JSON-RPC.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;

impl Gateway {
    /// Takes one message of a client.
    pub(super) async fn post(&self, client: Arc<str>, scope: Scope, request: Request) -> Response {
        if !is_json(request.headers()) {
            return not_json();
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, CLIENT_MESSAGE_BYTES_MAX).await else {
            return too_large();
        };
        let envelope = match by_size(body.len(), || Envelope::parse(body)) {
            Ok(envelope) => envelope,
            Err(error) => return malformed(&error),
        };
        if envelope.kind() == Kind::Request && envelope.method() == "initialize" {
            return self.initialize(client, scope, &envelope);
        }
        let session = match self.session(&parts.headers, &client, &scope, &envelope) {
            Ok(session) => session,
            Err(response) => return response,
        };
        match envelope.kind() {
            Kind::Request => {
                self.request(session, envelope, takes_events(&parts.headers))
                    .await
            }
            Kind::Notification => {
                notified(&session, &envelope);
                respond::accepted()
            }
            // Nothing was asked of this client.
            Kind::Result | Kind::Error => respond::accepted(),
        }
    }

    #[expect(clippy::result_large_err, reason = "the error is the response itself")]
    fn session(
        &self,
        headers: &HeaderMap,
        client: &str,
        scope: &Scope,
        envelope: &Envelope,
    ) -> Result<Arc<Session>, Response> {
        let id = envelope.id();
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
            return Err(respond::refused(StatusCode::BAD_REQUEST, &id, &refusal));
        };
        let session = self
            .sessions
            .find(session, client, scope)
            .ok_or_else(|| respond::no_session(&id))?;
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
                Err(respond::refused(StatusCode::BAD_REQUEST, &id, &refusal))
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
        let instructions = self.instructions(&scope);
        let Some(session) = self.sessions.begin(client, scope) else {
            let refusal = Refusal::of_message(
                -32603,
                "no_random_bytes",
                "no session id could be made",
                "Try again.",
            );
            return respond::refused(StatusCode::INTERNAL_SERVER_ERROR, &id, &refusal);
        };
        tracing::info!(client = %session.client, session = ?session.id, %revision, "session began");
        let mut result = format!(
            r#"{{"protocolVersion":"{revision}","capabilities":{{"tools":{{"listChanged":true}}}},"serverInfo":{{"name":"narthex","title":"Narthex","version":"{}"}}"#,
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

    /// Returns the instructions that a person has approved, for the address of one server.
    fn instructions(&self, scope: &Scope) -> Option<Bytes> {
        let Scope::Server(server) = scope else {
            return None;
        };
        self.view.read(|now| {
            let entry = now
                .server(server.as_str())
                .filter(|entry| entry.is_listed())?;
            Some(entry.catalog.as_ref()?.instructions.as_ref()?.raw.clone())
        })
    }

    async fn request(
        &self,
        session: Arc<Session>,
        envelope: Envelope,
        takes_events: bool,
    ) -> Response {
        let id = envelope.id();
        match envelope.method() {
            "tools/call" => self.call(Held(session), envelope, takes_events).await,
            "tools/list" => respond::result(&id, self.list(&session)),
            "ping" => respond::result(&id, Bytes::from_static(b"{}")),
            _ => {
                let refusal = Refusal::of_message(
                    METHOD_NOT_FOUND,
                    "method_not_found",
                    "this method is not offered",
                    "Use what the answer to initialize declares.",
                );
                respond::refusal(&id, &refusal)
            }
        }
    }

    /// Returns the result of `tools/list`, from bytes that were made once.
    fn list(&self, session: &Session) -> Bytes {
        self.view.read(|now| {
            session
                .listed
                .store(session.scope.listed(now), Ordering::Relaxed);
            match &session.scope {
                Scope::All => now.offers.built().list.clone(),
                Scope::Server(server) => {
                    let entry = now
                        .server(server.as_str())
                        .filter(|entry| entry.is_listed());
                    let catalog = entry.and_then(|entry| entry.catalog.as_ref());
                    catalog.map_or(Bytes::from_static(br#"{"tools":[]}"#), |catalog| {
                        catalog.own_list()
                    })
                }
            }
        })
    }

    /// Ends a session.
    pub(super) fn delete(&self, client: &str, scope: &Scope, request: &Request) -> Response {
        let id = request
            .headers()
            .get("mcp-session-id")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let Some(session) = self.sessions.find(id, client, scope) else {
            return respond::no_session(b"null");
        };
        self.sessions.end(&session);
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }
}

fn notified(session: &Session, envelope: &Envelope) {
    if envelope.method() == "notifications/cancelled"
        && let Ok(Some(id)) = envelope.field("requestId")
    {
        session.cancel(&envelope.bytes()[id]);
    }
}

/// Whether the client takes an event stream for an answer.
fn takes_events(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        let value = value.as_bytes();
        memchr::memmem::find(value, b"text/event-stream").is_some()
            || memchr::memmem::find(value, b"*/*").is_some()
    })
}

/// Whether the body says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

fn not_json() -> Response {
    let refusal = Refusal::of_message(
        INVALID_REQUEST,
        "not_json",
        "the Content-Type is not application/json",
        "Send JSON with Content-Type: application/json.",
    );
    respond::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, b"null", &refusal)
}

fn too_large() -> Response {
    let refusal = Refusal::of_message(
        INVALID_REQUEST,
        "message_too_long",
        "the message is longer than 16 MB, or was cut off",
        "Send less at once.",
    );
    respond::refused(StatusCode::PAYLOAD_TOO_LARGE, b"null", &refusal)
}

fn malformed(error: &InvalidEnvelope) -> Response {
    let (code, kind) = match error {
        InvalidEnvelope::Json(_) | InvalidEnvelope::Utf8(_) | InvalidEnvelope::Trailing(_) => {
            (PARSE_ERROR, "parse_error")
        }
        InvalidEnvelope::Batch => (INVALID_REQUEST, "batch"),
        InvalidEnvelope::Twice(_) | InvalidEnvelope::WrongType(_) | InvalidEnvelope::NoMessage => {
            (INVALID_REQUEST, "invalid_request")
        }
    };
    let refusal = Refusal::of_message(
        code,
        kind,
        error.to_string(),
        "Send one JSON-RPC 2.0 message.",
    );
    respond::refused(StatusCode::BAD_REQUEST, b"null", &refusal)
}
