//! The splicer: it and serde_json are of one mind about what is JSON and about where members
//! stand, and what is not replaced stays to the byte.

use std::{fmt, ops::Range};

use bytes::Bytes;
use narthex_core::mcp::{Envelope, InvalidEnvelope, Kind, Outgoing, Scan, Spliced, json};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// How many values of one text are looked into.
const VALUES_MAX: usize = 64;

/// Where a member or an element stands: its key, with quotes (empty for an element), and its value.
type Place = (Range<usize>, Range<usize>);

/// Reads `bytes` as a message, and sends it on with other ids, names and tokens.
///
/// # Panics
/// When it is read otherwise than serde_json does, or sent on otherwise than it was.
pub(crate) fn check(bytes: &[u8]) {
    let value = whole(bytes);
    assert_eq!(
        value,
        serde_json::from_slice::<&RawValue>(bytes)
            .ok()
            .map(|value| place(bytes, value)),
        "where the value stands"
    );
    if let Some(value) = &value {
        inside(bytes, value.clone());
    }
    let message = Bytes::copy_from_slice(bytes);
    let read = Envelope::parse(message.clone());
    in_pieces(&message, read.as_ref().ok());
    let expected = expected(bytes, value);
    match (read, expected) {
        (Ok(envelope), Some(expected)) => {
            assert_eq!(
                (
                    envelope.kind(),
                    envelope.id_range(),
                    envelope.payload_range()
                ),
                (expected.kind, expected.id.clone(), expected.payload.clone())
            );
            let method = expected.method.map(|method| &bytes[method]);
            assert_eq!(envelope.method().as_bytes(), method.unwrap_or_default());
            forwarded(&message, &envelope);
            answered(&message, &envelope);
        }
        (Err(_), None) => {}
        (read, expected) => panic!("read {read:?}, expected {expected:?}"),
    }
}

/// Reads it again as it would come in pieces of several lengths.
fn in_pieces(message: &Bytes, whole: Option<&Envelope>) {
    let places = |it: &Envelope| (it.kind(), it.id_range(), it.payload_range());
    for length in [1, 7, 64] {
        let mut scan = Scan::default();
        let mut ends = (0..message.len()).step_by(length);
        let broken = ends.any(|end| scan.more(&message[..end]).is_err());
        let read = scan.ended(message.clone());
        assert!(!broken || read.is_err(), "what is broken stays so");
        let places = (read.ok().as_ref().map(places), whole.map(places));
        assert_eq!(places.0, places.1, "in pieces of {length}");
    }
}

/// Returns where the one value of a text stands, if there is just one.
fn whole(text: &[u8]) -> Option<Range<usize>> {
    std::str::from_utf8(text).ok()?;
    let start = json::skip_space(text, 0);
    let end = json::skip_value(text, start).ok()?;
    (json::skip_space(text, end) == text.len()).then_some(start..end)
}

/// Returns where a value that serde_json borrowed from `text` stands in it.
fn place(text: &[u8], value: &RawValue) -> Range<usize> {
    let value = value.get().as_bytes();
    let start = value.as_ptr() as usize - text.as_ptr() as usize;
    start..start + value.len()
}

/// Compares what both say of the value at `value` and of what is in it.
fn inside(text: &[u8], value: Range<usize>) {
    let mut canonical = Vec::new();
    json::canonical(&text[value.clone()], &mut canonical).expect("a value has a canonical text");
    let mut left = vec![value];
    let mut looked = 0;
    while let Some(value) = left.pop() {
        looked += 1;
        if looked > VALUES_MAX {
            return;
        }
        let own: Vec<Place> = match text[value.start] {
            b'{' => {
                let members: Vec<_> = json::Members::of(text, value.start)
                    .map(|member| member.expect("it is well-formed"))
                    .collect();
                for member in &members {
                    let quoted = &text[member.key.start - 1..=member.key.end];
                    let decoded = serde_json::from_slice::<String>(quoted).ok();
                    assert_eq!(json::decode(quoted).as_deref(), decoded.as_deref());
                    for name in ["id", "method", "params", ""] {
                        assert_eq!(member.is(text, name), decoded.as_deref() == Some(name));
                    }
                }
                members
                    .into_iter()
                    .map(|member| (member.key.start - 1..member.key.end + 1, member.value))
                    .collect()
            }
            b'[' => json::elements(text, value.start)
                .expect("it is well-formed")
                .into_iter()
                .map(|element| (0..0, element))
                .collect(),
            b'"' => {
                let string = &text[value.clone()];
                let decoded = serde_json::from_slice::<String>(string).ok();
                assert_eq!(json::decode(string).as_deref(), decoded.as_deref());
                continue;
            }
            _ => continue,
        };
        assert_eq!(own, parts(text, value));
        left.extend(own.into_iter().map(|(_, value)| value));
    }
}

/// Returns where serde_json finds what is in the value at `value`.
fn parts(text: &[u8], value: Range<usize>) -> Vec<Place> {
    let Parts(parts) = serde_json::from_slice(&text[value]).expect("it is well-formed");
    let place = |value: Option<&RawValue>| value.map_or(0..0, |value| place(text, value));
    parts
        .into_iter()
        .map(|(key, value)| (place(key), place(Some(value))))
        .collect()
}

/// The members of an object or the elements of an array; nothing of any other value.
struct Parts<'a>(Vec<(Option<&'a RawValue>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Seen)
    }
}

struct Seen;

impl<'de> Visitor<'de> for Seen {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some((key, value)) = map.next_entry()? {
            parts.push((Some(key), value));
        }
        Ok(Parts(parts))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(value) = seq.next_element()? {
            parts.push((None, value));
        }
        Ok(Parts(parts))
    }
}

