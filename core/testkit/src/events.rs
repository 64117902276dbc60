//! The events of a core, as a test reads them.

use serde_json::Value;
use tokio::time::timeout;

use crate::{
    core::PATIENCE,
    sse::{SseEvent, SseStream},
};

/// A stream of events.
#[derive(Debug)]
pub struct Events(SseStream);

/// An event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id: `{instance}-{revision}`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
}

impl Event {
    /// Returns the revision it tells of.
    ///
    /// # Panics
    /// When it has none.
    pub fn revision(&self) -> u64 {
        let revision = self.data["revision"].as_u64();
        revision.unwrap_or_else(|| panic!("no revision in {self:?}"))
    }

    /// Returns the name of the server it is about, if it is about one.
    pub fn server(&self) -> Option<&str> {
        self.data["server"]["name"]
            .as_str()
            .or_else(|| self.data["name"].as_str())
    }
}

impl Events {
    /// Reads the events of a stream.
    pub(crate) const fn new(stream: SseStream) -> Self {
        Self(stream)
    }

    /// Returns the next event, or nothing when the stream has ended.
    ///
    /// # Panics
    /// When none comes in [`PATIENCE`].
    pub async fn next(&mut self) -> Option<Event> {
        let event = timeout(PATIENCE, self.0.next()).await;
        event
            .expect("no event came")
            .map(|SseEvent { id, name, data }| Event {
                id,
                name,
                data: serde_json::from_str(&data).unwrap_or_default(),
            })
    }

    /// Returns the first event for which `predicate` holds, and those before it.
    ///
    /// # Panics
    /// When the stream ends before, or nothing comes.
    pub async fn until(&mut self, predicate: impl Fn(&Event) -> bool) -> (Vec<Event>, Event) {
        let mut before = Vec::new();
        loop {
            let next = self.next().await;
            let event = next.unwrap_or_else(|| panic!("the events ended after {before:#?}"));
            if predicate(&event) {
                return (before, event);
            }
            before.push(event);
        }
    }
}
