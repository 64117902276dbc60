use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::session::Session;
use crate::{
    api::wire::ProblemDetails,
    mcp::{Refusal, Spliced},
};

/// A body of a few pieces with a known length, so that it is sent whole and without a copy.
struct Pieces {
    left: VecDeque<Bytes>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// Answers with a message.
pub(super) fn message(message: Spliced) -> Response {
    let body = match <[Bytes; 1]>::try_from(message.pieces) {
        Ok([whole]) => Body::from(whole),
        Err(pieces) => Body::new(Pieces {
            left: pieces.into(),
        }),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// Returns the response to the request whose id is spelled `id`, with a result.
pub(super) fn result(id: &[u8], result: Bytes) -> Spliced {
    result_of(id, [result])
}

/// Returns the response to the request whose id is spelled `id`, with the result that these pieces
/// are.
pub(super) fn result_of(id: &[u8], result: impl IntoIterator<Item = Bytes>) -> Spliced {
    let mut start = Vec::with_capacity(40 + id.len());
    start.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    start.extend_from_slice(id);
    start.extend_from_slice(br#","result":"#);
    let mut pieces = vec![start.into()];
    pieces.extend(result);
    pieces.push(Bytes::from_static(b"}"));
    Spliced { pieces }
}

/// Answers `initialize`.
pub(super) fn initialized(session: &Session, id: &[u8], outcome: Bytes) -> Response {
    let mut response = message(result(id, outcome));
    if let Ok(value) = HeaderValue::from_str(session.id.as_str()) {
        response.headers_mut().insert("mcp-session-id", value);
    }
    response
}

/// Returns the response to the request whose id is spelled `id`, with a refusal.
pub(super) fn refusal(id: &[u8], refusal: &Refusal) -> Spliced {
    Spliced {
        pieces: vec![refusal.response(id)],
    }
}

/// Answers with a refusal of the whole HTTP request.
pub(super) fn refused(status: StatusCode, id: &[u8], refusal: &Refusal) -> Response {
    let mut response = message(self::refusal(id, refusal));
    *response.status_mut() = status;
    response
}

/// Says that a notification or response was taken.
pub(super) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// Says that the session is not known (or no longer): the client begins another.
pub(super) fn no_session(id: &[u8]) -> Response {
    let refusal = Refusal::of_message(
        -32001,
        "session_not_found",
        "no such session",
        "Initialize again.",
    );
    refused(StatusCode::NOT_FOUND, id, &refusal)
}

/// Says that there is no such address.
pub(super) fn no_such_address() -> Response {
    ProblemDetails::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "no server has this address",
        "See the names: narthex servers",
    )
    .into_response()
}

/// Says that the address takes another method.
pub(super) fn wrong_method() -> Response {
    let detail = "this address takes POST, GET and DELETE";
    let mut response = ProblemDetails::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        detail,
        "Speak Streamable HTTP.",
    )
    .into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    response
}

/// Says that a credential is missing.
pub(super) fn no_credential() -> Response {
    let remedy = "Send a client credential as `Authorization: Bearer …`; make one with narthex client add NAME.";
    let mut response = ProblemDetails::new(
        StatusCode::UNAUTHORIZED,
        "no-credential",
        "no client credential that is known",
        remedy,
    )
    .into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Says that the control credential does not speak MCP.
pub(super) fn control_credential() -> Response {
    let detail = "the control credential does not speak MCP";
    let remedy = "Use a client credential: narthex client add NAME.";
    ProblemDetails::new(StatusCode::FORBIDDEN, "wrong-credential", detail, remedy).into_response()
}
