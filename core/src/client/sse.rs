use std::{collections::VecDeque, mem};

/// Takes Server-Sent Events apart as they arrive. Linear in what it is given, whatever the chunks:
/// a result of many megabytes comes in thousands of them.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    ready: VecDeque<String>,
}

impl Parser {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut chunk: &[u8]) {
        if mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
            chunk = &chunk[1..];
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) {
            self.line.extend_from_slice(&chunk[..end]);
            self.end_line();
            let crlf = chunk[end] == b'\r' && chunk.get(end + 1) == Some(&b'\n');
            self.after_cr = chunk[end] == b'\r' && end + 1 == chunk.len();
            chunk = &chunk[end + 1 + usize::from(crlf)..];
        }
        self.line.extend_from_slice(chunk);
    }

    /// Returns the data of the next event that is complete.
    pub(super) fn next(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = mem::take(&mut self.line);
        if line.is_empty() {
            if mem::take(&mut self.has_data) {
                let data = mem::take(&mut self.data);
                self.ready
                    .push_back(String::from_utf8_lossy(&data).into_owned());
            }
            return;
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            // Another field, or a comment.
            Some(_) | None => return,
        };
        if mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b": hello\nevent: message\nid: 1\ndata: {\"a\":\r\ndata: \"\xc3\xbc\"}\r\n\r\ndata:two\r\rdata\n\nid: 3\n\ndata: cut";

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for chunk in STREAM.chunks(size) {
                parser.push(chunk);
                events.extend(std::iter::from_fn(|| parser.next()));
            }
            assert_eq!(events, ["{\"a\":\n\"ü\"}", "two", ""], "chunks of {size}");
        }
    }
}
