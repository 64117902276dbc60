//! What a client is told when a message is not answered by a server: a JSON-RPC error that says
//! what happened, whose fault it is, whether a retry is safe, and what would help.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

/// The code of every refusal of ours that JSON-RPC has no code for. The word in `data.kind` tells
/// them apart.
const REFUSED: i32 = -32000;

/// Whose doing an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The client's message cannot be served by anyone.
    Client,
    /// The server behind did not do its part.
    Server,
    /// A person has not allowed it.
    Person,
    /// Narthex itself.
    Narthex,
}

/// An error that a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The JSON-RPC code.
    pub code: i32,
    /// The kind, for programs, such as `server_ended`.
    pub kind: &'static str,
    /// What happened, for people and models. Holds no text written by a server.
    pub message: String,
    /// Whose doing it is.
    pub fault: Fault,
    /// The server concerned.
    pub server: Option<String>,
    /// Whether sending the same request again can do no harm.
    pub retry_safe: bool,
    /// How long a client had better wait before it sends it, where that is known.
    pub retry_after: Option<Duration>,
    /// What would help.
    pub remedy: String,
}

#[derive(Serialize)]
struct Data<'a> {
    kind: &'static str,
    fault: Fault,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    retry_safe: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    remedy: &'a str,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    data: Data<'a>,
}

impl Refusal {
    /// Makes a refusal of a kind of ours about a server.
    pub fn of_server(
        kind: &'static str,
        fault: Fault,
        server: &str,
        message: String,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code: REFUSED,
            kind,
            message,
            fault,
            server: Some(server.to_owned()),
            retry_safe: true,
            retry_after: None,
            remedy: remedy.into(),
        }
    }

    /// Makes a refusal of a message that is at fault itself.
    pub fn of_message(
        code: i32,
        kind: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code,
            kind,
            message: message.into(),
            fault: Fault::Client,
            server: None,
            retry_safe: true,
            retry_after: None,
            remedy: remedy.into(),
        }
    }

    /// Says that a retry may do the same thing twice.
    #[must_use]
    pub fn retry_unsafe(mut self) -> Self {
        self.retry_safe = false;
        self
    }

    /// Says when to try again; in the answer as `retry_after_ms`, at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Returns the JSON-RPC response to the request whose id is spelled `id`.
    pub fn response(&self, id: &[u8]) -> Bytes {
        let error = ErrorObject {
            code: self.code,
            message: &self.message,
            data: Data {
                kind: self.kind,
                fault: self.fault,
                server: self.server.as_deref(),
                retry_safe: self.retry_safe,
                retry_after_ms: self.retry_after.map(|after| {
                    let ms = after.as_micros().div_ceil(1_000).max(1);
                    u64::try_from(ms).unwrap_or(u64::MAX)
                }),
                remedy: &self.remedy,
            },
        };
        let mut response = Vec::with_capacity(256);
        response.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        response.extend_from_slice(id);
        response.extend_from_slice(br#","error":"#);
        serde_json::to_writer(&mut response, &error).expect("strings and numbers encode");
        response.push(b'}');
        response.into()
    }
}
