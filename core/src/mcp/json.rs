//! A scanner over JSON text: it finds where values begin and end, and builds nothing.
//!
//! It accepts exactly the grammar of RFC 8259, so that what passes it reads the same to every
//! peer, and it keeps no stack, so that a value nested 100,000 levels deep costs a bit a level.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at byte {at}")]
pub struct Malformed {
    /// The byte, from 0.
    pub at: usize,
    /// What the grammar wants there.
    pub expected: &'static str,
}

const fn malformed<T>(at: usize, expected: &'static str) -> Result<T, Malformed> {
    Err(Malformed { at, expected })
}

/// Returns the index of the first byte at or after `at` that is not white space.
pub fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Returns the index just after the string that begins at `at`.
///
/// # Errors
/// When no well-formed string begins there.
pub fn skip_string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    if text.get(at) != Some(&b'"') {
        return malformed(at, "a string");
    }
    let mut from = at + 1;
    loop {
        let Some(found) = memchr2(b'"', b'\\', &text[from..]) else {
            return malformed(text.len(), "the end of a string");
        };
        let stop = from + found;
        if let Some(control) = text[from..stop].iter().position(|byte| *byte < 0x20) {
            return malformed(from + control, "an escaped control character");
        }
        if text[stop] == b'"' {
            return Ok(stop + 1);
        }
        from = skip_escape(text, stop)?;
    }
}

fn skip_escape(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) | None => malformed(at + 2, "four hexadecimal digits"),
        },
        Some(_) | None => malformed(at + 1, "an escape"),
    }
}

fn skip_number(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let digits = |from: usize| {
        let count = text[from.min(text.len())..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            malformed(from, "a digit")
        } else {
            Ok(from + count)
        }
    };
    let mut end = at + usize::from(text.get(at) == Some(&b'-'));
    end = if text.get(end) == Some(&b'0') {
        end + 1
    } else {
        digits(end)?
    };
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let signed = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + signed)?;
    }
    Ok(end)
}

fn skip_scalar(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let literal = |word: &'static str| {
        if text[at..].starts_with(word.as_bytes()) {
            Ok(at + word.len())
        } else {
            malformed(at, "a value")
        }
    };
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'-' | b'0'..=b'9') => skip_number(text, at),
        Some(b't') => literal("true"),
        Some(b'f') => literal("false"),
        Some(b'n') => literal("null"),
        Some(_) | None => malformed(at, "a value"),
    }
}

/// Which brackets are open: a bit a level, set for an object.
#[derive(Default)]
struct Open {
    words: Vec<u64>,
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.words.len() {
            self.words.push(0);
        }
        self.words[word] = self.words[word] & !(1 << bit) | (u64::from(object) << bit);
        self.depth += 1;
    }

    /// Whether the innermost open bracket is an object's.
    fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.words[level / 64] >> (level % 64) & 1 == 1
    }
}

/// Returns the index just after the value that begins at `at` (no white space before it).
///
/// # Errors
/// When no well-formed value begins there.
pub fn skip_value(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut open = Open::default();
    let mut at = at;
    loop {
        // A value begins at `at`.
        match text.get(at) {
            Some(b'{') => {
                at = skip_space(text, at + 1);
                if text.get(at) == Some(&b'}') {
                    at += 1;
                } else {
                    open.push(true);
                    at = skip_key(text, at)?;
                    continue;
                }
            }
            Some(b'[') => {
                at = skip_space(text, at + 1);
                if text.get(at) == Some(&b']') {
                    at += 1;
                } else {
                    open.push(false);
                    continue;
                }
            }
            Some(_) | None => at = skip_scalar(text, at)?,
        }
        // A value ended at `at`; close what ends with it.
        loop {
            if open.depth == 0 {
                return Ok(at);
            }
            at = skip_space(text, at);
            match (text.get(at), open.in_object()) {
                (Some(b','), true) => {
                    at = skip_key(text, skip_space(text, at + 1))?;
                    break;
                }
                (Some(b','), false) => {
                    at = skip_space(text, at + 1);
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    open.depth -= 1;
                    at += 1;
                }
                (Some(_) | None, true) => return malformed(at, "`,` or `}`"),
                (Some(_) | None, false) => return malformed(at, "`,` or `]`"),
            }
        }
    }
}

