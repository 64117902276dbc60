use std::{mem, sync::Arc};

use axum::http::HeaderValue;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::lines::Body;
use crate::{
    mcp::{Envelope, InvalidEnvelope, SERVER_MESSAGE_BYTES_MAX, Scan, sse},
    upstream::{company::Company, pace::Pace, portions::Portions},
};

/// The events of an answer's body, and of the bodies that go on with it.
#[derive(Debug)]
pub(in crate::upstream) struct Events {
    body: Option<Body>,
    /// What has come and was not read yet.
    frame: Bytes,
    reader: sse::Reader,
    /// Of the event that has not ended yet.
    scan: Scan,
    portions: Portions,
    /// How fast lines are read that are no event.
    pace: Pace,
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

/// How much is read at once, in bytes: as many lines as these take a millisecond at worst.
const READ_BYTES_MAX: usize = 16 * 1024;

/// How many lines without data may stand before an event: its id and name, and the end of the one
/// before.
const LINES_OF_EVENT: usize = 8;

impl Events {
    /// Reads events once there is a body, in portions.
    pub(in crate::upstream) fn new(body: Option<Body>, company: &Arc<Company>) -> Self {
        Self {
            body,
            frame: Bytes::new(),
            reader: sse::Reader::new(SERVER_MESSAGE_BYTES_MAX),
            scan: Scan::default(),
            portions: Portions::new(company),
            pace: Pace::new(),
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
                    self.portions.ended();
                    self.pass_over_lines();
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
            self.pass_over_lines();
            if self.pace.is_over() {
                self.pace.rest().await;
            }
            self.portions.rest().await;
            if self.frame.is_empty() {
                let frame = match &mut self.body {
                    Some(body) => body.frame().await,
                    None => None,
                };
                let Some(Ok(frame)) = frame else {
                    self.body = None;
                    return Ok(None);
                };
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                self.frame = data;
            }
            let part = self.frame.split_to(self.frame.len().min(READ_BYTES_MAX));
            self.reader.push(&part);
            self.portions.came(part.len());
        }
    }

    fn pass_over_lines(&mut self) {
        let lines = self.reader.lines().saturating_sub(LINES_OF_EVENT);
        self.pace.passed_over(lines);
    }

    /// Says who else calls while it is read.
    pub(in crate::upstream) fn read_among(&mut self, company: &Arc<Company>) {
        self.portions = Portions::new(company);
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

    /// Forgets what was read of the last body and was no event yet.
    fn begin_anew(&mut self) {
        self.frame.clear();
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
