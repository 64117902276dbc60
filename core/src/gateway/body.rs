//! The body of a client's request: read whole, up to a limit and within a time.

use std::{pin::pin, task::Poll, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::timeout;

use super::respond;
use crate::{
    api::BODY_WITHIN,
    mcp::{CLIENT_MESSAGE_BYTES_MAX, Refusal, media},
};

/// How much of a body that is too long is still read, and for how long, so that its sender hears
/// the refusal: many write all they have before they read.
const DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// The JSON-RPC code of an invalid request.
const INVALID_REQUEST: i32 = -32600;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    TooLong,
    Late,
    CutOff,
}

/// Reads the body of a request that says that it is JSON, as it stands.
pub(super) async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Response> {
    if !is_json(headers) {
        return Err(not_json());
    }
    if !is_plain(headers) {
        return Err(encoded());
    }
    let too_long = body.size_hint().lower() > CLIENT_MESSAGE_BYTES_MAX as u64;
    // Who waits for a word before it sends gets this one, and sends nothing.
    if too_long && headers.contains_key(header::EXPECT) {
        return Err(unread(Unread::TooLong));
    }
    let outcome = if too_long {
        Err(Unread::TooLong)
    } else {
        whole(&mut body).await
    };
    if outcome == Err(Unread::TooLong) {
        // What does not end within the bounds is cut off.
        let _ = timeout(DRAIN_WITHIN, drain(&mut body)).await;
    }
    outcome.map_err(unread)
}

async fn whole(body: &mut Body) -> Result<Bytes, Unread> {
    let mut reading = pin!(collect(body));
    // Most have come already, and need no timer.
    let first = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    match first {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => timeout(BODY_WITHIN, reading)
            .await
            .unwrap_or(Err(Unread::Late)),
    }
}

async fn collect(body: &mut Body) -> Result<Bytes, Unread> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(data) = next(body).await? {
        if first.len() + all.len() + data.len() > CLIENT_MESSAGE_BYTES_MAX {
            return Err(Unread::TooLong);
        }
        if first.is_empty() && all.is_empty() {
            // Mostly the only one, which is not copied.
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Unread> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::CutOff),
            // Trailers say nothing here.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn drain(body: &mut Body) {
    let mut left = DRAIN_BYTES_MAX;
    while let Ok(Some(data)) = next(body).await {
        if data.len() > left {
            return;
        }
        left -= data.len();
    }
}

/// Whether the body says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| media::is(kind, media::JSON))
}

/// Whether the body stands there as it is.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.all(|encoding| {
        encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

fn not_json() -> Response {
    let refusal = Refusal::of_message(
        INVALID_REQUEST,
        "not_json",
        "the Content-Type is not application/json",
        "Send JSON with Content-Type: application/json.",
    );
    respond::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, b"null", &refusal)
}

fn encoded() -> Response {
    let refusal = Refusal::of_message(
        INVALID_REQUEST,
        "content_encoding",
        "the body has a Content-Encoding, and none is supported",
        "Send the body as it is.",
    );
    let mut response = respond::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, b"null", &refusal);
    let plain = HeaderValue::from_static("identity");
    response
        .headers_mut()
        .insert(header::ACCEPT_ENCODING, plain);
    response
}

fn unread(why: Unread) -> Response {
    let (status, kind, message, remedy) = match why {
        Unread::TooLong => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "message_too_long",
            format!(
                "the message is longer than {} MB",
                CLIENT_MESSAGE_BYTES_MAX / 1024 / 1024
            ),
            "Send less at once.",
        ),
        Unread::Late => (
            StatusCode::REQUEST_TIMEOUT,
            "message_late",
            format!(
                "the message was not there within {} s",
                BODY_WITHIN.as_secs()
            ),
            "Send it again, whole.",
        ),
        Unread::CutOff => (
            StatusCode::BAD_REQUEST,
            "message_cut_off",
            "the body broke off before its end".to_owned(),
            "Send it again, whole, with the length that it has.",
        ),
    };
    let refusal = Refusal::of_message(INVALID_REQUEST, kind, message, remedy);
    let mut response = respond::refused(status, b"null", &refusal);
    // What is left of the body is not read.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::time::Instant;

    use super::*;

    fn json() -> HeaderMap {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        HeaderMap::from_iter([(header::CONTENT_TYPE, json)])
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_body_is_waited_for_as_long_as_it_may_take_and_no_longer() {
        let began = Instant::now();
        let first = futures_util::stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"{"))]);
        let half = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let refused = read(&json(), Body::from_stream(half)).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(refused.headers()[header::CONNECTION], "close");
        assert_eq!(began.elapsed(), BODY_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_is_read_for_a_while_and_kept_nowhere() {
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        let endless = futures_util::stream::repeat_with(move || Ok::<_, io::Error>(piece.clone()));
        let refused = read(&json(), Body::from_stream(endless)).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        // One of which no more comes.
        let began = Instant::now();
        let piece = Bytes::from(vec![b'x'; CLIENT_MESSAGE_BYTES_MAX + 1]);
        let first = futures_util::stream::iter([Ok::<_, io::Error>(piece)]);
        let stuck = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let refused = read(&json(), Body::from_stream(stuck)).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(began.elapsed(), DRAIN_WITHIN);
    }

    #[tokio::test]
    async fn pieces_are_put_together() {
        let pieces = ["{", "", "\"a\":1", "}"];
        let pieces =
            futures_util::stream::iter(pieces.map(|it| Ok::<_, io::Error>(Bytes::from(it))));
        let body = read(&json(), Body::from_stream(pieces)).await.unwrap();
        assert_eq!(body, "{\"a\":1}");
        let broken = futures_util::stream::iter([
            Ok(Bytes::from_static(b"{")),
            Err(io::Error::other("it broke")),
        ]);
        let refused = read(&json(), Body::from_stream(broken)).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
}