/// Skips a key and its colon; returns where the value begins.
fn skip_key(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let end = skip_space(text, skip_string(text, at)?);
    if text.get(end) != Some(&b':') {
        return malformed(end, "`:`");
    }
    Ok(skip_space(text, end + 1))
}

/// A member of an object, as byte ranges of the text it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key between its quotes, escapes and all.
    pub key: Range<usize>,
    /// The value, without white space around it.
    pub value: Range<usize>,
}

impl Member {
    /// Whether the key reads `name`, however it is spelled: `"\u0069d"` is `id` to every peer
    /// that decodes it, so it is here.
    pub fn is(&self, text: &[u8], name: &str) -> bool {
        let key = &text[self.key.clone()];
        if key == name.as_bytes() {
            return true;
        }
        key.contains(&b'\\')
            && decode(&text[self.key.start - 1..=self.key.end]).is_some_and(|key| key == name)
    }
}

/// Returns what a string (with its quotes) says; `None` where it holds a lone surrogate.
pub fn decode(string: &[u8]) -> Option<Cow<'_, str>> {
    let inner = string.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(string).ok().map(Cow::Owned)
}

/// Walks over the members of the object that begins at `at`.
///
/// The iterator ends after the first error. [`Members::end`] tells where the object ended.
pub struct Members<'a> {
    text: &'a [u8],
    at: usize,
    state: MembersState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MembersState {
    First,
    Next,
    Ended,
}

impl<'a> Members<'a> {
    /// Begins at the `{` at `at`.
    pub const fn of(text: &'a [u8], at: usize) -> Self {
        Self {
            text,
            at,
            state: MembersState::First,
        }
    }

    /// Returns the index just after the object, once the iterator has ended without an error.
    pub const fn end(&self) -> usize {
        self.at
    }

    fn step(&mut self) -> Result<Option<Member>, Malformed> {
        let text = self.text;
        let mut at;
        if self.state == MembersState::First {
            if text.get(self.at) != Some(&b'{') {
                return malformed(self.at, "an object");
            }
            at = skip_space(text, self.at + 1);
            if text.get(at) == Some(&b'}') {
                self.at = at + 1;
                return Ok(None);
            }
        } else {
            at = skip_space(text, self.at);
            match text.get(at) {
                Some(b',') => at = skip_space(text, at + 1),
                Some(b'}') => {
                    self.at = at + 1;
                    return Ok(None);
                }
                Some(_) | None => return malformed(at, "`,` or `}`"),
            }
        }
        let key_end = skip_string(text, at)?;
        let value = skip_key(text, at)?;
        let end = skip_value(text, value)?;
        self.at = end;
        Ok(Some(Member {
            key: at + 1..key_end - 1,
            value: value..end,
        }))
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == MembersState::Ended {
            return None;
        }
        let step = self.step().transpose();
        self.state = match step {
            Some(Ok(_)) => MembersState::Next,
            Some(Err(_)) | None => MembersState::Ended,
        };
        step
    }
}

/// Walks over the elements of the array that begins at `at`, as byte ranges.
///
/// # Errors
/// When no well-formed array begins there.
pub fn elements(text: &[u8], at: usize) -> Result<Vec<Range<usize>>, Malformed> {
    if text.get(at) != Some(&b'[') {
        return malformed(at, "an array");
    }
    let mut found = Vec::new();
    let mut at = skip_space(text, at + 1);
    if text.get(at) == Some(&b']') {
        return Ok(found);
    }
    loop {
        let end = skip_value(text, at)?;
        found.push(at..end);
        at = skip_space(text, end);
        match text.get(at) {
            Some(b',') => at = skip_space(text, at + 1),
            Some(b']') => return Ok(found),
            Some(_) | None => return malformed(at, "`,` or `]`"),
        }
    }
}

