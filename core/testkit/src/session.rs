//! A client of MCP over Streamable HTTP.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::sse::{SseParser, SseStream};

/// The revision the client asks for.
pub const REVISION: &str = "2025-11-25";

/// A session with a server.
#[derive(Debug)]
pub struct Session {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    id: Option<String>,
    next: AtomicU64,
    revision: &'static str,
    capabilities: Value,
    /// The result of `initialize`.
    pub hello: Value,
}

/// What came back over HTTP.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

/// The answer to a request, and what came before it on the same stream.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The whole message.
    pub message: Value,
    /// The messages before it.
    pub before: Vec<Value>,
}

impl Session {
    /// Makes a client that has said nothing yet.
    pub fn new(url: &str, token: Option<&str>) -> Self {
        Self::over(reqwest::Client::new(), url, token)
    }

    /// The same, over connections that others use too.
    pub fn over(http: reqwest::Client, url: &str, token: Option<&str>) -> Self {
        Self {
            http,
            url: url.to_owned(),
            token: token.map(str::to_owned),
            id: None,
            next: AtomicU64::new(1),
            revision: REVISION,
            capabilities: json!({}),
            hello: Value::Null,
        }
    }

    /// Asks for another revision than [`REVISION`].
    #[must_use]
    pub const fn speaking(mut self, revision: &'static str) -> Self {
        self.revision = revision;
        self
    }

    /// Opens a session at `url`.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn open(url: &str, token: Option<&str>) -> Self {
        let mut session = Self::new(url, token);
        session.initialize().await;
        session
    }

    /// Opens a session that declares `capabilities`.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn able(url: &str, token: Option<&str>, capabilities: Value) -> Self {
        let mut session = Self::new(url, token);
        session.capabilities = capabilities;
        session.initialize().await;
        session
    }

    /// Sends `initialize` and what follows it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn initialize(&mut self) {
        self.begin().await;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let raw = self.post(&initialized.to_string()).await;
        assert_eq!(raw.status, StatusCode::ACCEPTED, "initialized: {raw:?}");
    }

    /// Sends `initialize`, and nothing after it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn begin(&mut self) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let params = json!({
            "protocolVersion": self.revision,
            "capabilities": self.capabilities,
            "clientInfo": {"name": "narthex-testkit", "version": "1.0.0"},
        });
        let raw = self
            .post(&request(&json!(id), "initialize", params).to_string())
            .await;
        assert_eq!(raw.status, StatusCode::OK, "initialize: {raw:?}");
        self.id = raw
            .headers
            .get("mcp-session-id")
            .map(|id| id.to_str().expect("a session id is ASCII").to_owned());
        self.hello = raw.answer().result().clone();
    }

    /// Returns the id of the session.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Sends a request and returns its answer.
    ///
    /// # Panics
    /// When what comes back is not an answer to it.
    pub async fn request(&self, method: &str, params: Value) -> Answer {
        let id = json!(self.next.fetch_add(1, Ordering::Relaxed));
        let raw = self.post(&request(&id, method, params).to_string()).await;
        assert_eq!(raw.status, StatusCode::OK, "{method}: {raw:?}");
        let answer = raw.answer();
        assert_eq!(answer.message["id"], id, "{method}: {answer:?}");
        answer
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params).await
    }

    /// Lists every tool, page by page.
    pub async fn list(&self) -> Vec<Value> {
        let mut tools = Vec::new();
        let mut params = json!({});
        loop {
            let answer = self.request("tools/list", params).await;
            let result = answer.result();
            let page = result["tools"].as_array();
            tools.extend(page.expect("a list of tools").iter().cloned());
            if result["nextCursor"].is_null() {
                return tools;
            }
            params = json!({"cursor": result["nextCursor"]});
        }
    }

    /// Lists the names of the tools.
    pub async fn names(&self) -> Vec<String> {
        let tools = self.list().await;
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Sends a notification.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn notify(&self, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let raw = self.post(&message.to_string()).await;
        assert_eq!(raw.status, StatusCode::ACCEPTED, "{method}: {raw:?}");
    }

    /// Sends a request and returns the stream of its answer.
    ///
    /// # Panics
    /// When the answer is no stream.
    pub async fn stream(&self, method: &str, params: Value) -> SseStream {
        let id = json!(self.next.fetch_add(1, Ordering::Relaxed));
        let body = request(&id, method, params).to_string();
        let response = self.prepare_post(body).send().await;
        let response = response.expect("the server answers over HTTP");
        let kind = response.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        assert_eq!(kind, "text/event-stream", "{method}: {response:?}");
        SseStream::new(response)
    }

    /// Answers what the server asked.
    pub async fn answer(&self, question: &Value, result: Value) -> Raw {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        self.post(&answer.to_string()).await
    }

    /// Posts a body as it is.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn post(&self, body: &str) -> Raw {
        let request = self.prepare_post(body.to_owned());
        Raw::read(request.send().await.expect("the server answers over HTTP")).await
    }

    /// Posts a body for which no event stream is taken.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn post_for_json(&self, body: &str) -> Raw {
        let request = self
            .prepare(reqwest::Method::POST)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(body.to_owned());
        Raw::read(request.send().await.expect("the server answers over HTTP")).await
    }

    /// Posts a body as it is, and returns the response once it has begun.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn send(&self, body: String, accept: &str) -> reqwest::Response {
        let request = self
            .prepare(reqwest::Method::POST)
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(body);
        request.send().await.expect("the server answers over HTTP")
    }

    fn prepare_post(&self, body: String) -> reqwest::RequestBuilder {
        self.prepare(reqwest::Method::POST)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body)
    }

    /// Opens the stream of messages that belong to no request.
    ///
    /// # Panics
    /// When the server has none.
    pub async fn listen(&self) -> SseStream {
        let request = self
            .prepare(reqwest::Method::GET)
            .header("accept", "text/event-stream");
        let response = request.send().await.expect("the server answers over HTTP");
        assert_eq!(response.status(), StatusCode::OK, "GET: {response:?}");
        SseStream::new(response)
    }

    /// Opens a stream, from what follows the event `last` on the stream where that was said.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn get(&self, last: Option<&str>) -> reqwest::Response {
        let mut request = self
            .prepare(reqwest::Method::GET)
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.expect("the server answers over HTTP")
    }

    /// Comes back to a stream after the event `last`.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn resume(&self, last: &str) -> SseStream {
        let response = self.get(Some(last)).await;
        assert_eq!(response.status(), StatusCode::OK, "{last}: {response:?}");
        SseStream::new(response)
    }

    /// Ends the session.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn delete(&self) -> Raw {
        let request = self.prepare(reqwest::Method::DELETE);
        Raw::read(request.send().await.expect("the server answers over HTTP")).await
    }

    fn prepare(&self, method: reqwest::Method) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, &self.url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(id) = &self.id {
            request = request
                .header("mcp-session-id", id)
                .header("mcp-protocol-version", self.revision);
        }
        request
    }
}

