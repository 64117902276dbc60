use std::io;

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::felt::has_ended;

/// What is written at once at most, but for one piece of any size.
const BATCH_MAX: usize = 16 * 1024;

/// What ends a chunk.
const END: &[u8] = b"\r\n";

/// Writes what is left of an answer in the chunks of HTTP/1.1 and keeps no buffer between them.
/// `watch` says whether the client has sent nothing more: its end of the connection is the answer's.
/// Not cancel-safe: what it was at is half written.
///
/// # Errors
/// When the client has gone, or the answer breaks off.
pub(super) async fn write(stream: &mut TcpStream, mut body: Body, watch: bool) -> io::Result<()> {
    let mut watch = watch;
    loop {
        let mut next = tokio::select! {
            biased;
            frame = body.frame() => frame,
            gone = has_ended(stream), if watch => {
                if gone? {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                // Its next request, which waits for this answer's end.
                watch = false;
                continue;
            }
        };
        let mut batch = Vec::new();
        loop {
            let Some(frame) = next else {
                batch.extend_from_slice(b"0\r\n\r\n");
                return stream.write_all(&batch).await;
            };
            let data = frame.map_err(io::Error::other)?.into_data();
            add(stream, &mut batch, data.unwrap_or_default()).await?;
            if batch.len() >= BATCH_MAX {
                break;
            }
            match body.frame().now_or_never() {
                Some(frame) => next = frame,
                None => break,
            }
        }
        stream.write_all(&batch).await?;
    }
}

/// Adds a chunk to a batch. One that is large is written at once, with what came before it.
async fn add(stream: &mut TcpStream, batch: &mut Vec<u8>, data: Bytes) -> io::Result<()> {
    // A chunk of nothing would end the answer.
    if data.is_empty() {
        return Ok(());
    }
    batch.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    if data.len() < BATCH_MAX {
        batch.extend_from_slice(&data);
        batch.extend_from_slice(END);
        return Ok(());
    }
    let before = std::mem::take(batch);
    let mut all = before.as_slice().chain(data).chain(END);
    stream.write_all_buf(&mut all).await
}
