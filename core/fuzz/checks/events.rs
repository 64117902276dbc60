//! The reader of server-sent events: the same events wherever the stream is cut, and the events of
//! the algorithm in the WHATWG HTML standard (9.2.6), read from the standard as it is written.

use bytes::Bytes;
use narthex_core::mcp::{
    one_line,
    sse::{Event, Reader, SseError, message_event},
};

/// Longer than any stream here.
const UNLIMITED: usize = 1 << 30;

/// What a stream gave: its events, and whether one was too long.
type Read = (Vec<Event>, Option<SseError>);

/// Reads `bytes` after the first two as a stream; those say where it is cut, and how long an event
/// may be.
///
/// # Panics
/// When a reading differs from another, or from the standard's.
pub(crate) fn check(bytes: &[u8]) {
    let [seed, limit, stream @ ..] = bytes else {
        return;
    };
    for limit in [UNLIMITED, usize::from(*limit)] {
        let expected = reference(stream, limit);
        assert_eq!(read([stream], limit), expected, "whole");
        assert_eq!(read(stream.chunks(1), limit), expected, "byte by byte");
        let mut rng = fastrand::Rng::with_seed(u64::from(*seed));
        assert_eq!(read(cut(stream, &mut rng), limit), expected, "cut");
    }
    round_trip(stream);
}

/// What is written is read as it was, but for line ends.
fn round_trip(message: &[u8]) {
    let mut line = message.to_vec();
    one_line(&mut line);
    let event = Event {
        name: "message".to_owned(),
        data: line.into(),
        id: None,
    };
    let written = message_event(None, &[Bytes::copy_from_slice(message)]);
    let twice = [&written[..], b": between\n\n", &written].concat();
    let expected = (vec![event.clone(), event], None);
    assert_eq!(read([&twice[..]], UNLIMITED), expected);
    // As long as a message may be, and one byte longer. The line of the name has its place, too.
    let room = message.len().max(b"message".len() + 1);
    assert_eq!(read([&written[..]], room).1, None);
    if let Some(shorter) = message.len().checked_sub(1) {
        let expected = (Vec::new(), Some(SseError::TooLong(shorter)));
        assert_eq!(
            read([&b"data: "[..], message_line(&written)], shorter),
            expected
        );
    }
}

/// Returns the text of the `data` line of an event of ours, and what follows.
fn message_line(event: &[u8]) -> &[u8] {
    &event[b"event: message\ndata: ".len()..]
}

fn cut<'a>(stream: &'a [u8], rng: &mut fastrand::Rng) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (chunk, left) = rest.split_at(rng.usize(0..=rest.len().min(24)));
        chunks.push(chunk);
        rest = left;
    }
    chunks
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Read {
    let mut reader = Reader::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        reader.push(chunk);
        loop {
            match reader.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

/// Reads a whole stream. Data stays bytes, for a message that is no UTF-8 is not to be mended.
fn reference(stream: &[u8], limit: usize) -> Read {
    let mut events = Vec::new();
    let (mut name, mut id) = (String::new(), None);
    // Every `data` line and a newline after it; the last newline does not count.
    let mut data: Vec<u8> = Vec::new();
    for (number, (line, whole)) in lines(stream).into_iter().enumerate() {
        let gathered = data.len().saturating_sub(1);
        if gathered + line.len() > limit + b"data: ".len() {
            return (events, Some(SseError::TooLong(limit)));
        }
        if !whole {
            break;
        }
        let line = match line.strip_prefix("\u{feff}".as_bytes()) {
            Some(line) if number == 0 => line,
            Some(_) | None => line,
        };
        if line.is_empty() {
            let name = std::mem::take(&mut name);
            if let Some((b'\n', data)) = data.split_last() {
                let data = Bytes::copy_from_slice(data);
                let id = id.take();
                events.push(Event { name, data, id });
            }
            data.clear();
            continue;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let field = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
                if data.len() - 1 > limit {
                    return (events, Some(SseError::TooLong(limit)));
                }
            }
            b"event" => name = text(),
            b"id" if !value.contains(&0) => id = Some(text()),
            _ => {}
        }
    }
    (events, None)
}

/// Splits at `\r\n`, `\n` and `\r`; `false` goes with a last line that nothing ends.
fn lines(stream: &[u8]) -> Vec<(&[u8], bool)> {
    let mut lines = Vec::new();
    let mut rest = stream;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push((&rest[..end], true));
        let long = usize::from(rest[end..].starts_with(b"\r\n"));
        rest = &rest[end + 1 + long..];
    }
    lines.push((rest, false));
    lines
}
