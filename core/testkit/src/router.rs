//! The smallest gateway that routes: one address before several servers over HTTP or stdio, on one
//! thread. It looks at a message's id, method and tool, puts its own id and the server's name of the
//! tool in their places, and looks at nothing else. What a gateway cannot do without, and so what
//! one is measured against: no credentials, no review, no timeouts, no metrics.

use std::{
    borrow::Cow,
    cell::RefCell,
    convert::Infallible,
    io,
    net::Ipv4Addr,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpListener, process::Command, task::LocalSet};

use crate::{http::say_address, pipe::Pipe, session::REVISION};

/// Between a server's name and its tool's.
const BETWEEN: &str = "__";

/// A router that runs.
struct Router {
    servers: Vec<Server>,
    /// The `tools` of the list, once a server has said them: put together once for each change.
    list: RefCell<Bytes>,
    next: AtomicU64,
}

struct Server {
    name: String,
    way: Way,
    /// Its tools under their offered names, once it has said them.
    tools: RefCell<Option<Vec<Value>>>,
}

enum Way {
    Http(Box<HttpWay>),
    Stdio(Box<Pipe>),
}

struct HttpWay {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    session: RefCell<HeaderMap>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
}

/// Routes to `servers`, each `NAME=URL` or `NAME=PROGRAM`, until it is killed.
///
/// # Errors
/// When there is no port, a program cannot be started, or a server is written otherwise.
pub fn run(servers: &[String]) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(servers))
}

