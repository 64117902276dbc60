//! Standard input and output on threads of their own: reading them cannot be interrupted, and must
//! keep neither the runtime nor the end of the process.

use std::{
    io::{self, BufRead, Write},
    thread,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::long::IdSearch;
use crate::mcp::CLIENT_MESSAGE_BYTES_MAX;

/// How many lines may wait on either side. Beyond it the client, or the core, is made to wait.
const LINES_WAITING_MAX: usize = 64;

/// What some programs begin their output with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line of the client's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Of a length that a message may have.
    Short(Bytes),
    /// A longer one. It is passed over as it comes, and not kept.
    Long {
        /// How many bytes it has.
        bytes: u64,
        /// The id of the message, as it is spelled; `null` where it has none.
        id: Vec<u8>,
    },
}

/// Returns the lines of standard input, until it ends. Empty ones are left out.
pub(super) fn input() -> mpsc::Receiver<Line> {
    let (lines, received) = mpsc::channel(LINES_WAITING_MAX);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Ok(Some(line)) = next(&mut stdin, CLIENT_MESSAGE_BYTES_MAX) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    received
}

/// Returns the next line that is not empty.
fn next(input: &mut impl BufRead, bytes_max: usize) -> io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        let mut long: Option<(u64, IdSearch)> = None;
        loop {
            let part = input.fill_buf()?;
            if part.is_empty() {
                // The end: of what came before it a last line is left, or nothing.
                if line.is_empty() && long.is_none() {
                    return Ok(None);
                }
                break;
            }
            let end = memchr::memchr(b'\n', part);
            let (taken, used) = (&part[..end.unwrap_or(part.len())], end.map(|end| end + 1));
            match &mut long {
                Some((bytes, id)) => {
                    *bytes += taken.len() as u64;
                    id.look(taken);
                }
                None => line.extend_from_slice(taken),
            }
            let used = used.unwrap_or(taken.len());
            input.consume(used);
            if long.is_none() && line.len() > bytes_max {
                let mut id = IdSearch::default();
                id.look(&line);
                long = Some((line.len() as u64, id));
                line = Vec::new();
            }
            if end.is_some() {
                break;
            }
        }
        if let Some((bytes, id)) = long {
            let id = id.found().to_vec();
            return Ok(Some(Line::Long { bytes, id }));
        }
        line.truncate(line.trim_ascii_end().len());
        let line = Bytes::from(line);
        let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
        if !text.is_empty() {
            return Ok(Some(Line::Short(line.slice_ref(text))));
        }
    }
}

/// Returns where lines for standard output are given, and what tells when the last was written.
pub(super) fn output() -> (mpsc::Sender<String>, oneshot::Receiver<()>) {
    let (lines, mut received) = mpsc::channel::<String>(LINES_WAITING_MAX);
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        let mut stdout = io::stdout().lock();
        while let Some(line) = received.blocking_recv() {
            let sent = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
            if sent.is_err() {
                // Nobody reads any more; dropping the receiver says so.
                break;
            }
        }
        // Nobody may be waiting for it.
        let _ = done.send(());
    });
    (lines, written)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &[u8], buffer: usize) -> Vec<Line> {
        let mut input = BufReader::with_capacity(buffer, text);
        std::iter::from_fn(|| next(&mut input, 20).unwrap()).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text =
            b"\xef\xbb\xbf{}\r\n\n  \n{\"id\":7,\"x\":\"too long by far\"}\n[]\n{\"last\":1}";
        let short = |text: &'static str| Line::Short(Bytes::from_static(text.as_bytes()));
        for buffer in 1..text.len() {
            let long = Line::Long {
                bytes: 30,
                id: b"7".to_vec(),
            };
            assert_eq!(
                lines(text, buffer),
                [short("{}"), long, short("[]"), short(r#"{"last":1}"#)]
            );
        }
    }

    #[test]
    fn a_long_line_may_be_the_last() {
        let found = lines(&[b' '; 50], 8);
        assert_eq!(
            found,
            [Line::Long {
                bytes: 50,
                id: b"null".to_vec()
            }]
        );
    }
}
