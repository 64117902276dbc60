//! MCP over Streamable HTTP, as far as a client of our own core needs it: messages are posted, and
//! what comes back is handed on unread.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use url::Url;

use super::{
    ClientError,
    remote::{loopback, problem},
    sse::Parser,
};
use crate::server::Secret;

/// How long a core may take to say that it is ready; one that is busy takes milliseconds.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections kept for the next message: as many as one client has in flight at once, as a rule.
const IDLE_MAX: usize = 4;

/// The header that names a session.
const SESSION: &str = "Mcp-Session-Id";

/// The header that names the revision agreed on.
const PROTOCOL: &str = "MCP-Protocol-Version";

/// The header by which a bridge says whose words it carries. The credential decides what it may.
const CLIENT: &str = "Narthex-Client";

/// An address that speaks MCP, with the credential for it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    http: reqwest::Client,
    url: Url,
    token: Secret,
    client: Option<String>,
}

/// What both sides agreed on in `initialize`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its id, if the server keeps sessions.
    pub(crate) id: Option<String>,
    /// The revision.
    pub(crate) protocol: Option<String>,
}

/// What came back for one message posted.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The session named in the answer.
    pub(crate) session: Option<String>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Nothing,
    Json(Response),
    Events(Response, Parser),
}

impl Endpoint {
    /// The address of one server (`Some`), or of everything that the client may see.
    pub(crate) fn new(
        address: SocketAddr,
        server: Option<&str>,
        token: Secret,
        client: Option<String>,
    ) -> Result<Self, ClientError> {
        let (http, mut url) = loopback(address, IDLE_MAX)?;
        url.path_segments_mut()
            .expect("an http address has a path")
            .push("mcp")
            .extend(server.map(|server| ["s", server]).into_iter().flatten());
        Ok(Self {
            http,
            url,
            token,
            client,
        })
    }

    /// Posts a message. The reply is complete when [`Reply::next`] returns `None`.
    ///
    /// A refusal that is itself a message of JSON-RPC is a reply.
    pub(crate) async fn post(
        &self,
        session: &Session,
        message: impl Into<Bytes>,
        headers: &[(&str, String)],
    ) -> Result<Reply, ClientError> {
        let mut request = self
            .request(Method::POST, session)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .body(message.into());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await?;
        let status = response.status();
        // With a session, 404 says that the session is gone; without one it can be an answer.
        let gone = status == StatusCode::NOT_FOUND && session.id.is_some();
        let session = header(&response, SESSION);
        let kind = header(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
        let json = kind.starts_with("application/json");
        let body = if status.is_success() && kind.starts_with("text/event-stream") {
            Body::Events(response, Parser::default())
        } else if json && !gone {
            Body::Json(response)
        } else if status.is_success() {
            Body::Nothing
        } else {
            return Err(problem(response).await);
        };
        Ok(Reply { session, body })
    }

    /// The request for the stream of what the server says without being asked.
    pub(crate) fn listen(&self, session: &Session) -> RequestBuilder {
        self.request(Method::GET, session)
    }

    /// Whether the core there takes requests; one that ends, or is gone, does not.
    pub(crate) async fn is_ready(&self) -> bool {
        let mut url = self.url.clone();
        url.set_path("/health/ready");
        let answer = self.http.get(url).timeout(READY_TIMEOUT).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Ends a session. That it had ended before is as good.
    pub(crate) async fn end(&self, session: &Session) -> Result<(), ClientError> {
        if session.id.is_some() {
            self.request(Method::DELETE, session).send().await?;
        }
        Ok(())
    }

    fn request(&self, method: Method, session: &Session) -> RequestBuilder {
        let mut request = self
            .http
            .request(method, self.url.clone())
            .bearer_auth(self.token.expose());
        if let Some(id) = &session.id {
            request = request.header(SESSION, id);
        }
        if let Some(protocol) = &session.protocol {
            request = request.header(PROTOCOL, protocol);
        }
        if let Some(client) = &self.client {
            request = request.header(CLIENT, client);
        }
        request
    }
}

impl Reply {
    /// Whether it is a stream, on which the answer may come last.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.body, Body::Events(..))
    }

    /// Returns the next message, on one line.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            match &mut self.body {
                Body::Nothing => return Ok(None),
                Body::Json(_) => {
                    let Body::Json(response) = std::mem::replace(&mut self.body, Body::Nothing)
                    else {
                        return Ok(None);
                    };
                    return Ok(Some(response.text().await?).and_then(one_line));
                }
                Body::Events(response, parser) => {
                    if let Some(data) = parser.next() {
                        if let Some(line) = one_line(data) {
                            return Ok(Some(line));
                        }
                        continue;
                    }
                    match response.chunk().await? {
                        Some(chunk) => parser.push(&chunk),
                        None => return Ok(None),
                    }
                }
            }
        }
    }
}

/// Returns a message without the line breaks that JSON allows between its tokens; nothing for an
/// empty one, as an event that only sets the id has it.
pub(crate) fn one_line(mut message: String) -> Option<String> {
    if message.contains(['\n', '\r']) {
        message = message.replace(['\n', '\r'], " ");
    }
    (!message.trim().is_empty()).then_some(message)
}

fn header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn one_message_after_the_other_goes_over_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Each way in which a message is answered, on the one connection that is accepted.
        let answers = [
            "202 Accepted\r\ncontent-length: 0\r\n\r\n",
            "200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            "200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\na\r\ndata: {}\n\n\r\n0\r\n\r\n",
            "200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        ];
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n[]") {
                    assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
                }
                let answer = format!("HTTP/1.1 {answer}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let token = Secret::new("narthex_client_x");
        let endpoint = Endpoint::new(address, None, token, None).unwrap();
        let (session, mut lines) = (Session::default(), Vec::new());
        for _ in answers {
            let mut reply = endpoint.post(&session, "[]", &[]).await.unwrap();
            while let Some(line) = reply.next().await.unwrap() {
                lines.push(line);
            }
        }
        assert_eq!(lines, ["{}", "{}", "{}"]);
        serving.await.unwrap();
    }
}
