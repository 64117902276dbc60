//! Server-sent events (WHATWG HTML, 9.2) on the wire path: read without a copy of what is not
//! needed, written without one of what is large.

use std::time::Duration;

use axum::http::HeaderValue;
use bytes::{Buf as _, Bytes, BytesMut};

use super::{PIECE, Pieces};

/// An event as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field; empty for the default, `message`.
    pub name: String,
    /// The `data` fields, joined by newlines.
    pub data: Bytes,
    /// The last `id` field since the event before, if there was one.
    pub id: Option<String>,
}

/// Why a stream of events cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is longer than a message may be.
    #[error("an event of more than {0} bytes")]
    TooLong(usize),
}

/// What may stand before the data of a line.
const FIELD: &[u8] = b"data: ";

/// The mark that a stream may begin with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads events out of chunks of bytes, wherever the chunks are cut.
///
/// It gives the events that the standard's algorithm gives, but that data stays the bytes it is:
/// what is no UTF-8 is not mended, for the message that it should be is to be refused.
#[derive(Debug)]
pub struct Reader {
    buffer: BytesMut,
    /// How far the buffer was searched for the end of a line.
    searched: usize,
    limit: usize,
    /// From how many bytes on what has come of a line of data is put aside.
    piece: usize,
    pending: Event,
    data: Pieces,
    has_data: bool,
    /// The line of data that is being read was put aside so far.
    within_data: bool,
    /// The lines without data since it was last asked.
    lines: usize,
    /// A carriage return ended the last line, so a newline that follows belongs to it.
    after_return: bool,
    /// The first line was read.
    begun: bool,
    last_id: Option<String>,
    retry: Option<Duration>,
}

impl Reader {
    /// Reads events of at most `limit` bytes of data. Other lines may be as long as a line of data.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            limit,
            piece: PIECE,
            pending: Event::default(),
            data: Pieces::default(),
            has_data: false,
            within_data: false,
            lines: 0,
            after_return: false,
            begun: false,
            last_id: None,
            retry: None,
        }
    }

    /// Returns the id from which a stream that was cut is gone on with: the last one that an event
    /// had, with data or without. `None` where there was none, or an empty one took it back.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Returns how long the stream wants to be left alone before it is opened again.
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Begins with another stream that goes on with this one: half an event is forgotten, the last
    /// id and the wait are kept.
    pub fn go_on(&mut self) {
        *self = Self {
            last_id: self.last_id.take(),
            retry: self.retry,
            piece: self.piece,
            ..Self::new(self.limit)
        };
    }

    /// Returns how many lines without data were read since it was last asked: comments, ends of
    /// events, ids.
    pub const fn lines(&mut self) -> usize {
        std::mem::replace(&mut self.lines, 0)
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Returns the next whole event, or nothing until more bytes are there.
    ///
    /// # Errors
    /// When the event is longer than the limit; the stream cannot be read on.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(mut line) = self.next_line() {
            if std::mem::take(&mut self.within_data) {
                self.data.add(line.freeze());
                self.check(0, 0)?;
                continue;
            }
            self.check(line.len(), FIELD.len())?;
            if !self.begun && line.starts_with(BYTE_ORDER_MARK) {
                line.advance(BYTE_ORDER_MARK.len());
            }
            self.begun = true;
            if line.is_empty() {
                self.lines += 1;
                if let Some(id) = &self.pending.id {
                    self.last_id = Some(id.clone()).filter(|id| !id.is_empty());
                }
                if self.has_data {
                    self.has_data = false;
                    let mut event = std::mem::take(&mut self.pending);
                    event.data = self.data.take();
                    return Ok(Some(event));
                }
                // An id holds without data, too.
                self.pending.name.clear();
                continue;
            }
            self.field(line);
            self.check(0, 0)?;
        }
        let allowed = if self.within_data { 0 } else { FIELD.len() };
        self.check(self.buffer.len(), allowed)?;
        self.put_aside();
        Ok(None)
    }

    /// Returns the begin of the data of an event of which not even the first line is whole, and nothing
    /// of it was put aside.
    pub fn begun_data(&self) -> Option<&[u8]> {
        let line = self.buffer.strip_prefix(b"data:")?;
        let data = line.strip_prefix(b" ").unwrap_or(line);
        (!self.has_data).then_some(data)
    }

    /// Puts aside what has come of a line of data where that is much: the buffer is not to grow with
    /// it.
    fn put_aside(&mut self) {
        if self.buffer.len() < self.piece {
            return;
        }
        if !self.within_data {
            // Whatever else is that long is no message.
            match self.buffer.strip_prefix(b"data:") {
                Some([b' ', ..]) => self.buffer.advance(FIELD.len()),
                Some([_, ..]) => self.buffer.advance(FIELD.len() - 1),
                Some([]) | None => return,
            }
            self.begin_data();
            (self.begun, self.within_data) = (true, true);
        }
        self.searched = 0;
        self.data.add(std::mem::take(&mut self.buffer).freeze());
    }

    /// Begins with another line of data.
    fn begin_data(&mut self) {
        if std::mem::replace(&mut self.has_data, true) {
            self.data.copy(b"\n");
        }
    }

    /// Checks that `more` bytes beside the data are no more than the limit and `allowed`.
    fn check(&self, more: usize, allowed: usize) -> Result<(), SseError> {
        if self.data.len() + more > self.limit.saturating_add(allowed) {
            return Err(SseError::TooLong(self.limit));
        }
        Ok(())
    }

    fn next_line(&mut self) -> Option<BytesMut> {
        if self.after_return {
            match self.buffer.first() {
                Some(b'\n') => drop(self.buffer.split_to(1)),
                Some(_) => {}
                None => return None,
            }
            self.after_return = false;
        }
        let Some(found) = memchr::memchr2(b'\n', b'\r', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        self.searched = 0;
        let line = self.buffer.split_to(end);
        self.after_return = self.buffer[0] == b'\r';
        drop(self.buffer.split_to(1));
        Some(line)
    }

    fn field(&mut self, mut line: BytesMut) {
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let name = line.split_to(colon);
        line.advance(usize::from(!line.is_empty()));
        line.advance(usize::from(line.first() == Some(&b' ')));
        if *name == *b"data" {
            self.begin_data();
            // What is short is not to hold on to the buffer.
            return if line.len() < Pieces::SMALL {
                self.data.copy(&line);
            } else {
                self.data.add(line.freeze());
            };
        }
        self.lines += 1;
        let value = &*line;
        match &*name {
            b"event" => self.pending.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.pending.id = Some(String::from_utf8_lossy(value).into_owned())
            }
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let ms = std::str::from_utf8(value).ok();
                let ms = ms.and_then(|ms| ms.parse().ok());
                self.retry = ms.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }
}

