use std::{pin::Pin, sync::Arc};

use hyper::server::conn::http1::{self, Parts};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{
    chunks,
    connections::{Open, Request},
    door::{Aside, Door},
    felt::{Felt, has_ended},
};
use crate::api::Front;

type Served = http1::Connection<TokioIo<Felt>, Door>;

/// Serves a connection of HTTP/1.1 until it ends. While nothing happens on it, nothing but its
/// socket is kept, and the stream of events that is written on it: what hyper has for one is 20 KiB,
/// most of it two buffers.
pub(super) async fn serve(
    builder: &http1::Builder,
    stream: TcpStream,
    open: &Open,
    front: Front,
    stop: &CancellationToken,
) {
    let pulse = open.pulse();
    let aside = Aside::default();
    let mut felt = Felt::new(stream, Arc::clone(pulse));
    loop {
        pulse.bare(false);
        let door = Door {
            front: front.clone(),
            pulse: Arc::clone(pulse),
            aside: Some(aside.clone()),
        };
        let serving = Box::pin(builder.serve_connection(TokioIo::new(felt), door));
        let Some(serving) = until_quiet(serving, open, stop).await else {
            return;
        };
        // From here to its end the stream's request is in progress by this.
        let streamed = aside.take().map(|body| (body, pulse.request()));
        felt = bare(serving);
        pulse.bare(true);
        let port = felt.stream.peer_addr().map_or(0, |peer| peer.port());
        tracing::debug!(port, "connection at rest");
        if let Some((body, request)) = streamed
            && !stream_on(&mut felt, body, request, open).await
        {
            return;
        }
        if felt.before.is_empty() {
            let ended = tokio::select! {
                ended = has_ended(&felt.stream) => ended.unwrap_or(true),
                () = open.ended() => true,
                () = stop.cancelled() => true,
            };
            if ended {
                return;
            }
        }
    }
}

/// Serves a connection until nothing has happened on it for a while; nothing once it has ended. On
/// `stop` it takes no more requests.
async fn until_quiet(
    mut serving: Pin<Box<Served>>,
    open: &Open,
    stop: &CancellationToken,
) -> Option<Pin<Box<Served>>> {
    let mut stopping = false;
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended");
                }
                return None;
            }
            () = open.ended() => return None,
            () = open.resting(), if !stopping => {
                if open.pulse().is_quiet() {
                    return Some(serving);
                }
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Returns the connection without what served it, with what that has read ahead.
fn bare(serving: Pin<Box<Served>>) -> Felt {
    let Parts { io, read_buf, .. } = (*Pin::into_inner(serving)).into_parts();
    let mut felt = io.into_inner();
    if !read_buf.is_empty() {
        felt.before = read_buf;
    }
    felt
}

/// Goes on with a stream of events; whether the connection can be used when it has ended.
async fn stream_on(
    felt: &mut Felt,
    body: axum::body::Body,
    _request: Request,
    open: &Open,
) -> bool {
    let watch = felt.before.is_empty();
    tokio::select! {
        written = chunks::write(&mut felt.stream, body, watch) => {
            if let Err(error) = &written {
                tracing::debug!(%error, "connection ended");
            }
            written.is_ok()
        }
        () = open.ended() => false,
    }
}
