use std::{io, pin::pin, sync::Arc, time::Duration};

use hyper::server::conn::{http1 as h1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connections::{Connections, Open},
    door::Door,
    felt::Felt,
    http1,
};
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
    one: h1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Builders {
    fn new() -> Self {
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.max_concurrent_streams(STREAMS_MAX);
        Self {
            one: h1::Builder::new(),
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
    match begins {
        Ok(false) => http1::serve(&builders.one, stream, &open, front, &stop).await,
        // Few connections take the room that it needs.
        Ok(true) => Box::pin(http2(&builders.two, stream, &open, front, &stop)).await,
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

/// Serves a connection of HTTP/2 until it ends. On `stop` it takes no more requests.
async fn http2(
    builder: &http2::Builder<TokioExecutor>,
    stream: TcpStream,
    open: &Open,
    front: Front,
    stop: &CancellationToken,
) {
    let pulse = open.pulse();
    pulse.framed();
    let io = TokioIo::new(Felt::new(stream, Arc::clone(pulse)));
    let door = Door {
        front,
        pulse: Arc::clone(pulse),
        aside: None,
    };
    let mut serving = pin!(builder.serve_connection(io, door));
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
                serving.as_mut().graceful_shutdown();
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