/// What a message is, as its members say.
#[derive(Debug)]
struct Expected {
    kind: Kind,
    id: Option<Range<usize>>,
    method: Option<Range<usize>>,
    payload: Option<Range<usize>>,
}

/// Reads a message by serde_json's members; `None` where it is none.
fn expected(text: &[u8], value: Option<Range<usize>>) -> Option<Expected> {
    let value = value.filter(|value| text[value.start] == b'{')?;
    let members = parts(text, value);
    let mut found = [const { None }; 5];
    for (key, value) in members {
        let key = serde_json::from_slice::<String>(&text[key]).ok();
        let names = ["id", "method", "params", "result", "error"];
        if let Some(which) = names.iter().position(|name| key.as_deref() == Some(name))
            && found[which].replace(value).is_some()
        {
            return None;
        }
    }
    let [id, method, params, result, error] = found;
    let begins = |value: &Option<Range<usize>>, with: &[u8]| {
        value
            .as_ref()
            .is_none_or(|value| with.contains(&text[value.start]))
    };
    if !begins(&id, b"\"-0123456789n") || !begins(&method, b"\"") {
        return None;
    }
    let (kind, payload) = match (&method, result, error) {
        (Some(_), _, _) => {
            if !begins(&params, b"{[") {
                return None;
            }
            let kind = if id.is_some() {
                Kind::Request
            } else {
                Kind::Notification
            };
            (kind, params)
        }
        (None, Some(result), None) if id.is_some() => (Kind::Result, Some(result)),
        (None, None, Some(error)) => (Kind::Error, Some(error)),
        (None, _, _) => return None,
    };
    Some(Expected {
        kind,
        id,
        method: method.map(|method| method.start + 1..method.end - 1),
        payload,
    })
}

/// Sends a message on under other ids, names and progress tokens.
fn forwarded(message: &Bytes, envelope: &Envelope) {
    let Some(id) = envelope.id_range() else {
        return;
    };
    let object = |range: &Range<usize>| message[range.start] == b'{';
    let name = envelope.field("name");
    let meta = envelope.field("_meta").ok().flatten().filter(object);
    let token = meta.map(|meta| envelope.field_of(meta, "progressToken"));
    if let Err(InvalidEnvelope::Twice(_)) = name {
        return;
    }
    let name = name.expect("a field is there once, twice or not");
    let token = token.and_then(Result::ok).flatten();
    for (number, spelled) in [
        (0, r#""""#),
        (u64::MAX, r#""n\u0061me ä, much longer than most""#),
    ] {
        let by = Bytes::from_static(spelled.as_bytes());
        let mut outgoing = Outgoing::forward(message.clone(), id.clone());
        let number_text = number.to_string();
        let mut edits = vec![(id.clone(), number_text.as_bytes())];
        if let Some(name) = &name {
            outgoing.replace(name.clone(), by.clone());
            edits.push((name.clone(), &by));
        }
        if let Some(token) = &token {
            outgoing.replace_by_id(token.clone());
            edits.push((token.clone(), number_text.as_bytes()));
        }
        let sent = outgoing.render(number);
        assert!(!sent.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
        unchanged_but(message, &sent, edits);

        let sent = Envelope::parse(sent.into()).expect("what is sent is a message");
        assert_eq!(
            (sent.kind(), sent.id_number()),
            (envelope.kind(), Some(number))
        );
        assert_eq!(sent.method(), envelope.method());
        let value = |range: Range<usize>| sent.bytes().slice(range);
        if name.is_some() {
            let name = sent.field("name").map(|name| name.map(value));
            assert_eq!(name, Ok(Some(by)));
        }
        if token.is_some() {
            let meta = sent.field("_meta").ok().flatten();
            let token = meta.map(|meta| sent.field_of(meta, "progressToken"));
            let token = token.map(|token| token.map(|token| token.map(value)));
            let number = Bytes::from(number_text);
            assert_eq!(token, Some(Ok(Some(number))));
        }
    }
}

/// Sends an answer back under another id, however many pieces it takes.
fn answered(message: &Bytes, envelope: &Envelope) {
    let Some(id) = envelope.id_range() else {
        return;
    };
    for by in [envelope.id(), Bytes::from_static(b"\"another\"")] {
        let edits = vec![(id.clone(), &by[..])];
        let answer = Spliced::replace(message, id.clone(), &by);
        let whole = answer.pieces.concat();
        assert_eq!((answer.len(), answer.is_empty()), (whole.len(), false));
        assert_eq!(
            Envelope::parse(whole.clone().into()).map(|answer| answer.id()),
            Ok(by.clone())
        );
        let mut line = whole;
        narthex_core::mcp::one_line(&mut line);
        unchanged_but(message, &line, edits);
    }
}

/// Checks that `sent` is `message` with the edits made, and space for line ends.
fn unchanged_but(message: &[u8], sent: &[u8], mut edits: Vec<(Range<usize>, &[u8])>) {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut from, mut at) = (0, 0);
    let mut take = |count: usize| {
        let taken = &sent[at..at + count];
        at += count;
        taken
    };
    let kept = |range: Range<usize>, now: &[u8]| {
        let same = |(was, now): (&u8, &u8)| was == now || b"\n\r".contains(was) && *now == b' ';
        assert!(message[range].iter().zip(now).all(same));
    };
    for (range, by) in edits {
        kept(from..range.start, take(range.start - from));
        assert_eq!(take(by.len()), by);
        from = range.end;
    }
    kept(from..message.len(), take(message.len() - from));
    assert_eq!(at, sent.len());
}
