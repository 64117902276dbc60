use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::connections::Pulse;

/// A connection whose pulse is felt.
pub(super) struct Felt {
    pub(super) stream: TcpStream,
    /// What was read of it and is read again before anything else.
    pub(super) before: Bytes,
    pulse: Arc<Pulse>,
}

impl Felt {
    pub(super) const fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            before: Bytes::new(),
            pulse,
        }
    }
}

/// Returns whether a connection has ended, once there is more to read on it or it has. Takes nothing
/// from it. Cancel-safe.
///
/// # Errors
/// When it has ended badly.
pub(super) async fn has_ended(stream: &TcpStream) -> io::Result<bool> {
    let mut next = [0];
    Ok(stream.peek(&mut next).await? == 0)
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = if self.before.is_empty() {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        } else {
            let most = self.before.len().min(buffer.remaining());
            buffer.put_slice(&self.before.split_to(most));
            if self.before.is_empty() {
                // Else it keeps all that it was a part of.
                self.before = Bytes::new();
            }
            Poll::Ready(Ok(()))
        };
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
        self.pulse.written(false);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// Called by hyper when it has written all that it holds, after each turn.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.pulse.written(true);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pulse.written(false);
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