/// The value of the member `name` of the object that begins at `at`.
///
/// # Errors
/// When the object is malformed, or holds the member twice: two readers may disagree on which of
/// the two counts.
pub fn member(
    text: &[u8],
    at: usize,
    name: &'static str,
) -> Result<Option<Range<usize>>, Malformed> {
    let mut found = None;
    for each in Members::of(text, at) {
        let each = each?;
        if each.is(text, name) && found.replace(each.value).is_some() {
            return malformed(each.key.start, "every member that is acted on once");
        }
    }
    Ok(found)
}

/// Levels that [`canonical`] puts in order; what is nested deeper counts as it is spelled.
const CANONICAL_LEVELS: usize = 256;

/// Appends `value` with the members of every object in the order of their keys and without white
/// space, so that a server that shuffles its keys from run to run is seen as unchanged. Strings,
/// numbers and duplicate keys stay as they are spelled. Each byte is looked at a few times, however
/// deep it stands.
///
/// # Errors
/// When `value` is not one well-formed value.
pub fn canonical(value: &[u8], into: &mut Vec<u8>) -> Result<(), Malformed> {
    canonical_value(value, 0, into, 0).map(drop)
}

/// Appends the value that begins at `at`; returns the index just after it.
fn canonical_value(
    text: &[u8],
    at: usize,
    into: &mut Vec<u8>,
    level: usize,
) -> Result<usize, Malformed> {
    match text.get(at) {
        Some(b'{') if level < CANONICAL_LEVELS => canonical_object(text, at, into, level),
        Some(b'[') if level < CANONICAL_LEVELS => canonical_array(text, at, into, level),
        Some(_) | None => {
            let end = skip_value(text, at)?;
            into.extend_from_slice(&text[at..end]);
            Ok(end)
        }
    }
}

fn canonical_object(
    text: &[u8],
    at: usize,
    into: &mut Vec<u8>,
    level: usize,
) -> Result<usize, Malformed> {
    into.push(b'{');
    let start = into.len();
    // Each key, and where its member stands behind `start`.
    let mut members: Vec<(&[u8], Range<usize>)> = Vec::new();
    let mut at = skip_space(text, at + 1);
    if text.get(at) != Some(&b'}') {
        loop {
            let (from, key_end) = (into.len() - start, skip_string(text, at)?);
            into.extend_from_slice(&text[at..key_end]);
            into.push(b':');
            let key = &text[at + 1..key_end - 1];
            let end = canonical_value(text, skip_key(text, at)?, into, level + 1)?;
            into.push(b',');
            members.push((key, from..into.len() - start));
            at = skip_space(text, end);
            match text.get(at) {
                Some(b',') => at = skip_space(text, at + 1),
                Some(b'}') => break,
                Some(_) | None => return malformed(at, "`,` or `}`"),
            }
        }
    }
    if !members.is_sorted_by(|a, b| a.0 <= b.0) {
        members.sort_by(|a, b| a.0.cmp(b.0));
        let given = into.split_off(start);
        for (_, range) in members {
            into.extend_from_slice(&given[range]);
        }
    }
    into.push(b'}');
    Ok(at + 1)
}

