use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    long,
    trouble::{Trouble, text},
};
use crate::mcp::{self, CLIENT_MESSAGE_BYTES_MAX, InvalidEnvelope, Refusal, json};

/// The standard codes of JSON-RPC.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;

/// What the bridge must know of a line of its client; the line itself goes on as it is.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) kind: Kind,
    bytes: Bytes,
    /// The message, where it is one alone.
    message: Option<mcp::Envelope>,
    /// The ids of what wants an answer, as they are spelled.
    ids: Vec<Bytes>,
    /// Whether it may be sent again after its answer was lost.
    repeatable: bool,
    headers: Vec<(&'static str, String)>,
}

/// How a message is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins a session.
    Initialize,
    /// Ends its beginning.
    Initialized,
    /// Takes a request back.
    Cancelled,
    /// Will be answered, some time.
    Request,
    /// Several messages at once, as 2025-03-26 had it: carried as one.
    Batch,
    /// Another notification.
    Notice,
    /// An answer to something that the server asked.
    Answer,
}

#[derive(Default, Deserialize)]
struct Params {
    name: Option<String>,
    uri: Option<String>,
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    revision: Option<String>,
}

impl Envelope {
    /// Reads a line.
    ///
    /// # Errors
    /// With the answer to a line that is no message.
    pub(super) fn read(line: Bytes) -> Result<Self, String> {
        match mcp::Envelope::parse(line.clone()) {
            Ok(message) => Ok(Self::of(message)),
            Err(InvalidEnvelope::Batch) => Self::of_batch(line),
            Err(error) => Err(malformed(&line, &error)),
        }
    }

    fn of(message: mcp::Envelope) -> Self {
        let kind = match message.kind() {
            mcp::Kind::Request if message.method() == "initialize" => Kind::Initialize,
            mcp::Kind::Request => Kind::Request,
            mcp::Kind::Notification => match message.method() {
                "notifications/initialized" => Kind::Initialized,
                "notifications/cancelled" => Kind::Cancelled,
                _ => Kind::Notice,
            },
            mcp::Kind::Result | mcp::Kind::Error => Kind::Answer,
        };
        let is_asked = message.kind() == mcp::Kind::Request;
        Self {
            kind,
            bytes: message.bytes().clone(),
            ids: is_asked.then(|| message.id()).into_iter().collect(),
            repeatable: message.method() != "tools/call",
            headers: headers(&message),
            message: Some(message),
        }
    }

    fn of_batch(line: Bytes) -> Result<Self, String> {
        let elements: Vec<&RawValue> = serde_json::from_slice(&line).map_err(|error| {
            let message = format!("not JSON: {error}");
            refused(PARSE_ERROR, "parse_error", &message, b"null")
        })?;
        let mut batch = Self {
            kind: Kind::Batch,
            bytes: line.clone(),
            message: None,
            ids: Vec::new(),
            repeatable: true,
            headers: Vec::new(),
        };
        for element in elements {
            let element = line.slice_ref(element.get().as_bytes());
            // What is none of the messages is the core's to judge.
            if let Ok(message) = mcp::Envelope::parse(element) {
                let message = Self::of(message);
                batch.ids.extend(message.ids);
                batch.repeatable &= message.repeatable;
            }
        }
        Ok(batch)
    }

    /// Returns the line.
    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the message, where it is one alone.
    pub(super) const fn message(&self) -> Option<&mcp::Envelope> {
        self.message.as_ref()
    }

    /// Returns the headers that this message needs on HTTP.
    pub(super) fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// Returns the ids under which it is answered, as they are spelled.
    pub(super) fn ids(&self) -> &[Bytes] {
        &self.ids
    }

    /// Whether it may be sent again after its answer was lost: everything may but a call of a tool,
    /// which may have done something.
    pub(super) const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Returns the name of the tool that it calls.
    pub(super) fn tool(&self) -> Option<String> {
        let message = self.message.as_ref()?;
        let name = message.field("name").ok()??;
        let called = message.method() == "tools/call";
        called.then(|| json::decode(&message.bytes()[name]).map(Into::into))?
    }

