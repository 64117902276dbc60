//! A load generator: many clients that call one tool again and again, each over a connection of its
//! own, each waiting for its answer before it asks again.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1::SendRequest, header, header::HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{pipe::Pipe, session::REVISION};

/// How long a client waits before it asks again what was refused.
const PAUSE: Duration = Duration::from_micros(500);

/// What is called.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where: `http://127.0.0.1:1/mcp`.
    pub url: String,
    /// The credential, where one is wanted.
    pub token: Option<String>,
    /// The tools, each called as often as the others.
    pub tools: Vec<String>,
}

impl Target {
    /// One tool at an address that wants no credential.
    pub fn open(url: &str, tool: &str) -> Self {
        Self {
            url: url.to_owned(),
            token: None,
            tools: vec![tool.to_owned()],
        }
    }
}

/// How it is called.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many clients call at the same time.
    pub clients: usize,
    /// How long they do so before anything is counted.
    pub warm_up: Duration,
    /// How long they are counted.
    pub duration: Duration,
    /// How many bytes of text a call carries.
    pub payload: usize,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How long each call took, sorted.
    latencies: Vec<Duration>,
    /// From the first call counted to the end of the last.
    pub elapsed: Duration,
}

impl Measured {
    /// Makes a measurement of how long each of several things took.
    pub fn new(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self { latencies, elapsed }
    }

    /// Returns how many there were.
    pub fn count(&self) -> usize {
        self.latencies.len()
    }

    /// Returns how many there were in a second.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the time within which `share` of them were done: 0.5 is the median.
    ///
    /// # Panics
    /// When there were none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list, which is far below 2^52"
    )]
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self
            .latencies
            .len()
            .checked_sub(1)
            .expect("something was measured");
        self.latencies[(last as f64 * share).round() as usize]
    }
}

/// Calls tools over HTTP.
///
/// # Errors
/// When a connection breaks or an answer is not a result.
pub async fn over_http(target: &Target, load: Load) -> io::Result<Measured> {
    let echo = echo(&target.tools, load);
    let clients = open(target, load).await?;
    let clients = clients.into_iter().map(|client| (client, &echo));
    measure(clients.collect(), load, Duration::ZERO).await
}

/// Calls tools over HTTP, each by so many clients as the load has, which rest for a while between two
/// calls: what is measured is how long a call takes where there is time for it.
///
/// # Errors
/// When a connection breaks or an answer is not a result.
pub async fn over_http_at_ease(
    targets: &[Target],
    load: Load,
    pause: Duration,
) -> io::Result<Measured> {
    let echoes: Vec<_> = targets
        .iter()
        .map(|target| echo(&target.tools, load))
        .collect();
    let mut clients = Vec::new();
    for (target, echo) in targets.iter().zip(&echoes) {
        let opened = open(target, load).await?;
        clients.extend(opened.into_iter().map(|client| (client, echo)));
    }
    measure(clients, load, pause).await
}

/// Calls a tool over the pipe of a child, with nothing between.
///
/// # Errors
/// When the pipe breaks or an answer is not a result.
pub async fn over_pipe(pipe: &Pipe, tool: &str, load: Load) -> io::Result<Measured> {
    let tools = [tool.to_owned()];
    let echo = echo(&tools, load);
    let clients = (0..load.clients).map(|_| (PipeClient { pipe }, &echo));
    measure(clients.collect(), load, Duration::ZERO).await
}

/// Sends the same request again and again over HTTP: `method` with `params`, under the id 1. An
/// answer counts if it is at least as long as `least` bytes and ends as a result does.
///
/// # Errors
/// When a connection breaks or an answer is another.
pub async fn same_over_http(
    target: &Target,
    method: &str,
    params: &str,
    least: usize,
    load: Load,
) -> io::Result<Measured> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let asked = Same {
        body: body.into(),
        least,
    };
    let clients = open(target, load).await?;
    let clients = clients.into_iter().map(|client| (client, &asked));
    measure(clients.collect(), load, Duration::ZERO).await
}

