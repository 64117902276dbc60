use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    cli::{Exit, Failure},
    client::{
        ClientError,
        mcp::{Endpoint, Reply, Session},
    },
};

/// The revision that `narthex call` speaks.
const REVISION: &str = "2025-11-25";

/// How long saying goodbye may take: the core forgets a session by itself too.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// A session with a server, one request at a time.
pub(super) struct Conversation {
    endpoint: Endpoint,
    session: Session,
    last_id: u64,
}

/// A message as far as it concerns us.
#[derive(Debug, Deserialize)]
struct Incoming {
    #[serde(default)]
    id: Value,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

#[derive(Debug, Deserialize)]
struct RpcError {
    code: i64,
    message: String,
    #[serde(default)]
    data: Value,
}

impl Conversation {
    /// Begins a session: `initialize` and `notifications/initialized`.
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, Failure> {
        let mut conversation = Self {
            endpoint,
            session: Session::default(),
            last_id: 0,
        };
        let params = json!({
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": {"name": "narthex", "title": "Narthex", "version": env!("CARGO_PKG_VERSION")},
        });
        let result = conversation
            .request("initialize", &params, &mut |_| {})
            .await?;
        let result: Value = serde_json::from_str(result.get()).map_err(ClientError::Malformed)?;
        let agreed = result["protocolVersion"].as_str().unwrap_or(REVISION);
        conversation.session.protocol = Some(agreed.to_owned());
        conversation
            .tell("notifications/initialized", &json!({}))
            .await?;
        Ok(conversation)
    }

    /// Asks, and returns the result as it was written.
    pub(super) async fn request(
        &mut self,
        method: &str,
        params: &Value,
        progress: &mut impl FnMut(&Value),
    ) -> Result<Box<RawValue>, Failure> {
        self.last_id += 1;
        let message =
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params});
        let mut reply = self.post(&message).await?;
        while let Some(line) = reply.next().await? {
            let incoming: Incoming = serde_json::from_str(&line).map_err(ClientError::Malformed)?;
            match &incoming.method {
                Some(method) if method == "notifications/progress" => progress(&incoming.params),
                Some(method) if !incoming.id.is_null() => {
                    let answer = answer(method, &incoming.id);
                    self.post(&answer).await?;
                }
                Some(_) => {}
                None => return concluded(incoming),
            }
        }
        Err(
            Failure::new(Exit::Failed, "the connection ended before the answer")
                .remedy("Look at what the server says: narthex logs NAME"),
        )
    }

    /// Looks up the schema of a tool's arguments; null when it is not listed.
    pub(super) async fn schema_of(&mut self, tool: &str) -> Result<Value, Failure> {
        let mut params = json!({});
        loop {
            let page = self.request("tools/list", &params, &mut |_| {}).await?;
            let mut page: Value =
                serde_json::from_str(page.get()).map_err(ClientError::Malformed)?;
            let tools = page["tools"].as_array_mut();
            let found =
                tools.and_then(|tools| tools.iter_mut().find(|found| found["name"] == tool));
            if let Some(found) = found {
                return Ok(found["inputSchema"].take());
            }
            match page["nextCursor"].as_str() {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return Ok(Value::Null),
            }
        }
    }

    /// Says that the answer to the last request is not wanted any more.
    pub(super) async fn cancel(&self) {
        let params = json!({"requestId": self.last_id, "reason": "interrupted"});
        // The session ends next, which says it too.
        let _ = tokio::time::timeout(
            GOODBYE_TIMEOUT,
            self.tell("notifications/cancelled", &params),
        )
        .await;
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        // A core that does not listen forgets the session by itself.
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, self.endpoint.end(&self.session)).await;
    }

    async fn tell(&self, method: &str, params: &Value) -> Result<(), ClientError> {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.endpoint
            .post(&self.session, message.to_string(), &[])
            .await?;
        Ok(())
    }

    async fn post(&mut self, message: &Value) -> Result<Reply, ClientError> {
        let reply = self
            .endpoint
            .post(&self.session, message.to_string(), &[])
            .await?;
        if self.session.id.is_none() {
            self.session.id.clone_from(&reply.session);
        }
        Ok(reply)
    }
}

/// Answers what a server asks: it is there, but offers a server nothing.
fn answer(method: &str, id: &Value) -> Value {
    if method == "ping" {
        return json!({"jsonrpc": "2.0", "id": id, "result": {}});
    }
    let error = json!({"code": -32601, "message": "`narthex call` answers no questions"});
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// Returns the code of a refused call, by what the core's own refusals say of themselves. An error
/// of the server's says no such thing.
fn exit(error: &RpcError) -> Exit {
    let (fault, kind) = (&error.data["fault"], error.data["kind"].as_str());
    match kind {
        Some("timed_out" | "not_connected") => Exit::TimedOut,
        Some("unknown_tool") => Exit::NotFound,
        Some(_) if fault == "person" => Exit::Refused,
        Some(_) | None => Exit::Failed,
    }
}

fn concluded(incoming: Incoming) -> Result<Box<RawValue>, Failure> {
    match (incoming.result, incoming.error) {
        (Some(result), _) => Ok(result),
        (None, Some(error)) => {
            let failure = Failure::new(exit(&error), format!("{} ({})", error.message, error.code));
            Err(match error.data["remedy"].as_str() {
                Some(remedy) => failure.remedy(remedy),
                None => failure,
            })
        }
        (None, None) => Err(Failure::new(
            Exit::Failed,
            "the answer has neither a result nor an error",
        )),
    }
}
