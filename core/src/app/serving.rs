use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    Response,
    body::{Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connections::{Connections, Open, Pulse, Request};
use crate::api::Front;

/// How long no connection is accepted after the system has refused one.
const REST: Duration = Duration::from_millis(100);

/// What a connection is told for which there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 173\r\n\r\n\
    {\"type\":\"urn:narthex:busy\",\"title\":\"busy\",\"status\":503,\"detail\":\"too many connections are open, and all are busy\",\"remedy\":\"Close some, or try again when calls have ended.\"}";

/// Serves HTTP/1.1 and HTTP/2 at one address until `stop`; returns when what is open has ended.
pub(super) async fn serve(listener: TcpListener, front: Front, stop: CancellationToken) {
    let connections = Connections::new();
    let builders = Arc::new(Builders::new());
    let tasks = TaskTracker::new();
    let refusing = Arc::new(Semaphore::new(REFUSING_MAX));
    tasks.spawn(connections.clone().look_after(stop.clone()));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !is_of_connection(&error) {
                    // Mostly there are no descriptors left.
                    tracing::warn!(%error, "connection not accepted");
                    connections.make_room();
                    tokio::time::sleep(REST).await;
                }
                continue;
            }
        };
        // Without it, each streamed answer waits 40 ms for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
        let Some(open) = connections.open() else {
            // Whoever gets no word sees it closed.
            if let Ok(permit) = Arc::clone(&refusing).try_acquire_owned() {
                tasks.spawn(refuse(stream, permit));
            }
            continue;
        };
        let (builders, front) = (Arc::clone(&builders), front.clone());
        tasks.spawn(connection(builders, stream, open, front, stop.clone()));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Connections that are told at once that there is no room for them.
const REFUSING_MAX: usize = 16;

/// How long that may take.
const REFUSE_WITHIN: Duration = Duration::from_secs(1);

/// Tells a connection that there is no room for it. It is read on, so that it hears that.
async fn refuse(mut stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let telling = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    if !matches!(timeout(REFUSE_WITHIN, telling).await, Ok(Ok(()))) {
        tracing::debug!("connection refused without a word");
    }
}

/// Requests in progress on one connection of HTTP/2 at most.
const STREAMS_MAX: u32 = 200;

/// What connections are served by.
struct Builders {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Builders {
    fn new() -> Self {
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.max_concurrent_streams(STREAMS_MAX);
        Self {
            one: http1::Builder::new(),
            two,
        }
    }
}

async fn connection(
    builders: Arc<Builders>,
    stream: TcpStream,
    open: Open,
    front: Front,
    stop: CancellationToken,
) {
    let begins = tokio::select! {
        begins = begins_http2(&stream) => begins,
        () = open.ended() => return,
        () = stop.cancelled() => return,
    };
    let pulse = Arc::clone(open.pulse());
    let io = TokioIo::new(Felt {
        stream,
        pulse: Arc::clone(&pulse),
    });
    let door = Door { front, pulse };
    match begins {
        Ok(false) => {
            let serving = builders.one.serve_connection(io, door);
            drive(serving, http1::Connection::graceful_shutdown, &open, &stop).await;
        }
        Ok(true) => {
            open.pulse().framed();
            let serving = builders.two.serve_connection(io, door);
            let end = http2::Connection::graceful_shutdown;
            // Few connections take the room that it needs.
            Box::pin(drive(serving, end, &open, &stop)).await;
        }
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}

/// What a connection of HTTP/2 begins with, and no request of HTTP/1.1 that is served here.
const HTTP2: &[u8] = b"PRI";

/// Whether a connection begins as HTTP/2 does, which its first segment tells. Nothing is taken from
/// it: what is read into the buffer of a connection beforehand makes it twice as large for good.
async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut begin = [0; HTTP2.len()];
    let known = stream.peek(&mut begin).await?;
    Ok(begin[..known] == *HTTP2)
}

/// Serves a connection until it ends. On `stop`, `end` has it take no more requests.
async fn drive<C, E>(serving: C, end: impl Fn(Pin<&mut C>), open: &Open, stop: &CancellationToken)
where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut serving = std::pin::pin!(serving);
    let mut stopping = false;
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = open.ended() => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                end(serving.as_mut());
            }
        }
    }
}

/// Whether an error of `accept` is one connection's own.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A connection whose pulse is felt.
struct Felt {
    stream: TcpStream,
    pulse: Arc<Pulse>,
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.pulse.read(&buffer.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Felt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where the requests of one connection come in.
#[derive(Clone)]
struct Door {
    front: Front,
    pulse: Arc<Pulse>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Door {
    type Response = Response<Answer>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let pulse = self.pulse.request();
        let front = self.front.clone();
        Box::pin(async move {
            let response = front.answer(request.map(Body::new)).await;
            Ok(response.map(|body| Answer {
                body,
                _request: pulse,
            }))
        })
    }
}

/// The body of a response, which keeps its request among those in progress.
struct Answer {
    body: Body,
    _request: Request,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_where_there_is_no_room_is_well_formed() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["status"], 503);
    }
}
