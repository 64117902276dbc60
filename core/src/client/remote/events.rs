use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use reqwest::Method;
use reqwest_eventsource::{Error, Event as SourceEvent, EventSource};

use super::{ClientError, Remote, open, problem};
use crate::{
    api::wire::Event,
    client::{Events, retry::Retry},
};

/// An event with what stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `{instance}-{revision}`.
    pub id: String,
    /// The data line, byte for byte.
    pub data: String,
    /// The event; `None` for one of a name that this version does not know.
    pub event: Option<Event>,
}

impl Remote {
    /// Follows what happens, without an end: a lost connection is told as an error, and taken up
    /// again where it broke. On [`Event::Gap`] and [`Event::Hello`] the reader fetches.
    ///
    /// The stream ends only when the credential is refused.
    pub fn events(&self) -> Events {
        let events = self.received().filter_map(async |received| match received {
            Ok(received) => received.event.map(Ok),
            Err(error) => Some(Err(error)),
        });
        Box::pin(events)
    }

    /// Like [`Remote::events`], with what stood on the wire.
    pub fn received(&self) -> Pin<Box<dyn Stream<Item = Result<Received, ClientError>> + Send>> {
        let subscription = Subscription {
            remote: self.clone(),
            source: None,
            last: String::new(),
            retry: Retry::default(),
            refused: false,
        };
        Box::pin(stream::unfold(subscription, async |mut subscription| {
            let item = subscription.next().await?;
            Some((item, subscription))
        }))
    }
}

/// A place in the stream of events.
struct Subscription {
    remote: Remote,
    source: Option<EventSource>,
    /// The id of the last event; empty before the first.
    last: String,
    retry: Retry,
    refused: bool,
}

impl Subscription {
    async fn next(&mut self) -> Option<Result<Received, ClientError>> {
        loop {
            if self.refused {
                return None;
            }
            let source = match &mut self.source {
                Some(source) => source,
                None => {
                    self.retry.due().await;
                    let source = self.open();
                    self.source.insert(source)
                }
            };
            match source.next().await {
                Some(Ok(SourceEvent::Open)) => self.retry.connected(),
                Some(Ok(SourceEvent::Message(message))) => {
                    let event = decode(&message.event, &message.data);
                    self.last.clone_from(&message.id);
                    return Some(event.map(|event| Received {
                        id: message.id,
                        data: message.data,
                        event,
                    }));
                }
                Some(Err(error)) => {
                    self.lost();
                    if let Some(error) = self.judge(error).await {
                        return Some(Err(error));
                    }
                }
                None => self.lost(),
            }
        }
    }

    /// Opens the stream after the last event.
    fn open(&self) -> EventSource {
        let mut request = self.remote.stream(Method::GET, &["events"]);
        if !self.last.is_empty() {
            request = request.header("Last-Event-ID", &self.last);
        }
        open(request)
    }

    fn lost(&mut self) {
        self.source = None;
        self.retry.lost();
    }

    /// Returns what the reader is told of an error; nothing for a stream that just ended.
    async fn judge(&mut self, error: Error) -> Option<ClientError> {
        match error {
            Error::StreamEnded => None,
            Error::InvalidStatusCode(status, response) => {
                self.refused = matches!(status.as_u16(), 401 | 403);
                Some(problem(response).await)
            }
            Error::InvalidContentType(_, response) => Some(problem(response).await),
            Error::Transport(error) => Some(error.into()),
            // What cannot be read is fetched again from the last event that could.
            Error::Utf8(_) | Error::Parser(_) | Error::InvalidLastEventId(_) => None,
        }
    }
}

fn decode(name: &str, data: &str) -> Result<Option<Event>, ClientError> {
    let event = match name {
        "hello" => serde_json::from_str(data).map(Event::Hello),
        "server" => serde_json::from_str(data).map(Event::Server),
        "removed" => serde_json::from_str(data).map(Event::Removed),
        "core" => serde_json::from_str(data).map(Event::Core),
        "gap" => serde_json::from_str(data).map(Event::Gap),
        _ => return Ok(None),
    };
    event.map(Some).map_err(ClientError::Malformed)
}
