use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;

/// How often a stream without events says that it is alive.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// What says so: a comment.
pub(super) const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");

/// Answers with a stream of encoded events.
pub(super) fn response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Encodes an event after its `head`: nothing, or the line of its id.
pub(super) fn event(head: &str, name: &str, data: &[u8]) -> Bytes {
    let mut event = format!("{head}event: {name}\ndata: ").into_bytes();
    event.extend_from_slice(data);
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// Encodes the data of an event.
pub(super) fn json(data: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(data).expect("wire types have no keys but strings")
}
