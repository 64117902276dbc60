use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// The revisions the demo speaks, oldest first.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The codes of JSON-RPC that the demo answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The line is not JSON.
    Parse,
    /// It is JSON, but not a message.
    InvalidRequest,
    /// There is no such method.
    UnknownMethod,
    /// There is no such tool.
    InvalidParams,
}

impl Code {
    const fn number(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::UnknownMethod => -32601,
            Self::InvalidParams => -32602,
        }
    }
}

/// One message of the client. The id keeps its spelling, since `1` and `1.0` and `"1"` differ.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) id: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) params: Value,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Box<RawValue>>,
}

impl Message {
    /// Returns whether this answers something; the demo asks nothing, so it has no use for it.
    pub(super) fn is_reply(&self) -> bool {
        self.result.is_some() || self.error.is_some()
    }
}

/// Returns the revision to answer `initialize` with: the client's if it is known.
pub(super) fn agree(asked: Option<&str>) -> &'static str {
    let [.., newest] = REVISIONS;
    REVISIONS
        .into_iter()
        .find(|known| Some(*known) == asked)
        .unwrap_or(newest)
}

/// Returns a reply that succeeded, as a line without its newline.
pub(super) fn reply(id: &RawValue, result: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// Returns a reply that failed; `id` is null where the message could not be read.
pub(super) fn refusal(id: Option<&RawValue>, code: Code, message: &str) -> String {
    let id = id.map_or("null", RawValue::get);
    let error = json!({"code": code.number(), "message": message});
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// Returns a notification.
pub(super) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_revision_is_kept_and_an_unknown_one_gets_the_newest() {
        assert_eq!(agree(Some("2025-03-26")), "2025-03-26");
        assert_eq!(agree(Some("2031-01-01")), "2025-11-25");
        assert_eq!(agree(None), "2025-11-25");
    }

    #[test]
    fn an_id_keeps_its_spelling() {
        let message: Message =
            serde_json::from_str(r#"{"id":12345678901234567890123,"method":"ping"}"#).unwrap();
        let line = reply(&message.id.unwrap(), &json!({}));
        assert_eq!(
            line,
            r#"{"jsonrpc":"2.0","id":12345678901234567890123,"result":{}}"#
        );
    }
}
