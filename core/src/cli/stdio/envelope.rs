use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// What the bridge must know of a message; the message itself goes on as it is.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) kind: Kind,
    id: Option<Box<RawValue>>,
    headers: Vec<(&'static str, String)>,
}

/// How a message is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins a session.
    Initialize,
    /// Ends its beginning.
    Initialized,
    /// Will be answered, some time.
    Request,
    /// A notification, or an answer to something that the server asked.
    Other,
}

#[derive(Deserialize)]
struct Message {
    id: Option<Box<RawValue>>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
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
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        if line.first() == Some(&b'[') {
            // Several messages at once, as 2025-03-26 had it: carried as one.
            return Ok(Self {
                kind: Kind::Request,
                id: None,
                headers: Vec::new(),
            });
        }
        let message: Message = serde_json::from_slice(line).map_err(|error| {
            let code = if error.is_data() { -32600 } else { -32700 };
            reply_error(None, code, &format!("not a message: {error}"), "")
        })?;
        let kind = match (message.method.as_deref(), &message.id) {
            (Some("initialize"), Some(_)) => Kind::Initialize,
            (Some("notifications/initialized"), _) => Kind::Initialized,
            (Some(_), Some(_)) => Kind::Request,
            (Some(_), None) | (None, _) => Kind::Other,
        };
        let headers = match (&message.method, &message.params) {
            (Some(method), Some(params)) => headers(method, params),
            (Some(_), None) | (None, _) => Vec::new(),
        };
        Ok(Self {
            kind,
            id: message.id.filter(|_| message.method.is_some()),
            headers,
        })
    }

    /// Returns the headers that this message needs on HTTP.
    pub(super) fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// Returns the line that tells the client why it gets no answer; nothing for what has none.
    pub(super) fn refusal(&self, message: &str, remedy: &str) -> Option<String> {
        let id = self.id.as_deref()?;
        Some(reply_error(Some(id), -32000, message, remedy))
    }
}

/// The revisions without sessions repeat in headers what is in the message.
fn headers(method: &str, params: &RawValue) -> Vec<(&'static str, String)> {
    let params: Params = serde_json::from_str(params.get()).unwrap_or_default();
    let Some(revision) = params.meta.and_then(|meta| meta.revision) else {
        return Vec::new();
    };
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

fn reply_error(id: Option<&RawValue>, code: i32, message: &str, remedy: &str) -> String {
    let id = id.map_or("null", RawValue::get);
    let mut error = json!({"code": code, "message": message});
    if !remedy.is_empty() {
        error["data"] = json!({"remedy": remedy});
    }
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(line: &str) -> Kind {
        Envelope::read(line.as_bytes()).unwrap().kind
    }

    #[test]
    fn messages_are_told_apart() {
        assert_eq!(kind(r#"{"id":0,"method":"initialize"}"#), Kind::Initialize);
        assert_eq!(
            kind(r#"{"method":"notifications/initialized"}"#),
            Kind::Initialized
        );
        assert_eq!(kind(r#"{"id":"a","method":"ping"}"#), Kind::Request);
        assert_eq!(kind(r#"{"id":"a","result":{}}"#), Kind::Other);
        assert_eq!(kind(r#"[{"id":1,"method":"ping"}]"#), Kind::Request);
    }

    #[test]
    fn a_line_that_is_no_message_is_answered() {
        let refusal = Envelope::read(b"{oops").unwrap_err();
        assert!(refusal.contains("-32700"), "{refusal}");
        let refusal = Envelope::read(b"7").unwrap_err();
        assert!(refusal.contains("-32600"), "{refusal}");
    }

    #[test]
    fn only_a_request_gets_a_refusal_and_under_its_own_id() {
        let request = Envelope::read(br#"{"id":1.50,"method":"ping"}"#).unwrap();
        let refusal = request.refusal("gone", "wait").unwrap();
        assert!(
            refusal.starts_with(r#"{"jsonrpc":"2.0","id":1.50,"#),
            "{refusal}"
        );
        let answer = Envelope::read(br#"{"id":1,"result":{}}"#).unwrap();
        assert_eq!(answer.refusal("gone", ""), None);
    }

    #[test]
    fn a_message_without_a_session_has_its_headers() {
        let line = r#"{"id":1,"method":"tools/call","params":{"name":"größe",
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let envelope = Envelope::read(line.replace('\n', "").as_bytes()).unwrap();
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
