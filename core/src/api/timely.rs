use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How long the whole body of a request may take: over loopback it comes in a moment, and what
/// takes longer than this does not come.
pub const BODY_WITHIN: Duration = Duration::from_secs(60);

/// A body that fails where it is not there in time.
#[derive(Debug)]
pub(super) struct Timely {
    body: Body,
    /// Set when it is waited for first: most have come already, and need no timer.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Timely {
    /// Gives a body its time.
    pub(super) const fn new(body: Body) -> Self {
        Self {
            body,
            deadline: None,
        }
    }
}

impl hyper::body::Body for Timely {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(BODY_WITHIN)));
        deadline.as_mut().poll(context).map(|()| {
            let late = io::Error::new(io::ErrorKind::TimedOut, "the body was not there in time");
            Some(Err(axum::Error::new(late)))
        })
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
    use http_body_util::BodyExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn half_a_body_is_not_waited_for() {
        let began = Instant::now();
        let first = futures_util::stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"{"))]);
        let half = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let read = Timely::new(Body::from_stream(half)).collect().await;
        assert!(read.is_err());
        assert_eq!(began.elapsed(), BODY_WITHIN);
        let whole = Timely::new(Body::from("{}")).collect().await;
        assert_eq!(whole.unwrap().to_bytes(), "{}");
    }
}
