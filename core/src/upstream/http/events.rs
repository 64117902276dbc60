use std::mem;

use axum::http::HeaderValue;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::lines::Body;
use crate::mcp::{Envelope, InvalidEnvelope, SERVER_MESSAGE_BYTES_MAX, Scan, sse};

/// The events of an answer's body, and of the bodies that go on with it.
#[derive(Debug)]
pub(in crate::upstream) struct Events {
    body: Option<Body>,
    reader: sse::Reader,
    /// Of the event that has not ended yet.
    scan: Scan,
}

/// An event, scanned while it came.
#[derive(Debug)]
pub(in crate::upstream) struct Event {
    pub(in crate::upstream) name: String,
    pub(in crate::upstream) data: Bytes,
    scan: Scan,
}

impl Event {
    /// Returns the message that it is.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::upstream) fn message(&mut self) -> Result<Envelope, InvalidEnvelope> {
        mem::take(&mut self.scan).ended(self.data.clone())
    }
}

/// An event is longer than a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) struct TooLong;

/// The longest id of an event that is sent back, in bytes: servers allow some 8 KiB for all headers.
const ID_BYTES_MAX: usize = 4096;

impl Events {
    /// Reads events once there is a body.
    pub(in crate::upstream) fn new(body: Option<Body>) -> Self {
        Self {
            body,
            reader: sse::Reader::new(SERVER_MESSAGE_BYTES_MAX),
            scan: Scan::default(),
        }
    }

    /// Returns the next event; `None` when the body has ended, in order or not. Cancel-safe.
    ///
    /// # Errors
    /// When it is longer than allowed. What was read of it is let go.
    pub(in crate::upstream) async fn next(&mut self) -> Result<Option<Event>, TooLong> {
        loop {
            match self.reader.next_event() {
                Ok(Some(sse::Event { name, data, id: _ })) => {
                    let scan = mem::take(&mut self.scan);
                    return Ok(Some(Event { name, data, scan }));
                }
                Ok(None) => {
                    if let Some(data) = self.reader.begun_data() {
                        // What is wrong with it is told when it is whole.
                        let _ = self.scan.more(data);
                    }
                }
                Err(_) => {
                    self.body = None;
                    self.begin_anew();
                    return Err(TooLong);
                }
            }
            let frame = match &mut self.body {
                Some(body) => body.frame().await,
                None => None,
            };
            let Some(Ok(frame)) = frame else {
                self.body = None;
                return Ok(None);
            };
            if let Ok(data) = frame.into_data() {
                self.reader.push(&data);
            }
        }
    }

    /// Lets go of a body that has said what it has to say.
    pub(super) fn let_go(self) {
        if let Some(body) = self.body {
            body.let_go();
        }
    }

    /// Goes on with another body.
    pub(super) fn go_on(&mut self, body: Body) {
        self.body = Some(body);
        self.begin_anew();
    }

    /// Forgets half an event.
    fn begin_anew(&mut self) {
        self.reader.go_on();
        self.scan = Scan::default();
    }

    /// Returns the id from which another body can go on; `None` where the server gave none, or one
    /// that cannot be sent back.
    pub(super) fn place(&self) -> Option<HeaderValue> {
        let id = self.reader.last_id()?;
        let id = (id.len() <= ID_BYTES_MAX).then_some(id)?;
        sse::last_event_id(id)
    }

    /// Returns how long the server wants to be left alone before another body is asked for.
    pub(super) const fn retry(&self) -> Option<std::time::Duration> {
        self.reader.retry()
    }
}