impl Raw {
    /// Reads a response to its end.
    ///
    /// # Panics
    /// When it breaks off.
    pub async fn read(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response
                .text()
                .await
                .expect("the response comes to its end"),
        }
    }

    /// Returns the body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Returns a header as text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Reads the body as JSON-RPC, a single message or a stream of them.
    ///
    /// # Panics
    /// When it is neither.
    pub fn answer(&self) -> Answer {
        let mut messages: Vec<Value> =
            if self.header("content-type").starts_with("text/event-stream") {
                let mut parser = SseParser::default();
                let events = parser.feed(self.body.as_bytes());
                events
                    .iter()
                    .filter_map(|event| serde_json::from_str(&event.data).ok())
                    .collect()
            } else {
                vec![self.json()]
            };
        let message = messages.pop().unwrap_or_default();
        assert!(message.is_object(), "no answer in {self:?}");
        Answer {
            message,
            before: messages,
        }
    }
}

impl Answer {
    /// Returns the result.
    ///
    /// # Panics
    /// When it is an error.
    pub fn result(&self) -> &Value {
        let result = self.message.get("result");
        result.unwrap_or_else(|| panic!("no result: {}", self.message))
    }

    /// Returns the text of a tool's result.
    ///
    /// # Panics
    /// When it has none.
    pub fn text(&self) -> &str {
        let text = self.result()["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text: {}", self.message))
    }

    /// Returns whether a result came.
    pub fn is_ok(&self) -> bool {
        self.message.get("result").is_some()
    }

    /// Returns `error.data`.
    ///
    /// # Panics
    /// When it is no error.
    pub fn error_data(&self) -> &Value {
        let error = self.message.get("error");
        &error.unwrap_or_else(|| panic!("no error: {}", self.message))["data"]
    }

    /// Returns `error.data.kind`, empty where it has none.
    ///
    /// # Panics
    /// When it is no error.
    pub fn error_kind(&self) -> &str {
        self.error_data()["kind"].as_str().unwrap_or_default()
    }
}

fn request(id: &Value, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}
