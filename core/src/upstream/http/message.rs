//! An answer that is one message, scanned as it comes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::lines::Body;
use crate::{
    mcp::{Envelope, InvalidEnvelope, PIECE, Pieces, SERVER_MESSAGE_BYTES_MAX, Scan},
    upstream::{CallError, company::Company, portions::Portions},
};

/// Room that is made before anything of it has come, in bytes: what a server announces costs nothing
/// but a word.
const ROOM_MAX: usize = 1024 * 1024;

/// Reads the message that a body is, in portions. Most are one piece, which is not copied.
///
/// # Errors
/// When it is none, is too long, or stops in the middle.
pub(super) async fn read(mut body: Body, company: &Arc<Company>) -> Result<Envelope, CallError> {
    let Some(first) = next(&mut body).await? else {
        return Envelope::parse(Bytes::new()).map_err(invalid);
    };
    if body.is_end_stream() {
        return Envelope::parse(first).map_err(invalid);
    }
    // On the heap, so that what is rare does not make every call larger.
    Box::pin(read_pieces(body, first, Portions::new(company))).await
}

/// Reads a message that comes in several pieces.
async fn read_pieces(
    mut body: Body,
    first: Bytes,
    mut portions: Portions,
) -> Result<Envelope, CallError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut text = BytesMut::with_capacity(announced.min(ROOM_MAX) + first.len());
    let (mut scan, mut piece) = (Scan::default(), first);
    while text.len() < PIECE {
        portions.came(piece.len());
        text.extend_from_slice(&piece);
        // Before the next is read into the same place.
        drop(piece);
        scan.more(&text).map_err(invalid)?;
        portions.rest().await;
        match next(&mut body).await? {
            Some(next) => piece = next,
            None => return scan.ended(text.freeze()).map_err(invalid),
        }
    }
    let text = read_on(body, text.freeze(), piece, portions).await?;
    scan.ended(text).map_err(invalid)
}

/// Reads the rest of what is long, which does not fit where its begin is.
async fn read_on(
    mut body: Body,
    begin: Bytes,
    mut piece: Bytes,
    mut portions: Portions,
) -> Result<Bytes, CallError> {
    let mut pieces = Pieces::default();
    pieces.add(begin);
    loop {
        portions.came(piece.len());
        pieces.add(piece);
        if pieces.len() > SERVER_MESSAGE_BYTES_MAX {
            return Err(CallError::TooLong);
        }
        portions.rest().await;
        match next(&mut body).await? {
            Some(next) => piece = next,
            None => return Ok(pieces.take()),
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
