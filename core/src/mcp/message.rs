use std::{fmt::Write as _, ops::Range};

use bytes::Bytes;

/// A message as the pieces it is sent in, so that a large result is not copied for the sake of
/// its id.
#[derive(Debug, Clone)]
pub struct Spliced {
    /// The pieces, in order.
    pub pieces: Vec<Bytes>,
}

/// Below this many bytes one copy is cheaper than three writes.
const COPY_BYTES_MAX: usize = 32 * 1024;

impl Spliced {
    /// Returns `message` with the text at `range` replaced by `by`.
    pub fn replace(message: &Bytes, range: Range<usize>, by: &Bytes) -> Self {
        if message[range.clone()] == by[..] {
            return Self {
                pieces: vec![message.clone()],
            };
        }
        if message.len() <= COPY_BYTES_MAX {
            return Self {
                pieces: vec![splice(message, &[(range, by)]).into()],
            };
        }
        Self {
            pieces: vec![
                message.slice(..range.start),
                by.clone(),
                message.slice(range.end..),
            ],
        }
    }

    /// Returns how many bytes the pieces have in all.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns `text` with each range replaced by the bytes beside it. The ranges stand in order and
/// do not overlap.
pub fn splice(text: &[u8], edits: &[(Range<usize>, &[u8])]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, by)| by.len()).sum();
    let mut into = Vec::with_capacity(text.len() + grown);
    let mut from = 0;
    for (range, by) in edits {
        into.extend_from_slice(&text[from..range.start]);
        into.extend_from_slice(by);
        from = range.end;
    }
    into.extend_from_slice(&text[from..]);
    into
}

/// Puts `message` on one line. A newline of valid JSON stands between tokens, where a space says
/// the same.
pub fn one_line(message: &mut [u8]) {
    if memchr::memchr2(b'\n', b'\r', message).is_some() {
        for byte in message {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

/// A request on its way to a server, before it has an id there.
#[derive(Debug, Clone)]
pub struct Outgoing {
    body: Bytes,
    /// What is replaced, in order of place.
    edits: Vec<(Range<usize>, Edit)>,
}

#[derive(Debug, Clone)]
enum Edit {
    /// The id of the request at the server, as a number.
    Id,
    /// Fixed bytes.
    By(Bytes),
}

impl Outgoing {
    /// Makes a request of our own. `params` is raw JSON.
    pub fn new(method: &str, params: &str) -> Self {
        let mut body = String::with_capacity(48 + method.len() + params.len());
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            r#"{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params}}}"#
        );
        Self {
            body: body.into(),
            edits: vec![(22..23, Edit::Id)],
        }
    }

    /// Forwards `body`, whose id stands at `id`.
    pub fn forward(body: Bytes, id: Range<usize>) -> Self {
        Self {
            body,
            edits: vec![(id, Edit::Id)],
        }
    }

    /// Replaces what stands at `range` by `by`.
    pub fn replace(&mut self, range: Range<usize>, by: Bytes) {
        self.insert(range, Edit::By(by));
    }

    /// Replaces what stands at `range` by the request's id at the server: a progress token that no
    /// other request carries.
    pub fn replace_by_id(&mut self, range: Range<usize>) {
        self.insert(range, Edit::Id);
    }

    fn insert(&mut self, range: Range<usize>, edit: Edit) {
        let at = self
            .edits
            .partition_point(|(other, _)| other.start < range.start);
        self.edits.insert(at, (range, edit));
    }

    /// Returns the message with the id `id`, on one line.
    pub fn render(&self, id: u64) -> Vec<u8> {
        let id = id.to_string();
        let edits: Vec<(Range<usize>, &[u8])> = self
            .edits
            .iter()
            .map(|(range, edit)| match edit {
                Edit::Id => (range.clone(), id.as_bytes()),
                Edit::By(by) => (range.clone(), &by[..]),
            })
            .collect();
        let mut message = splice(&self.body, &edits);
        one_line(&mut message);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Envelope;

    #[test]
    fn our_own_request_gets_its_id() {
        let request = Outgoing::new("tools/list", r#"{"cursor":"a"}"#);
        assert_eq!(
            String::from_utf8(request.render(4711)).unwrap(),
            r#"{"jsonrpc":"2.0","id":4711,"method":"tools/list","params":{"cursor":"a"}}"#
        );
    }

    #[test]
    fn edits_apply_whatever_the_order_they_are_given_in() {
        let body = Bytes::from_static(b"{\"params\":{\"name\":\"a\"},\n\"id\":\"x\"}");
        let mut request = Outgoing::forward(body, 29..32);
        request.replace(18..21, Bytes::from_static(b"\"b\""));
        assert_eq!(
            String::from_utf8(request.render(7)).unwrap(),
            "{\"params\":{\"name\":\"b\"}, \"id\":7}"
        );
    }

    #[test]
    fn a_large_message_is_not_copied() {
        let message = Bytes::from(vec![b'x'; COPY_BYTES_MAX + 1]);
        let spliced = Spliced::replace(&message, 10..12, &Bytes::from_static(b"abc"));
        assert_eq!(spliced.pieces.len(), 3);
        assert_eq!(spliced.len(), message.len() + 1);
        assert_eq!(spliced.pieces[0].as_ptr(), message.as_ptr());
    }

    #[test]
    fn what_is_not_replaced_stays_to_the_byte_whatever_stands_there() {
        use narthex_testkit::messy;

        for seed in 0..2000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (unknown, arguments) = (messy::value(&mut rng, 6), messy::object(&mut rng, 6));
            let id = rng
                .choice(["1", "\"1\"", "-1e400", "\"\\ud800\""])
                .unwrap_or("1");
            let message = |id: &str, name: &str| {
                let mut members = [
                    format!(r#""id":{id}"#),
                    r#""method":"tools/call""#.to_owned(),
                    format!(r#""params" : {{"n":{unknown},"name":{name} ,"a":{arguments}}}"#),
                    format!(r#""x":{unknown}"#),
                ];
                fastrand::Rng::with_seed(seed).shuffle(&mut members);
                format!("{{{}}}", members.join(" ,"))
            };
            let text = Bytes::from(message(id, "\"s__t\""));

            let envelope = Envelope::parse(text.clone()).unwrap();
            let name = envelope.field("name").unwrap().unwrap();
            let mut outgoing = Outgoing::forward(text, envelope.id_range().unwrap());
            outgoing.replace(name, Bytes::from_static(b"\"t\""));

            let sent = String::from_utf8(outgoing.render(4711)).unwrap();
            assert_eq!(sent, message("4711", "\"t\""), "seed {seed}");
        }
    }
}