    /// Returns the id, as it is spelled, of the request that it takes back.
    pub(super) fn cancels(&self) -> Option<&[u8]> {
        let message = self.message.as_ref()?;
        let id = message.field("requestId").ok()??;
        (self.kind == Kind::Cancelled).then(|| &message.bytes()[id])
    }

    /// Returns the line that tells the client why it gets no answer; nothing for what has none.
    pub(super) fn refusal(&self, trouble: &Trouble) -> Option<String> {
        let mut refusals = self.ids.iter().map(|id| trouble.response(id));
        if self.kind == Kind::Batch && !self.ids.is_empty() {
            let all: Vec<String> = refusals.collect();
            return Some(format!("[{}]", all.join(",")));
        }
        refusals.next()
    }
}

/// Returns the answer to a line that is longer than a message may be.
pub(super) fn too_long(bytes: u64, id: &[u8]) -> String {
    let max = CLIENT_MESSAGE_BYTES_MAX / (1024 * 1024);
    let message = format!("the line has {bytes} bytes, and a message at most {max} MB");
    let refusal = Refusal::of_message(
        INVALID_REQUEST,
        "message_too_long",
        message,
        "Send less at once.",
    );
    text(&refusal.response(id))
}

/// Returns the answer to a batch in a session whose revision knows none.
pub(super) fn no_batches() -> String {
    let message = InvalidEnvelope::Batch.to_string();
    refused(INVALID_REQUEST, "batch", &message, b"null")
}

fn malformed(line: &[u8], error: &InvalidEnvelope) -> String {
    let (code, kind) = match error {
        InvalidEnvelope::Json(_) | InvalidEnvelope::Utf8(_) | InvalidEnvelope::Trailing(_) => {
            (PARSE_ERROR, "parse_error")
        }
        InvalidEnvelope::Batch => (INVALID_REQUEST, "batch"),
        InvalidEnvelope::Twice(_) | InvalidEnvelope::WrongType(_) | InvalidEnvelope::NoMessage => {
            (INVALID_REQUEST, "invalid_request")
        }
    };
    let mut id = long::IdSearch::default();
    id.look(line);
    refused(code, kind, &error.to_string(), id.found())
}

fn refused(code: i32, kind: &'static str, message: &str, id: &[u8]) -> String {
    let remedy = "Send one JSON-RPC 2.0 message a line.";
    text(&Refusal::of_message(code, kind, message, remedy).response(id))
}

/// The revisions without sessions repeat in headers what is in the message.
fn headers(message: &mcp::Envelope) -> Vec<(&'static str, String)> {
    let Some(params) = message.payload() else {
        return Vec::new();
    };
    let wants_headers = memchr::memmem::find(&params, b"io.modelcontextprotocol/protocolVersion");
    if wants_headers.is_none() {
        return Vec::new();
    }
    let params: Params = serde_json::from_slice(&params).unwrap_or_default();
    let Some(revision) = params.meta.and_then(|meta| meta.revision) else {
        return Vec::new();
    };
    let method = message.method();
    let mut headers = vec![
        ("MCP-Protocol-Version", header_value(revision)),
        ("Mcp-Method", header_value(method.to_owned())),
    ];
    let name = match method {
        "tools/call" | "prompts/get" => params.name,
        "resources/read" => params.uri,
        _ => None,
    };
    headers.extend(name.map(|name| ("Mcp-Name", header_value(name))));
    headers
}