async fn serve(servers: &[String]) -> io::Result<()> {
    let servers: io::Result<Vec<_>> = servers
        .iter()
        .map(|written| Server::start(written))
        .collect();
    let router = Rc::new(Router {
        servers: servers?,
        list: RefCell::new(Bytes::from_static(br#"{"tools":[]}"#)),
        next: AtomicU64::new(1),
    });
    for server in 0..router.servers.len() {
        let router = Rc::clone(&router);
        // One that hangs holds up nobody.
        tokio::task::spawn_local(async move { router.introduce(server).await });
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say_address(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A connection that is closed already needs no option.
        let _ = stream.set_nodelay(true);
        let router = Rc::clone(&router);
        tokio::task::spawn_local(async move {
            let answering = service_fn(move |request| {
                let router = Rc::clone(&router);
                async move { Ok::<_, Infallible>(router.answer(request).await) }
            });
            // A client that breaks off is no longer there to be told.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answering)
                .await;
        });
    }
}

impl Server {
    fn start(written: &str) -> io::Result<Self> {
        let (name, at) = written.split_once('=').ok_or_else(|| {
            io::Error::other(format!("`{written}` is no NAME=URL or NAME=PROGRAM"))
        })?;
        let way = if at.starts_with("http://") {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            Way::Http(Box::new(HttpWay {
                client: Client::builder(TokioExecutor::new()).build(connector),
                url: at.parse().map_err(io::Error::other)?,
                session: RefCell::default(),
            }))
        } else {
            let mut words = at.split(' ');
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words);
            Way::Stdio(Box::new(Pipe::start(command)?))
        };
        Ok(Self {
            name: name.to_owned(),
            way,
            tools: RefCell::default(),
        })
    }

    /// Sends a message and returns its answer, empty for a notification.
    async fn ask(&self, message: Bytes) -> io::Result<Bytes> {
        match &self.way {
            Way::Stdio(pipe) => Ok(pipe.request(&message).await?.unwrap_or_default()),
            Way::Http(way) => {
                let HttpWay {
                    client,
                    url,
                    session,
                } = &**way;
                let mut request = Request::new(Full::new(message));
                *request.method_mut() = Method::POST;
                *request.uri_mut() = url.clone();
                let headers = request.headers_mut();
                headers.clone_from(&session.borrow());
                let json = HeaderValue::from_static("application/json");
                headers.insert(header::CONTENT_TYPE, json);
                let accept = HeaderValue::from_static("application/json, text/event-stream");
                headers.insert(header::ACCEPT, accept);
                let response = client.request(request).await.map_err(io::Error::other)?;
                if let Some(id) = response.headers().get("mcp-session-id") {
                    session.borrow_mut().insert("mcp-session-id", id.clone());
                }
                let body = response.into_body().collect().await;
                Ok(body.map_err(io::Error::other)?.to_bytes())
            }
        }
    }
}

impl Router {
    /// Introduces itself to a server and takes in its tools; again where that fails.
    async fn introduce(&self, number: usize) {
        let server = &self.servers[number];
        while self.try_introduce(server).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn try_introduce(&self, server: &Server) -> io::Result<()> {
        let hello = json!({
            "jsonrpc": "2.0",
            "id": self.next(),
            "method": "initialize",
            "params": {
                "protocolVersion": REVISION,
                "capabilities": {},
                "clientInfo": {"name": "router", "version": "1"},
            },
        });
        server.ask(hello.to_string().into()).await?;
        let there = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        server.ask(there.to_string().into()).await?;
        let list = json!({"jsonrpc": "2.0", "id": self.next(), "method": "tools/list"});
        let answer = server.ask(list.to_string().into()).await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        let Value::Array(mut tools) = answer["result"]["tools"].take() else {
            return Err(io::Error::other(format!("no list of tools: {answer}")));
        };
        for tool in &mut tools {
            let name = tool["name"].as_str().unwrap_or_default();
            tool["name"] = format!("{}{BETWEEN}{name}", server.name).into();
        }
        server.tools.replace(Some(tools));
        let said = self.servers.iter().map(|server| server.tools.borrow());
        let all: Vec<Value> = said.filter_map(|tools| tools.clone()).flatten().collect();
        self.list.replace(json!({"tools": all}).to_string().into());
        Ok(())
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let Ok(message) = serde_json::from_slice::<Message<'_>>(&body) else {
            return plain(StatusCode::BAD_REQUEST, "no message");
        };
        let Some(id) = message.id else {
            return plain(StatusCode::ACCEPTED, "");
        };
        match &*message.method {
            "initialize" => {
                let result = json!({
                    "protocolVersion": REVISION,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "router", "version": "1"},
                });
                let mut response = ok(under(id, "result", result.to_string().as_bytes()));
                let session = HeaderValue::from(self.next());
                response.headers_mut().insert("mcp-session-id", session);
                response
            }
            "tools/list" => ok(under(id, "result", &self.list.borrow())),
            "tools/call" => match self.call(&body, &message, id).await {
                Ok(answer) => ok(answer),
                Err(error) => {
                    let error = json!({"code": -32000, "message": error.to_string()});
                    ok(under(id, "error", error.to_string().as_bytes()))
                }
            },
            _ => ok(under(
                id,
                "error",
                br#"{"code":-32601,"message":"no such method"}"#,
            )),
        }
    }

    async fn call(&self, body: &Bytes, message: &Message<'_>, id: &RawValue) -> io::Result<Bytes> {
        let unknown = || io::Error::other("no such tool");
        let params = message.params.ok_or_else(unknown)?;
        let name = serde_json::from_str::<Params<'_>>(params.get())?.name;
        let quoted = name.get();
        let (server, tool) = quoted.split_once(BETWEEN).ok_or_else(unknown)?;
        let server = self.servers.iter().find(|it| it.name == server[1..]);
        let server = server.filter(|it| it.tools.borrow().is_some());
        let server = server.ok_or_else(unknown)?;
        let (name, tool) = (range(body, quoted), format!("\"{tool}"));
        // The pipe gives ids of its own.
        if let Way::Stdio(_) = server.way {
            return server.ask(spliced(body, [(name, tool.as_bytes())])).await;
        }
        let own = self.next().to_string();
        let mut edits = [
            (name, tool.as_bytes()),
            (range(body, id.get()), own.as_bytes()),
        ];
        edits.sort_unstable_by_key(|(range, _)| range.start);
        let answer = server.ask(spliced(body, edits)).await?;
        let theirs = serde_json::from_slice::<Message<'_>>(&answer)?.id;
        let theirs = range(&answer, theirs.ok_or_else(unknown)?.get());
        Ok(spliced(&answer, [(theirs, id.get().as_bytes())]))
    }
}

/// Returns where a part of a message stands in it.
fn range(message: &Bytes, part: &str) -> std::ops::Range<usize> {
    let start = part.as_ptr().addr() - message.as_ptr().addr();
    start..start + part.len()
}

/// Returns a message with parts of it, in order, replaced.
fn spliced<const N: usize>(message: &Bytes, edits: [(std::ops::Range<usize>, &[u8]); N]) -> Bytes {
    let added: usize = edits.iter().map(|(_, by)| by.len()).sum();
    let mut result = BytesMut::with_capacity(message.len() + added);
    let mut at = 0;
    for (range, by) in edits {
        result.extend_from_slice(&message[at..range.start]);
        result.extend_from_slice(by);
        at = range.end;
    }
    result.extend_from_slice(&message[at..]);
    result.freeze()
}

fn under(id: &RawValue, member: &str, value: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(value.len() + 64);
    for part in [r#"{"jsonrpc":"2.0","id":"#, id.get(), ",\"", member, "\":"] {
        message.extend_from_slice(part.as_bytes());
    }
    message.extend_from_slice(value);
    message.extend_from_slice(b"}");
    message.freeze()
}

fn ok(message: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}