/// Returns a message (JSON, in pieces) as one event of the default type, under an id where it has one.
pub fn message_event(id: Option<&str>, pieces: &[Bytes]) -> Vec<u8> {
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut event = Vec::with_capacity(length + 32 + id.map_or(0, |id| id.len() + 5));
    event.extend_from_slice(b"event: message\n");
    if let Some(id) = id {
        event.extend_from_slice(b"id: ");
        event.extend_from_slice(id.as_bytes());
        event.push(b'\n');
    }
    event.extend_from_slice(b"data: ");
    let start = event.len();
    for piece in pieces {
        event.extend_from_slice(piece);
    }
    super::one_line(&mut event[start..]);
    event.extend_from_slice(b"\n\n");
    event
}

/// Returns the `Last-Event-ID` that says to go on after the event `id`; `None` where there is
/// nothing to say, or the id holds what no header can.
pub fn last_event_id(id: &str) -> Option<HeaderValue> {
    // As UTF-8, as the standard has it.
    HeaderValue::from_bytes(id.as_bytes())
        .ok()
        .filter(|value| !value.is_empty())
}

/// Returns an event that says nothing but its id, and after how many milliseconds whoever loses the
/// stream may come back to it.
pub fn priming_event(id: &str, retry_ms: u128) -> Vec<u8> {
    format!("id: {id}\nretry: {retry_ms}\ndata: \n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        read_aside(chunks, PIECE)
    }

    /// Reads events, and puts aside what has come of a line of data from `piece` bytes on.
    fn read_aside(chunks: &[&[u8]], piece: usize) -> Vec<Event> {
        let mut reader = Reader {
            piece,
            ..Reader::new(1024)
        };
        let mut events = Vec::new();
        for chunk in chunks {
            reader.push(chunk);
            while let Some(event) = reader.next_event().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn it_reads_fields_comments_and_every_line_end() {
        let events = read(&[
            b": hello\nevent: endpoint\r\nid: 7\rdata: /a\ndata:/b\n\nretry: 5\n\ndata\n\n",
        ]);
        assert_eq!(events.len(), 2);
        assert_eq!(
            events[0],
            Event {
                name: "endpoint".into(),
                data: Bytes::from_static(b"/a\n/b"),
                id: Some("7".into())
            }
        );
        assert_eq!(events[1].data, Bytes::new());
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let pieces = [
            Bytes::from_static(b"{\"a\":\n"),
            Bytes::from_static(b"1}\r"),
        ];
        let message = |id: Option<&str>| Event {
            data: Bytes::from_static(b"{\"a\": 1} "),
            id: id.map(str::to_owned),
            name: "message".into(),
        };
        assert_eq!(
            read(&[
                &priming_event("7-0", 1000),
                &message_event(Some("7-1"), &pieces),
                &message_event(None, &pieces),
            ]),
            [
                Event {
                    id: Some("7-0".into()),
                    ..Event::default()
                },
                message(Some("7-1")),
                message(None),
            ]
        );
    }

    #[test]
    fn what_a_cut_stream_goes_on_from_is_the_last_whole_event() {
        let mut reader = Reader::new(1024);
        let place = |reader: &Reader| (reader.last_id().map(str::to_owned), reader.retry());
        let mut push = |bytes: &[u8]| {
            reader.push(bytes);
            while reader.next_event().unwrap().is_some() {}
            place(&reader)
        };
        let at = |id: &str, ms| (Some(id.to_owned()), Some(Duration::from_millis(ms)));

        assert_eq!(push(b"retry: 500\n"), (None, at("", 500).1));
        assert_eq!(push(b"id: 1\n\nretry: -1\nretry:\n"), at("1", 500));
        assert_eq!(push(b"id: 2\ndata: half"), at("1", 500));
        reader.go_on();
        assert_eq!(place(&reader), at("1", 500));
        reader.push(b"data: whole\n\nid\nretry: 7\n\n");
        let event = reader.next_event().unwrap().unwrap();
        assert_eq!(event.data, &b"whole"[..], "the half is forgotten");
        assert_eq!(reader.next_event(), Ok(None));
        assert_eq!(place(&reader), (None, Some(Duration::from_millis(7))));
    }

    #[test]
    fn long_data_is_seen_before_it_is_whole() {
        let long = "x".repeat(Pieces::SMALL + 1);
        let mut reader = Reader::new(usize::MAX);
        reader.push(b"data:");
        assert_eq!(reader.next_event(), Ok(None));
        assert_eq!(reader.begun_data(), Some(&b""[..]));
        reader.push(format!(" {long}").as_bytes());
        assert_eq!(reader.next_event(), Ok(None));
        assert_eq!(reader.begun_data(), Some(long.as_bytes()));
        reader.push(b"\n");
        assert_eq!(reader.next_event(), Ok(None));
        assert_eq!(reader.begun_data(), None);
        reader.push(b"data: y\n\n");
        let data = reader.next_event().unwrap().unwrap().data;
        assert_eq!(data, format!("{long}\ny"));
        reader.push(format!("data: {long}").as_bytes());
        assert_eq!(reader.next_event(), Ok(None));
        reader.push(b"\n\n");
        assert_eq!(reader.next_event().unwrap().unwrap().data, long);
    }

    #[test]
    fn an_event_that_never_ends_is_an_error() {
        let mut reader = Reader::new(16);
        reader.push(b"data: 0123456789abcdef");
        assert_eq!(reader.next_event(), Ok(None));
        reader.push(b"g");
        assert_eq!(reader.next_event(), Err(SseError::TooLong(16)));
    }

    #[test]
    fn an_event_that_never_ends_is_an_error_where_it_was_put_aside() {
        let mut reader = Reader {
            piece: 8,
            ..Reader::new(16)
        };
        for bytes in [&b"data: 0123"[..], b"4567", b"89abcdef"] {
            reader.push(bytes);
            assert_eq!(reader.next_event(), Ok(None));
        }
        reader.push(b"g");
        assert_eq!(reader.next_event(), Err(SseError::TooLong(16)));
        reader.go_on();
        reader.push(b"data: 0123456789abcdef\n\n");
        assert_eq!(reader.next_event().unwrap().unwrap().data.len(), 16);
    }

    #[test]
    fn lines_without_data_are_counted() {
        let mut reader = Reader::new(1024);
        reader.push(b": a\n\nid: 1\ndata: x\n\n\n");
        while reader.next_event().unwrap().is_some() {}
        assert_eq!((reader.lines(), reader.lines()), (5, 0));
    }

    #[test]
    fn a_stream_may_begin_with_a_mark_and_an_id_holds_without_data() {
        let events = read(&[
            b"\xef\xbb",
            b"\xbfid: 7\n\nevent: e\n\ndata: x\n\ndata: y\n\n",
        ]);
        let event = |data, id: Option<&str>| Event {
            name: String::new(),
            data: Bytes::from_static(data),
            id: id.map(str::to_owned),
        };
        assert_eq!(events, [event(b"x", Some("7")), event(b"y", None)]);
    }

    #[test]
    fn an_event_is_named_as_its_server_named_it() {
        let value = last_event_id("ä-1").unwrap();
        assert_eq!(value.as_bytes(), "ä-1".as_bytes());
        assert_eq!(last_event_id(""), None);
        assert_eq!(last_event_id("a\u{1}"), None);
    }

    proptest! {
        #[test]
        fn chunks_may_be_cut_anywhere(
            cuts in prop::collection::vec(0usize..80, 0..6),
            piece in 1usize..20,
        ) {
            let stream: &[u8] = b"id: 1\r\ndata: {\"a\":1}\r\n\r\ndata: x\n\nevent: e\ndata: y\rdata: z\r\r\
                data: {\"long\":0}\ndata:x\n\n";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut from = 0;
            let mut chunks = Vec::new();
            for cut in cuts {
                chunks.push(&stream[from..cut]);
                from = cut;
            }
            chunks.push(&stream[from..]);
            let whole = read(&[stream]);
            prop_assert_eq!(whole.len(), 4);
            prop_assert_eq!(read(&chunks), whole.clone());
            prop_assert_eq!(read_aside(&chunks, piece), whole);
        }
    }
}
