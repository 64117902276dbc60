//! The connections to one server's address: each carries one request at a time, and is kept for the
//! next.

use std::{
    collections::BTreeMap,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use axum::http::{HeaderValue, Request, Response, Uri, uri::PathAndQuery};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Frame, Incoming, SizeHint},
    client::conn::http1::{self, SendRequest},
};
use tokio::time::{Instant, sleep, timeout};

use super::client::{Client, Opened};
use crate::{
    server::Cause,
    upstream::{CallError, link::describe},
};

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Unused connections that are kept: as many as may be used at once by default.
const IDLE_MAX: usize = 64;

/// How much of an answer that says nothing more is read, and for how long, so that the next request
/// needs no new connection.
const REST_BYTES_MAX: usize = 64 * 1024;
const REST_WITHIN: Duration = Duration::from_secs(1);

/// Sends requests to one server's address.
#[derive(Debug)]
pub(super) struct Lines {
    client: Client,
    to: Uri,
    idle: Mutex<Kept>,
    own: Weak<Self>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Idle>,
    /// Whether somebody closes those that are not used.
    looked_after: bool,
}

#[derive(Debug)]
struct Idle {
    line: Line,
    since: Instant,
}

/// An open connection.
#[derive(Debug)]
struct Line {
    sender: SendRequest<Full<Bytes>>,
    speaks_to_proxy: bool,
}

/// Those that are in use, by scheme, host and port.
static ALL: Mutex<BTreeMap<String, Weak<Lines>>> = Mutex::new(BTreeMap::new());