fn canonical_array(
    text: &[u8],
    at: usize,
    into: &mut Vec<u8>,
    level: usize,
) -> Result<usize, Malformed> {
    into.push(b'[');
    let mut at = skip_space(text, at + 1);
    if text.get(at) != Some(&b']') {
        loop {
            let end = canonical_value(text, at, into, level + 1)?;
            into.push(b',');
            at = skip_space(text, end);
            match text.get(at) {
                Some(b',') => at = skip_space(text, at + 1),
                Some(b']') => break,
                Some(_) | None => return malformed(at, "`,` or `]`"),
            }
        }
    }
    into.push(b']');
    Ok(at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_value(text: &str) -> bool {
        skip_value(text.as_bytes(), 0) == Ok(text.len())
    }

    #[test]
    fn it_accepts_the_grammar_and_nothing_else() {
        for good in [
            "{}",
            "[]",
            "0",
            "-0",
            "1e400",
            "1.0",
            "-1.5E+10",
            "\"\"",
            "\"\\ud800\"",
            "true",
            "null",
            "[1,[2,{\"a\":[]}] , {}]",
            "{\"a\" : 1 , \"b\":{\"c\":[null]}}",
        ] {
            assert!(is_value(good), "{good}");
        }
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            "+1",
            ".5",
            "tru",
            "\"a",
            "\"\\x\"",
            "\"\n\"",
            "[1}",
            "{\"a\":1]",
            "{\"a\" 1}",
            "nul",
            "NaN",
            "'a'",
        ] {
            assert!(!is_value(bad), "{bad}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(is_value(&deep));
        assert!(!is_value(&deep[..deep.len() - 1]));
    }

    #[test]
    fn a_key_counts_however_it_is_spelled() {
        let text = br#"{"\u006eame":"held"}"#;
        assert_eq!(member(text, 0, "name"), Ok(Some(13..19)));
        let twice = br#"{"name":"shown","\u006eame":"held"}"#;
        assert!(member(twice, 0, "name").is_err());
    }

    #[test]
    fn canonical_text_ignores_order_and_space_but_no_value() {
        let canon = |text: &str| {
            let mut into = Vec::new();
            canonical(text.as_bytes(), &mut into).unwrap();
            into
        };
        assert_eq!(
            canon(r#"{"a":1,"b":{"d":[1, 2],"c":0}}"#),
            canon(r#"{ "b":{"c":0,"d":[1,2]}, "a":1 }"#)
        );
        // Approvals are kept by the hash of this text.
        assert_eq!(
            canon(r#"{"b" :{"d":[1, {}], "c":0} ,"a":"x", "a":1e400}"#),
            br#"{"a":"x","a":1e400,"b":{"c":0,"d":[1,{},],},}"#
        );
        assert_ne!(canon(r#"{"a":1}"#), canon(r#"{"a":1.0}"#));
        assert_ne!(canon(r#"{"a":[1,2]}"#), canon(r#"{"a":[2,1]}"#));
        assert_ne!(canon(r#"{"a":1,"a":2}"#), canon(r#"{"a":2,"a":1}"#));
    }

    #[test]
    fn what_is_too_deep_to_be_put_in_order_counts_as_it_is_spelled() {
        let nested = |inner: &str| {
            let text = format!("{}{inner}{}", "[".repeat(256), "]".repeat(256));
            let mut into = Vec::new();
            canonical(text.as_bytes(), &mut into).unwrap();
            into
        };
        let whole = format!(
            "{}{{\"b\": 1, \"a\": 2}}{}",
            "[".repeat(256),
            ",]".repeat(256)
        );
        assert_eq!(nested(r#"{"b": 1, "a": 2}"#), whole.as_bytes());
        let mut into = Vec::new();
        for broken in ["[1", "{", r#"{"a"}"#, r#"{"a":1]"#, "[1}", "[,]"] {
            assert!(canonical(broken.as_bytes(), &mut into).is_err(), "{broken}");
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde_on_every_value(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(skip_value(text.as_bytes(), 0), Ok(text.len()));
        }

        #[test]
        fn it_agrees_with_serde_on_every_text(text in r#"[\[\]{},:"0-9a-z\\ .eE+-]{0,24}"#) {
            let scanned = skip_value(text.as_bytes(), 0) == Ok(text.len());
            let parsed = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            let padded = text.trim() != text;
            prop_assert!(padded || scanned == parsed, "{:?}: scanned {}, parsed {}", text, scanned, parsed);
        }
    }
}
