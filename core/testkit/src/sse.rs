//! Server-sent events, read from the bytes of a body.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// An event as it came over the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its `id`, empty where it has none.
    pub id: String,
    /// Its `event`, `message` where it has none.
    pub name: String,
    /// Its `data`.
    pub data: String,
}

/// Turns bytes into events.
#[derive(Debug, Default)]
pub struct SseParser {
    rest: Vec<u8>,
}

impl SseParser {
    /// Takes more bytes; returns the events they complete. Comments and fields without a blank
    /// line after them make none.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<SseEvent> {
        self.rest
            .extend(bytes.iter().filter(|byte| **byte != b'\r'));
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            events.extend(parse(&String::from_utf8_lossy(&block)));
        }
        events
    }
}

/// A body that is a stream of events.
pub struct SseStream {
    body: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    parser: SseParser,
    ready: std::collections::VecDeque<SseEvent>,
}

impl std::fmt::Debug for SseStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseStream").finish_non_exhaustive()
    }
}

impl SseStream {
    /// Reads the body of `response`.
    pub fn new(response: reqwest::Response) -> Self {
        Self {
            body: Box::pin(response.bytes_stream()),
            parser: SseParser::default(),
            ready: std::collections::VecDeque::new(),
        }
    }

    /// Returns the next event, or `None` when the stream has ended or broken.
    ///
    /// Cancel-safe: what has arrived stays for the next call.
    pub async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let bytes = self.body.next().await?.ok()?;
            self.ready.extend(self.parser.feed(&bytes));
        }
    }
}

impl SseStream {
    /// Returns the next message as it was written, or `None` when the stream has ended or broken. An
    /// event without data tells an id alone.
    pub async fn text(&mut self) -> Option<String> {
        loop {
            let event = self.next().await?;
            if !event.data.is_empty() {
                return Some(event.data);
            }
        }
    }

    /// Returns the next message of JSON-RPC.
    ///
    /// # Panics
    /// When the stream ends before one comes.
    pub async fn message(&mut self) -> serde_json::Value {
        self.identified().await.1
    }

    /// Returns the next message of JSON-RPC, and the id of its event. An event without data tells
    /// an id alone.
    ///
    /// # Panics
    /// When the stream ends before one comes.
    pub async fn identified(&mut self) -> (String, serde_json::Value) {
        loop {
            let event = self.next().await.expect("a message before the end");
            if !event.data.is_empty() {
                let message = serde_json::from_str(&event.data);
                return (event.id, message.expect("a message is JSON"));
            }
        }
    }
}

fn parse(block: &str) -> Option<SseEvent> {
    let mut event = SseEvent {
        name: "message".into(),
        ..SseEvent::default()
    };
    let mut data: Vec<&str> = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut event.id),
            "event" => value.clone_into(&mut event.name),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    (!data.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_may_come_in_pieces_and_with_comments() {
        let mut parser = SseParser::default();

        let none = parser.feed(b": hello\n\nid: a-1\r\nevent: ser");
        let one = parser.feed(b"ver\ndata: {\"a\":\ndata: 1}\n\ndata:x\n");

        assert_eq!(none, []);
        let expected = SseEvent {
            id: "a-1".into(),
            name: "server".into(),
            data: "{\"a\":\n1}".into(),
        };
        assert_eq!(one, [expected]);
    }
}
