use std::ops::Range;

use bytes::Bytes;

use super::json::{self, Malformed, Step, Walk};
use crate::runtime::by_size;

/// A JSON-RPC message: its raw bytes, and where its members stand in them.
#[derive(Debug, Clone)]
pub struct Envelope {
    bytes: Bytes,
    kind: Kind,
    id: Option<Range<usize>>,
    method: Option<Range<usize>>,
    payload: Option<Range<usize>>,
}

/// What kind of message an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has a method and an id.
    Request,
    /// It has a method and no id.
    Notification,
    /// It has a result.
    Result,
    /// It has an error.
    Error,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnvelope {
    /// The bytes are not JSON.
    #[error(transparent)]
    Json(#[from] Malformed),
    /// The bytes are not UTF-8.
    #[error("invalid UTF-8 at byte {0}")]
    Utf8(usize),
    /// Something follows the message.
    #[error("one message expected, more follows at byte {0}")]
    Trailing(usize),
    /// A batch, which revisions since 2025-06-18 do not know.
    #[error("a single message expected, not a batch")]
    Batch,
    /// A member that is acted on stands there twice.
    #[error("member `{0}` stands there twice")]
    Twice(&'static str),
    /// A member has a type it must not have.
    #[error("member `{0}` has the wrong type")]
    WrongType(&'static str),
    /// The members make no message.
    #[error("neither a request nor a notification nor a response")]
    NoMessage,
}

impl Envelope {
    /// Scans one message. White space around it is allowed, anything else is not.
    ///
    /// # Errors
    /// When the bytes are not exactly one JSON-RPC message.
    pub fn parse(bytes: Bytes) -> Result<Self, InvalidEnvelope> {
        Scan::default().ended(bytes)
    }

    fn of(bytes: Bytes, found: Found) -> Result<Self, InvalidEnvelope> {
        let kind = found.kind(&bytes)?;
        let Found {
            id,
            method,
            params,
            result,
            error,
        } = found;
        let payload = match kind {
            Kind::Request | Kind::Notification => params,
            Kind::Result => result,
            Kind::Error => error,
        };
        let method = method.map(|quoted| quoted.start + 1..quoted.end - 1);
        Ok(Self {
            bytes,
            kind,
            id,
            method,
            payload,
        })
    }

    /// Returns what kind of message this is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the whole message.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the method as it is spelled; empty for a response.
    pub fn method(&self) -> &str {
        self.method
            .clone()
            .and_then(|range| std::str::from_utf8(&self.bytes[range]).ok())
            .unwrap_or_default()
    }

    /// Returns where the id stands; `None` for a notification.
    pub fn id_range(&self) -> Option<Range<usize>> {
        self.id.clone()
    }

    /// Returns the id as it is spelled, quotes included; `null` where there is none.
    pub fn id(&self) -> Bytes {
        self.id
            .clone()
            .map_or(Bytes::from_static(b"null"), |range| self.bytes.slice(range))
    }

    /// Returns the id as a number, where it is a whole one.
    pub fn id_number(&self) -> Option<u64> {
        std::str::from_utf8(&self.bytes[self.id.clone()?])
            .ok()?
            .parse()
            .ok()
    }

    /// Returns where `params`, `result` or `error` stands.
    pub fn payload_range(&self) -> Option<Range<usize>> {
        self.payload.clone()
    }

    /// Returns `params`, `result` or `error` as raw JSON.
    pub fn payload(&self) -> Option<Bytes> {
        self.payload.clone().map(|range| self.bytes.slice(range))
    }

    /// Returns where the member of `params` (or `result`) called `name` stands in the whole message.
    ///
    /// # Errors
    /// When the member stands there twice.
    pub fn field(&self, name: &'static str) -> Result<Option<Range<usize>>, InvalidEnvelope> {
        let Some(payload) = self.payload.clone() else {
            return Ok(None);
        };
        self.field_of(payload, name)
    }

    /// Like [`Self::field`], of the object at `within`; nothing where that is no object.
    ///
    /// # Errors
    /// When the member stands there twice.
    pub fn field_of(
        &self,
        within: Range<usize>,
        name: &'static str,
    ) -> Result<Option<Range<usize>>, InvalidEnvelope> {
        if self.bytes.get(within.start) != Some(&b'{') {
            return Ok(None);
        }
        json::member(&self.bytes, within.start, name).map_err(|_| InvalidEnvelope::Twice(name))
    }
}

/// A scan of a message that comes in pieces: what has come is looked at before the rest is there.
#[derive(Debug, Default)]
pub struct Scan {
    walk: Option<Walk>,
    found: Found,
    /// How much is known to be UTF-8.
    utf8: usize,
    /// Why it is no message.
    broken: Option<InvalidEnvelope>,
}

impl Scan {
    /// Looks at what has come since the last time; `text` is all that has come.
    ///
    /// # Errors
    /// When it is no message, whatever follows; then every time.
    pub fn more(&mut self, text: &[u8]) -> Result<(), InvalidEnvelope> {
        if self.broken.is_none() {
            self.broken = self.look(text, false).err();
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Looks at the rest of the whole message, aside where that is much.
    ///
    /// # Errors
    /// When the bytes are not exactly one message.
    pub fn ended(mut self, bytes: Bytes) -> Result<Envelope, InvalidEnvelope> {
        match self.broken.take() {
            None => by_size(bytes.len().saturating_sub(self.utf8), || {
                self.look(&bytes, true)
            })?,
            Some(error) => return Err(error),
        }
        Envelope::of(bytes, self.found)
    }

    fn look(&mut self, text: &[u8], whole: bool) -> Result<(), InvalidEnvelope> {
        self.utf8 += match std::str::from_utf8(&text[self.utf8..]) {
            Ok(valid) => valid.len(),
            // A character is cut in the middle.
            Err(error) if !whole && error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(InvalidEnvelope::Utf8(self.utf8 + error.valid_up_to())),
        };
        let walk = match &mut self.walk {
            Some(walk) => walk,
            begun @ None => {
                let start = json::skip_space(text, 0);
                match text.get(start) {
                    Some(b'{') => begun.insert(Walk::of(start)),
                    Some(b'[') => return Err(InvalidEnvelope::Batch),
                    None if !whole => return Ok(()),
                    Some(_) | None => {
                        let (at, expected) = (start, "an object");
                        return Err(Malformed { at, expected }.into());
                    }
                }
            }
        };
        loop {
            match walk.step(text, whole)? {
                Step::Member(member) => self.found.take(text, &member)?,
                Step::More => return Ok(()),
                Step::Ended => break,
            }
        }
        match json::skip_space(text, walk.at()) {
            end if end == text.len() => Ok(()),
            more => Err(InvalidEnvelope::Trailing(more)),
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    id: Option<Range<usize>>,
    method: Option<Range<usize>>,
    params: Option<Range<usize>>,
    result: Option<Range<usize>>,
    error: Option<Range<usize>>,
}

impl Found {
    fn take(&mut self, text: &[u8], member: &json::Member) -> Result<(), InvalidEnvelope> {
        let slots = [
            ("id", &mut self.id),
            ("method", &mut self.method),
            ("params", &mut self.params),
            ("result", &mut self.result),
            ("error", &mut self.error),
        ];
        for (name, slot) in slots {
            if member.is(text, name) {
                if slot.replace(member.value.clone()).is_some() {
                    return Err(InvalidEnvelope::Twice(name));
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn kind(&self, text: &[u8]) -> Result<Kind, InvalidEnvelope> {
        let first = |range: &Range<usize>| text[range.start];
        if let Some(id) = &self.id
            && !matches!(first(id), b'"' | b'-' | b'0'..=b'9' | b'n')
        {
            return Err(InvalidEnvelope::WrongType("id"));
        }
        if let Some(method) = &self.method {
            if first(method) != b'"' {
                return Err(InvalidEnvelope::WrongType("method"));
            }
            if let Some(params) = &self.params
                && !matches!(first(params), b'{' | b'[')
            {
                return Err(InvalidEnvelope::WrongType("params"));
            }
            return Ok(if self.id.is_some() {
                Kind::Request
            } else {
                Kind::Notification
            });
        }
        match (&self.result, &self.error) {
            (Some(_), None) if self.id.is_some() => Ok(Kind::Result),
            (None, Some(_)) => Ok(Kind::Error),
            (Some(_) | None, Some(_) | None) => Err(InvalidEnvelope::NoMessage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Envelope, InvalidEnvelope> {
        Envelope::parse(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn it_tells_the_kinds_apart() {
        let kind = |text| parse(text).map(|envelope| envelope.kind());
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
            Ok(Kind::Request)
        );
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","method":"x","params":{}}"#),
            Ok(Kind::Notification)
        );
        assert_eq!(
            kind(r#"{"result":{},"jsonrpc":"2.0","id":"a"}"#),
            Ok(Kind::Result)
        );
        assert_eq!(kind(r#"{"id":null,"error":{}}"#), Ok(Kind::Error));
        assert_eq!(kind("{}"), Err(InvalidEnvelope::NoMessage));
        assert_eq!(kind("[]"), Err(InvalidEnvelope::Batch));
    }

    #[test]
    fn a_message_hidden_behind_another_is_refused() {
        assert!(matches!(
            parse(r#"{"id":1,"method":"a"} {"id":2,"method":"b"}"#),
            Err(InvalidEnvelope::Trailing(22))
        ));
        assert_eq!(
            parse(r#"{"id":1,"method":"a","method":"b"}"#).map(|envelope| envelope.kind()),
            Err(InvalidEnvelope::Twice("method"))
        );
    }

    #[test]
    fn a_message_is_the_same_however_it_is_cut() {
        let texts: [&[u8]; 8] = [
            r#" {"id":12,"result":{"é":"\u00e9 𝄞"},"jsonrpc":"2.0"} "#.as_bytes(),
            br#"{"id":1,"error":{"code":-32600}}"#,
            br#"{"id":1,"id":2,"result":{}}"#,
            br#"{"id":1,"result":{}}{}"#,
            b"{\"id\":1,\"result\":\"\xff\"}",
            b"{\"id\":1,\"result\":\"\xc3\"}",
            b" []",
            b"  ",
        ];
        for text in texts {
            let bytes = Bytes::from_static(text);
            let whole = Envelope::parse(bytes.clone()).map(|it| (it.id(), it.payload()));
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let mut scan = Scan::default();
                    let early = scan
                        .more(&text[..first])
                        .and_then(|()| scan.more(&text[..second]));
                    let cut = early.and_then(|()| scan.ended(bytes.clone()));
                    let cut = cut.map(|it| (it.id(), it.payload()));
                    assert_eq!(cut, whole, "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn ids_keep_their_spelling() {
        assert_eq!(
            &parse(r#"{"id":"1","method":"a"}"#).unwrap().id()[..],
            b"\"1\""
        );
        assert_eq!(
            &parse(r#"{"id":1.0,"method":"a"}"#).unwrap().id()[..],
            b"1.0"
        );
        assert_eq!(
            parse(r#"{"id":17,"result":0}"#).unwrap().id_number(),
            Some(17)
        );
        assert_eq!(
            parse(r#"{"id":"17","result":0}"#).unwrap().id_number(),
            None
        );
    }
}