/// Calls each tool until it answers with a result, all of them at once, each over a connection of its
/// own.
///
/// # Errors
/// When a connection breaks.
pub async fn until_all_answer(target: &Target) -> io::Result<()> {
    let each = target.tools.iter().map(|tool| async move {
        let mut client = HttpClient::open(target).await?;
        let params = format!(r#"{{"name":"{tool}","arguments":{{"text":"there"}}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let body = Bytes::from(body);
        loop {
            let answer = client.call(body.clone()).await?;
            if String::from_utf8_lossy(&answer).contains(r#""id":1,"result":"#) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    futures_util::future::try_join_all(each).await.map(drop)
}

async fn open(target: &Target, load: Load) -> io::Result<Vec<HttpClient>> {
    let mut clients = Vec::new();
    for _ in 0..load.clients {
        clients.push(HttpClient::open(target).await?);
    }
    Ok(clients)
}

/// Gets a path again and again over one connection, for `duration`.
///
/// # Errors
/// When the connection breaks or an answer is no success.
pub async fn get(target: &Target, duration: Duration) -> io::Result<Measured> {
    let mut client = HttpClient::connect(target).await?;
    let mut latencies = Vec::new();
    let started = Instant::now();
    while started.elapsed() < duration {
        let asked = Instant::now();
        client.send(hyper::Method::GET, Bytes::new()).await?;
        latencies.push(asked.elapsed());
    }
    Ok(Measured::new(latencies, started.elapsed()))
}

trait Client {
    async fn call(&mut self, body: Bytes) -> io::Result<Bytes>;
}

/// What is asked, and what counts as an answer: one that is wrong must not count as a fast one.
trait Asked {
    /// The request number `id` of the client number `client`.
    fn body(&self, client: usize, id: u64) -> Bytes;

    fn is_answer(&self, answer: &[u8], id: u64) -> bool;
}

/// Calls of tools that return their text.
struct Echo<'a> {
    tools: &'a [String],
    text: String,
}

fn echo(tools: &[String], load: Load) -> Echo<'_> {
    Echo {
        tools,
        text: "x".repeat(load.payload),
    }
}

impl Asked for Echo<'_> {
    fn body(&self, client: usize, id: u64) -> Bytes {
        let number = usize::try_from(id).unwrap_or_default() + client;
        let (tool, text) = (&self.tools[number % self.tools.len()], &self.text);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{text}"}}}}}}"#
        );
        body.into()
    }

    fn is_answer(&self, answer: &[u8], id: u64) -> bool {
        let answer = String::from_utf8_lossy(answer);
        answer.contains(&format!(r#""id":{id}"#)) && answer.contains(&self.text)
    }
}

/// The same request each time, whose answer is too long to be searched.
struct Same {
    body: Bytes,
    least: usize,
}

impl Asked for Same {
    fn body(&self, _: usize, _: u64) -> Bytes {
        self.body.clone()
    }

    fn is_answer(&self, answer: &[u8], _: u64) -> bool {
        let start = String::from_utf8_lossy(&answer[..answer.len().min(64)]);
        answer.len() >= self.least
            && start.contains(r#""id":1,"result":"#)
            && answer.trim_ascii_end().ends_with(b"}}")
    }
}

/// Has each client ask what it asks, resting for `pause` between two requests.
async fn measure(
    clients: Vec<(impl Client, &impl Asked)>,
    load: Load,
    pause: Duration,
) -> io::Result<Measured> {
    let counted_from = Instant::now() + load.warm_up;
    let end = counted_from + load.duration;
    let running = clients
        .into_iter()
        .enumerate()
        .map(|(number, (mut client, asked))| async move {
            let mut latencies = Vec::new();
            let mut id = 0_u64;
            loop {
                let since = Instant::now();
                if since >= end {
                    return Ok::<_, io::Error>(latencies);
                }
                id += 1;
                let answer = client.call(asked.body(number, id)).await?;
                if since >= counted_from {
                    latencies.push(since.elapsed());
                }
                if !asked.is_answer(&answer, id) {
                    let start = String::from_utf8_lossy(&answer[..answer.len().min(500)]);
                    return Err(io::Error::other(format!("not the answer to {id}: {start}")));
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
    let all = futures_util::future::try_join_all(running).await?;
    Ok(Measured::new(all.concat(), counted_from.elapsed()))
}

struct HttpClient {
    sender: SendRequest<Full<Bytes>>,
    headers: header::HeaderMap,
    path: String,
}

impl HttpClient {
    /// Connects and opens a session.
    async fn open(target: &Target) -> io::Result<Self> {
        let mut client = Self::connect(target).await?;
        let initialize = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{REVISION}","capabilities":{{}},"clientInfo":{{"name":"load","version":"1"}}}}}}"#
        );
        client.send(hyper::Method::POST, initialize.into()).await?;
        client
            .send(
                hyper::Method::POST,
                Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            )
            .await?;
        Ok(client)
    }

    async fn connect(target: &Target) -> io::Result<Self> {
        let uri: hyper::Uri = target.url.parse().map_err(io::Error::other)?;
        let authority = uri
            .authority()
            .ok_or_else(|| io::Error::other("no host"))?
            .to_string();
        let stream = TcpStream::connect(&authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // It ends with the sender.
        tokio::spawn(connection);
        let mut headers = header::HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).map_err(io::Error::other);
        headers.insert(header::HOST, value(&authority)?);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if let Some(token) = &target.token {
            headers.insert(header::AUTHORIZATION, value(&format!("Bearer {token}"))?);
        }
        Ok(Self {
            sender,
            headers,
            path: uri.path().to_owned(),
        })
    }

    async fn send(&mut self, method: hyper::Method, body: Bytes) -> io::Result<Bytes> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.parse().map_err(io::Error::other)?;
        *request.headers_mut() = self.headers.clone();
        self.sender.ready().await.map_err(io::Error::other)?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        if !response.status().is_success() {
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(io::Error::other)?;
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            return Err(io::Error::other(format!("{status}: {body}")));
        }
        if let Some(session) = response.headers().get("mcp-session-id") {
            self.headers.insert("mcp-session-id", session.clone());
            self.headers
                .insert("mcp-protocol-version", HeaderValue::from_static(REVISION));
        }
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?;
        Ok(body.to_bytes())
    }
}

impl Client for HttpClient {
    async fn call(&mut self, body: Bytes) -> io::Result<Bytes> {
        self.send(hyper::Method::POST, body).await
    }
}

struct PipeClient<'a> {
    pipe: &'a Pipe,
}

impl Client for PipeClient<'_> {
    async fn call(&mut self, body: Bytes) -> io::Result<Bytes> {
        self.pipe
            .request(&body)
            .await?
            .ok_or_else(|| io::Error::other("a call is not a notification"))
    }
}