fn header_value(value: String) -> String {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim() == value {
        value
    } else {
        format!("=?base64?{}?=", STANDARD.encode(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Envelope, String> {
        Envelope::read(Bytes::copy_from_slice(line.as_bytes()))
    }

    fn kind(line: &str) -> Kind {
        read(line).unwrap().kind
    }

    #[test]
    fn messages_are_told_apart() {
        assert_eq!(kind(r#"{"id":0,"method":"initialize"}"#), Kind::Initialize);
        assert_eq!(
            kind(r#"{"method":"notifications/initialized"}"#),
            Kind::Initialized
        );
        assert_eq!(kind(r#"{"method":"notifications/x"}"#), Kind::Notice);
        assert_eq!(kind(r#"{"id":"a","method":"ping"}"#), Kind::Request);
        assert_eq!(kind(r#"{"id":"a","result":{}}"#), Kind::Answer);
        assert_eq!(kind(r#"[{"id":1,"method":"ping"}]"#), Kind::Batch);
        let cancelled = r#"{"method":"notifications/cancelled","params":{"requestId":1.0}}"#;
        assert_eq!(kind(cancelled), Kind::Cancelled);
        assert_eq!(read(cancelled).unwrap().cancels(), Some(&b"1.0"[..]));
    }

    #[test]
    fn a_line_that_is_no_message_is_answered_under_its_id_where_it_has_one() {
        for (line, code, id) in [
            (&b"{oops"[..], "-32700", "null"),
            (b"7", "-32700", "null"),
            (b"{}", "-32600", "null"),
            (b"[1", "-32700", "null"),
            (br#"{"id":"a","x":"\q"}"#, "-32700", "\"a\""),
            (b"{\"x\":\"\xff\",\"id\":7,\"method\":\"m\"}", "-32700", "7"),
        ] {
            let refusal = Envelope::read(Bytes::copy_from_slice(line)).unwrap_err();
            assert!(refusal.contains(&format!(r#""code":{code}"#)), "{refusal}");
            assert!(refusal.contains(&format!(r#""id":{id},"#)), "{refusal}");
        }
    }

    #[test]
    fn only_a_request_gets_a_refusal_and_under_its_own_id() {
        let request = read(r#"{"id":1.50,"method":"ping"}"#).unwrap();
        let refusal = request.refusal(&Trouble::late()).unwrap();
        assert!(
            refusal.starts_with(r#"{"jsonrpc":"2.0","id":1.50,"#),
            "{refusal}"
        );
        let answer = read(r#"{"id":1,"result":{}}"#).unwrap();
        assert_eq!(answer.refusal(&Trouble::late()), None);
        let batch = read(r#"[{"id":1,"method":"a"},{"method":"n"},{"id":"2","method":"b"}]"#);
        let refusal = batch.unwrap().refusal(&Trouble::late()).unwrap();
        let refusal: serde_json::Value = serde_json::from_str(&refusal).unwrap();
        assert_eq!(
            (&refusal[0]["id"], &refusal[1]["id"]),
            (&1.into(), &"2".into())
        );
    }

    #[test]
    fn a_call_of_a_tool_is_not_repeated_unasked() {
        let call = read(r#"{"id":1,"method":"tools/call","params":{"name":"\u0061"}}"#).unwrap();
        assert_eq!(
            (call.is_repeatable(), call.tool()),
            (false, Some("a".into()))
        );
        assert!(
            read(r#"{"id":1,"method":"tools/list"}"#)
                .unwrap()
                .is_repeatable()
        );
        let batch = read(r#"[{"id":1,"method":"ping"},{"id":2,"method":"tools/call"}]"#);
        assert!(!batch.unwrap().is_repeatable());
    }

    #[test]
    fn a_message_without_a_session_has_its_headers() {
        let line = r#"{"id":1,"method":"tools/call","params":{"name":"größe",
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let envelope = read(&line.replace('\n', "")).unwrap();
        assert_eq!(
            envelope.headers(),
            [
                ("MCP-Protocol-Version", "2026-07-28".to_owned()),
                ("Mcp-Method", "tools/call".to_owned()),
                ("Mcp-Name", "=?base64?Z3LDtsOfZQ==?=".to_owned()),
            ]
        );
    }
}
