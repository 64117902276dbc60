//! An answer that is one message, scanned as it comes.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::lines::Body;
use crate::{
    mcp::{Envelope, InvalidEnvelope, SERVER_MESSAGE_BYTES_MAX, Scan},
    upstream::CallError,
};

/// Room that is made before anything of it has come, in bytes: what a server announces costs nothing
/// but a word.
const ROOM_MAX: usize = 1024 * 1024;

/// Reads the message that a body is. Most are one piece, which is not copied.
///
/// # Errors
/// When it is none, is too long, or stops in the middle.
pub(super) async fn read(mut body: Body) -> Result<Envelope, CallError> {
    let Some(first) = next(&mut body).await? else {
        return Envelope::parse(Bytes::new()).map_err(invalid);
    };
    if body.is_end_stream() {
        return Envelope::parse(first).map_err(invalid);
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut text = BytesMut::with_capacity(announced.min(ROOM_MAX) + first.len());
    let (mut scan, mut piece) = (Scan::default(), first);
    loop {
        text.extend_from_slice(&piece);
        // Before the next is read into the same place.
        drop(piece);
        if text.len() > SERVER_MESSAGE_BYTES_MAX {
            return Err(CallError::TooLong);
        }
        scan.more(&text).map_err(invalid)?;
        match next(&mut body).await? {
            Some(next) => piece = next,
            None => return scan.ended(text.freeze()).map_err(invalid),
        }
    }
}

/// Returns the next piece; `None` when the body has ended as it should.
async fn next(body: &mut Body) -> Result<Option<Bytes>, CallError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(CallError::ServerEnded),
            // Trailers say nothing here.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn invalid(error: InvalidEnvelope) -> CallError {
    CallError::InvalidReply(error.to_string())
}