impl Lines {
    /// Returns the connections to an address's server, which all share who send to it; none is opened
    /// yet.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(super) fn to(address: &Uri) -> Result<Arc<Self>, Cause> {
        let client = Client::to(address)?;
        let mut origin = address.clone().into_parts();
        origin.path_and_query = Some(PathAndQuery::from_static("/"));
        // The parts of an address make one.
        let origin = Uri::from_parts(origin).unwrap_or_else(|_| address.clone());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let name = origin.to_string();
        if let Some(lines) = all.get(&name).and_then(Weak::upgrade) {
            return Ok(lines);
        }
        let lines = Self::new(client, origin);
        all.retain(|_, lines| lines.strong_count() > 0);
        all.insert(name, Arc::downgrade(&lines));
        Ok(lines)
    }

    fn new(client: Client, to: Uri) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            client,
            to,
            idle: Mutex::default(),
            own: own.clone(),
        })
    }

    /// Returns what requests say to a proxy that reads them.
    pub(super) fn introduction(&self) -> Option<HeaderValue> {
        self.client.introduction(&self.to)
    }

    /// Sends a request that names its target by path alone; returns when the head of its answer is
    /// there.
    ///
    /// # Errors
    /// When there is none; the error tells whether the server can have acted.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, CallError> {
        loop {
            let kept = self.unused();
            let is_new = kept.is_none();
            let mut line = match kept {
                Some(line) => line,
                // Rare, and large.
                None => Box::pin(self.open()).await?,
            };
            if line.speaks_to_proxy {
                *request.uri_mut() = self.absolute(request.uri());
            }
            match line.sender.try_send_request(request).await {
                Ok(response) => {
                    return Ok(response.map(|incoming| Body {
                        incoming,
                        line: Some(line),
                        lines: self.own.clone(),
                    }));
                }
                Err(mut error) => match error.take_message() {
                    // It was closed while nobody used it.
                    Some(unsent) if !is_new => request = unsent,
                    Some(_) | None => {
                        tracing::debug!(error = describe(error.error()), "request failed");
                        return Err(CallError::ServerEnded);
                    }
                },
            }
        }
    }

    /// Returns a target as a proxy reads it.
    fn absolute(&self, target: &Uri) -> Uri {
        let mut parts = self.to.clone().into_parts();
        parts.path_and_query = target.path_and_query().cloned();
        // The parts of one address make an address.
        Uri::from_parts(parts).unwrap_or_else(|_| self.to.clone())
    }

    async fn open(&self) -> Result<Line, CallError> {
        let Opened {
            stream,
            speaks_to_proxy,
        } = self.client.open(self.to.clone()).await?;
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| {
            tracing::debug!(%error, "connection failed");
            CallError::ServerEnded
        })?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(Line {
            sender,
            speaks_to_proxy,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection that was used last.
    fn unused(&self) -> Option<Line> {
        let mut kept = self.kept();
        loop {
            let lines = &mut kept.lines;
            let at = lines.iter().rposition(|idle| idle.line.is_ready())?;
            let idle = lines.remove(at);
            if !idle.is_over() {
                return Some(idle.line);
            }
        }
    }

    /// Keeps a connection for the next request.
    fn keep(&self, line: Line) {
        let mut kept = self.kept();
        if kept.lines.len() >= IDLE_MAX {
            return;
        }
        let since = Instant::now();
        kept.lines.push(Idle { line, since });
        if !mem::replace(&mut kept.looked_after, true) {
            tokio::spawn(look_after(self.own.clone()));
        }
    }
}

/// Closes connections that are not used, until there is none.
async fn look_after(lines: Weak<Lines>) {
    loop {
        sleep(IDLE_TIMEOUT).await;
        let Some(lines) = lines.upgrade() else {
            return;
        };
        let mut kept = lines.kept();
        kept.lines.retain(|idle| !idle.is_over());
        if kept.lines.is_empty() {
            kept.looked_after = false;
            return;
        }
    }
}

impl Idle {
    fn is_over(&self) -> bool {
        self.line.sender.is_closed() || self.since.elapsed() >= IDLE_TIMEOUT
    }
}

impl Line {
    /// Whether it can be used, or is found not to be.
    fn is_ready(&self) -> bool {
        self.sender.is_ready() || self.sender.is_closed()
    }
}

/// The body of an answer. At its end, its connection is there for the next request.
#[derive(Debug)]
pub(in crate::upstream) struct Body {
    incoming: Incoming,
    line: Option<Line>,
    lines: Weak<Lines>,
}

impl Body {
    /// Lets go of an answer that has said what it has to say. What little may be left of it is read,
    /// for the sake of its connection.
    pub(in crate::upstream) fn let_go(mut self) {
        if self.line.is_some() && !self.read_what_is_there() {
            // What does not end soon ends with its connection.
            tokio::spawn(timeout(REST_WITHIN, self.read_rest()));
        }
    }

    /// Reads what has come already; returns whether that was all.
    fn read_what_is_there(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        // What has not come yet is not waited for, so this ends.
        while self.line.is_some() {
            match Pin::new(&mut *self).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None | Some(Err(_))) => return true,
                Poll::Pending => return false,
            }
        }
        true
    }

    async fn read_rest(mut self) {
        let mut left = REST_BYTES_MAX;
        while let Some(Ok(frame)) = self.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = left.checked_sub(length) else {
                return;
            };
            left = less;
        }
    }

    /// Gives its connection back.
    fn ended(&mut self) {
        if let Some((line, lines)) = self.line.take().zip(self.lines.upgrade()) {
            lines.keep(line);
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            Some(Ok(_)) | None => self.ended(),
            Some(Err(_)) => self.line = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        sync::Semaphore,
        task::yield_now,
    };

    use super::*;

    /// A server whose every answer is a few bytes and, once it may, the end.
    struct Server {
        lines: Arc<Lines>,
        connections: Arc<AtomicUsize>,
        may_end: Arc<Semaphore>,
    }

    impl Server {
        /// Begins; each connection is closed after so many answers.
        async fn start(answers: usize, may_end: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = format!("http://{}/a?b=c", listener.local_addr().unwrap());
            let to: Uri = to.parse().unwrap();
            let connections = Arc::new(AtomicUsize::new(0));
            let may_end = Arc::new(Semaphore::new(may_end));
            let (counted, ends) = (Arc::clone(&connections), Arc::clone(&may_end));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(answer(stream, answers, Arc::clone(&ends)));
                }
            });
            Self {
                lines: Lines::new(Client::to(&to).unwrap(), to),
                connections,
                may_end,
            }
        }

        async fn ask(&self) -> Body {
            let mut request = Request::new(Full::new(Bytes::from_static(b"{}")));
            *request.uri_mut() = Uri::from_static("/a?b=c");
            self.lines.send(request).await.unwrap().into_body()
        }

        fn connections(&self) -> usize {
            self.connections.load(Ordering::Relaxed)
        }

        /// Waits until so many connections are unused.
        async fn has_kept(&self, count: usize) {
            while self.lines.kept().lines.len() != count {
                yield_now().await;
            }
        }
    }

    async fn answer(mut stream: TcpStream, answers: usize, may_end: Arc<Semaphore>) {
        let mut request = [0; 1024];
        for _ in 0..answers {
            let mut length = 0;
            while !request[..length].ends_with(b"\r\n\r\n{}") {
                match stream.read(&mut request[length..]).await {
                    Ok(0) | Err(_) => return,
                    Ok(more) => length += more,
                }
            }
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
            stream.write_all(head).await.unwrap();
            may_end.acquire().await.unwrap().forget();
            // Who asked may be gone.
            let _ = stream.write_all(b"0\r\n\r\n").await;
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_the_next_request() {
        let server = Server::start(usize::MAX, Semaphore::MAX_PERMITS).await;
        for _ in 0..3 {
            assert_eq!(server.ask().await.collect().await.unwrap().to_bytes(), "ok");
        }
        assert_eq!(server.connections(), 1);
        let (first, second) = (server.ask().await, server.ask().await);
        assert_eq!(server.connections(), 2, "each carries one at a time");
        drop((first.collect().await, second.collect().await));
        server.has_kept(2).await;
    }

    #[tokio::test]
    async fn one_that_was_closed_while_nobody_used_it_is_replaced() {
        let server = Server::start(1, Semaphore::MAX_PERMITS).await;
        for _ in 0..20 {
            assert_eq!(server.ask().await.collect().await.unwrap().to_bytes(), "ok");
        }
        assert_eq!(server.connections(), 20);
    }

    #[tokio::test]
    async fn an_answer_that_says_nothing_more_gives_its_connection_back() {
        let server = Server::start(usize::MAX, 0).await;
        let mut body = server.ask().await;
        assert!(body.frame().await.is_some());
        body.let_go();
        assert!(server.lines.kept().lines.is_empty(), "it has not ended yet");
        server.may_end.add_permits(1);
        server.has_kept(1).await;
        // Who is not let go ends with its connection: the server sees that nobody reads on.
        drop(server.ask().await);
        server.may_end.add_permits(2);
        server.ask().await.let_go();
        server.has_kept(1).await;
        assert_eq!(server.connections(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_closed() {
        let server = Server::start(usize::MAX, Semaphore::MAX_PERMITS).await;
        drop(server.ask().await.collect().await);
        sleep(IDLE_TIMEOUT / 2).await;
        drop(server.ask().await.collect().await);
        sleep(IDLE_TIMEOUT * 2 / 3).await;
        assert_eq!(server.lines.kept().lines.len(), 1);
        sleep(IDLE_TIMEOUT).await;
        let kept = server.lines.kept();
        assert!(kept.lines.is_empty() && !kept.looked_after);
    }

    #[test]
    fn who_sends_to_the_same_server_shares_its_connections() {
        let lines = |address: &str| Lines::to(&address.parse().unwrap()).unwrap();
        let (first, again) = (
            lines("http://a.test:1/mcp"),
            lines("http://a.test:1/other?x"),
        );
        assert!(Arc::ptr_eq(&first, &again));
        for other in ["http://a.test:2/mcp", "http://b.test:1/mcp"] {
            assert!(!Arc::ptr_eq(&first, &lines(other)), "{other}");
        }
        let gone = Arc::downgrade(&first);
        drop((first, again));
        assert!(gone.upgrade().is_none());
    }

    #[tokio::test]
    async fn a_proxy_reads_the_whole_address() {
        let to: Uri = "http://example.com:8080/mcp".parse().unwrap();
        let lines = Lines::new(Client::to(&to).unwrap(), to);
        let target = Uri::from_static("/other?a=b");
        assert_eq!(lines.absolute(&target), "http://example.com:8080/other?a=b");
    }
}
