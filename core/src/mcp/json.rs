//! A scanner over JSON text: it finds where values begin and end, and builds nothing.
//!
//! It accepts exactly the grammar of RFC 8259, so that what passes it reads the same to every
//! peer, and it keeps no stack, so that a value nested 100,000 levels deep costs a bit a level. A
//! text may come in pieces, and is scanned as it comes.

mod canonical;

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;

pub use self::canonical::canonical;

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

/// How far a string goes in a text that may go on.
enum Reach {
    /// It ends before this byte.
    End(usize),
    /// The text ends before it: from here on it is looked at again when there is more.
    Cut(usize),
}

/// Finds the end of a string that goes on at `from`; `whole` says that no more text follows.
fn string_end(text: &[u8], mut from: usize, whole: bool) -> Result<Reach, Malformed> {
    loop {
        let found = memchr2(b'"', b'\\', &text[from..]);
        let stop = found.map_or(text.len(), |found| from + found);
        if let Some(control) = first_control(&text[from..stop]) {
            return malformed(from + control, "an escaped control character");
        }
        match text.get(stop) {
            Some(b'"') => return Ok(Reach::End(stop + 1)),
            Some(_) if !whole && text.len() - stop < ESCAPE_BYTES_MAX => {
                return Ok(Reach::Cut(stop));
            }
            Some(_) => from = skip_escape(text, stop)?,
            None if whole => return malformed(stop, "the end of a string"),
            None => return Ok(Reach::Cut(stop)),
        }
    }
}

/// Returns where the first control character stands, looking at many bytes at once.
fn first_control(text: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let is_control = |byte: &u8| *byte < 0x20;
    let has_any = |block: &[u8]| {
        let any = |found, byte| found | is_control(byte);
        block.iter().fold(false, any)
    };
    let at = BLOCK * text.chunks(BLOCK).position(has_any)?;
    Some(at + text[at..].iter().position(is_control)?)
}

/// Returns the index just after the string that begins at `at`.
///
/// # Errors
/// When no well-formed string begins there.
fn skip_string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    if text.get(at) != Some(&b'"') {
        return malformed(at, "a string");
    }
    match string_end(text, at + 1, true)? {
        Reach::End(end) => Ok(end),
        Reach::Cut(at) => malformed(at, "the end of a string"),
    }
}

/// The longest escape: `\u` and four digits.
const ESCAPE_BYTES_MAX: usize = 6;

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

/// Skips a number or a word.
fn skip_scalar(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let literal = |word: &'static str| {
        if text[at..].starts_with(word.as_bytes()) {
            Ok(at + word.len())
        } else {
            malformed(at, "a value")
        }
    };
    match text.get(at) {
        Some(b'-' | b'0'..=b'9') => skip_number(text, at),
        Some(b't') => literal("true"),
        Some(b'f') => literal("false"),
        Some(b'n') => literal("null"),
        Some(_) | None => malformed(at, "a value"),
    }
}

/// The longest of the words that are values: `false`.
const WORD_BYTES_MAX: usize = 5;

/// Which brackets are open: a bit a level, set for an object.
#[derive(Debug, Default)]
struct Open {
    first: u64,
    deeper: Vec<u64>,
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word > self.deeper.len() {
            self.deeper.push(0);
        }
        let word = match word {
            0 => &mut self.first,
            word => &mut self.deeper[word - 1],
        };
        *word = *word & !(1 << bit) | (u64::from(object) << bit);
        self.depth += 1;
    }

    /// Whether the innermost open bracket is an object's.
    fn in_object(&self) -> bool {
        let Some(level) = self.depth.checked_sub(1) else {
            return false;
        };
        let word = match level / 64 {
            0 => self.first,
            word => self.deeper[word - 1],
        };
        word >> (level % 64) & 1 == 1
    }
}

/// A walk over the value at the begin of a text, which stops where the text ends so far, and goes
/// on when there is more of it. Each byte is looked at once, or twice where it is of a long number.
#[derive(Debug)]
pub struct Walk {
    open: Open,
    expects: Expects,
    /// Where it goes on.
    at: usize,
    /// Where the key of the outermost object's member stands.
    key: Range<usize>,
    /// Where that member's value begins.
    value: usize,
    /// How long the text must be before a number that was cut off is looked at again.
    worth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Value,
    FirstElement,
    FirstKey,
    Key,
    KeyEnd,
    Colon,
    StringEnd,
    Delimiter,
    Nothing,
}

/// What a [`Walk`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of the outermost object.
    Member(Member),
    /// The end of the value.
    Ended,
    /// The end of the text so far.
    More,
}

impl Walk {
    /// Begins at the value that begins at `at`.
    pub const fn of(at: usize) -> Self {
        Self {
            open: Open {
                first: 0,
                deeper: Vec::new(),
                depth: 0,
            },
            expects: Expects::Value,
            at,
            key: 0..0,
            value: at,
            worth: 0,
        }
    }

    /// Returns where it stands: just after the value, once it has ended.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Goes on in `text`, which begins with all that was walked over before; `whole` says that no
    /// more follows.
    ///
    /// # Errors
    /// When the value is malformed, or `text` is whole and it does not end there.
    pub fn step(&mut self, text: &[u8], whole: bool) -> Result<Step, Malformed> {
        if !whole && text.len() < self.worth {
            return Ok(Step::More);
        }
        loop {
            let reached = match self.expects {
                Expects::Nothing => return Ok(Step::Ended),
                Expects::KeyEnd | Expects::StringEnd => self.string(text, whole)?,
                Expects::Value
                | Expects::FirstElement
                | Expects::FirstKey
                | Expects::Key
                | Expects::Colon
                | Expects::Delimiter => self.token(text, whole)?,
            };
            match reached {
                Reached::End => {
                    if let Some(member) = self.ended() {
                        return Ok(Step::Member(member));
                    }
                }
                Reached::Token => {}
                Reached::More => return Ok(Step::More),
            }
        }
    }

    /// Goes on inside a string.
    fn string(&mut self, text: &[u8], whole: bool) -> Result<Reached, Malformed> {
        match string_end(text, self.at, whole)? {
            Reach::Cut(at) => {
                self.at = at;
                Ok(Reached::More)
            }
            Reach::End(end) => {
                self.at = end;
                if self.expects == Expects::StringEnd {
                    return Ok(Reached::End);
                }
                if self.open.depth == 1 {
                    self.key.end = end - 1;
                }
                self.expects = Expects::Colon;
                Ok(Reached::Token)
            }
        }
    }

    /// Takes what comes next outside of strings.
    fn token(&mut self, text: &[u8], whole: bool) -> Result<Reached, Malformed> {
        self.at = skip_space(text, self.at);
        let Some(byte) = text.get(self.at) else {
            return if whole {
                malformed(self.at, self.expected())
            } else {
                Ok(Reached::More)
            };
        };
        self.expects = match (self.expects, byte) {
            (Expects::FirstKey, b'}') | (Expects::FirstElement, b']') => return Ok(self.close()),
            (Expects::Delimiter, b'}') if self.open.in_object() => return Ok(self.close()),
            (Expects::Delimiter, b']') if !self.open.in_object() => return Ok(self.close()),
            (Expects::Delimiter, b',') if self.open.in_object() => Expects::Key,
            (Expects::Delimiter, b',') | (Expects::Colon, b':') => Expects::Value,
            (Expects::FirstKey | Expects::Key, b'"') => {
                if self.open.depth == 1 {
                    self.key.start = self.at + 1;
                }
                Expects::KeyEnd
            }
            (Expects::Value | Expects::FirstElement, byte) => {
                if self.open.depth == 1 {
                    self.value = self.at;
                }
                match byte {
                    b'{' => {
                        self.open.push(true);
                        Expects::FirstKey
                    }
                    b'[' => {
                        self.open.push(false);
                        Expects::FirstElement
                    }
                    b'"' => Expects::StringEnd,
                    _ => return self.scalar(text, whole),
                }
            }
            _ => return malformed(self.at, self.expected()),
        };
        self.at += 1;
        Ok(Reached::Token)
    }

    fn close(&mut self) -> Reached {
        self.open.depth -= 1;
        self.at += 1;
        Reached::End
    }

    fn scalar(&mut self, text: &[u8], whole: bool) -> Result<Reached, Malformed> {
        let left = text.len() - self.at;
        if !whole && left < WORD_BYTES_MAX {
            return Ok(Reached::More);
        }
        let is_number = matches!(text[self.at], b'-' | b'0'..=b'9');
        let end = skip_scalar(text, self.at);
        let stop = end.unwrap_or_else(|error| error.at);
        if !whole && is_number && stop >= text.len() {
            // So that a long one is not looked at again for every few bytes more.
            self.worth = self.at + 2 * left;
            return Ok(Reached::More);
        }
        self.at = end?;
        Ok(Reached::End)
    }

    /// Takes note of the end of a value, and returns the member that ends with it.
    fn ended(&mut self) -> Option<Member> {
        self.expects = match self.open.depth {
            0 => Expects::Nothing,
            _ => Expects::Delimiter,
        };
        (self.open.depth == 1 && self.open.in_object()).then(|| Member {
            key: self.key.clone(),
            value: self.value..self.at,
        })
    }

    fn expected(&self) -> &'static str {
        match self.expects {
            Expects::Value | Expects::FirstElement => "a value",
            Expects::FirstKey | Expects::Key => "a string",
            Expects::KeyEnd | Expects::StringEnd => "the end of a string",
            Expects::Colon => "`:`",
            Expects::Delimiter if self.open.in_object() => "`,` or `}`",
            Expects::Delimiter => "`,` or `]`",
            Expects::Nothing => "nothing",
        }
    }
}

/// What a [`Walk`] has read.
enum Reached {
    /// The end of a value.
    End,
    /// Something else of the grammar.
    Token,
    /// The end of the text so far.
    More,
}

/// Returns the index just after the value that begins at `at`.
///
/// # Errors
/// When no well-formed value begins there.
pub fn skip_value(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut walk = Walk::of(at);
    while let Step::Member(_) = walk.step(text, true)? {}
    Ok(walk.at())
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
/// The iterator ends after the first error.
pub struct Members<'a> {
    text: &'a [u8],
    walk: Option<Walk>,
}

impl<'a> Members<'a> {
    /// Begins at the `{` at `at`.
    pub const fn of(text: &'a [u8], at: usize) -> Self {
        Self {
            text,
            walk: Some(Walk::of(at)),
        }
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let walk = self.walk.as_mut()?;
        let begins = walk.expects == Expects::Value && walk.open.depth == 0;
        let step = if begins && self.text.get(walk.at) != Some(&b'{') {
            malformed(walk.at, "an object")
        } else {
            walk.step(self.text, true)
        };
        match step {
            Ok(Step::Member(member)) => Some(Ok(member)),
            Ok(Step::Ended | Step::More) => {
                self.walk = None;
                None
            }
            Err(error) => {
                self.walk = None;
                Some(Err(error))
            }
        }
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

    /// Walks over a text that comes in pieces cut off at `cuts`.
    fn in_pieces(text: &[u8], cuts: &[usize]) -> Result<(Vec<Member>, usize), Malformed> {
        let (mut walk, mut members) = (Walk::of(0), Vec::new());
        for cut in cuts.iter().copied().chain([text.len(), text.len()]) {
            let (whole, so_far) = (cut == text.len(), &text[..cut]);
            while let Step::Member(member) = walk.step(so_far, whole)? {
                members.push(member);
            }
        }
        Ok((members, walk.at()))
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_the_same_text() {
        let texts: [&[u8]; 7] = [
            br#" {"a" : [1.5e+10, -0, true, {"b":[]}] , "\u0062\n" :"\ud800\"x", "c":false}"#,
            br#"[{"a":1}, 123456789012345678901234567890, null, "", {}]"#,
            br#"{"a":1,"b":-}"#,
            br#"{"a":tru}"#,
            br#"{"a":"\ux"}"#,
            br#"{"a":"b"#,
            b"12.",
        ];
        for text in texts {
            let whole = in_pieces(text, &[]);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    assert_eq!(in_pieces(text, &[first, second]), whole, "{first} {second}");
                }
            }
            let bytewise: Vec<usize> = (0..text.len()).collect();
            assert_eq!(in_pieces(text, &bytewise), whole);
        }
    }

    #[test]
    fn control_characters_are_found_wherever_they_stand() {
        for length in [1, 63, 64, 65, 200] {
            let clean = vec![b' '; length];
            assert_eq!(first_control(&clean), None);
            for at in 0..length {
                let mut text = clean.clone();
                text[at] = 0x1f;
                assert_eq!(first_control(&text), Some(at));
            }
        }
    }

    #[test]
    fn a_key_counts_however_it_is_spelled() {
        let text = br#"{"\u006eame":"held"}"#;
        assert_eq!(member(text, 0, "name"), Ok(Some(13..19)));
        let twice = br#"{"name":"shown","\u006eame":"held"}"#;
        assert!(member(twice, 0, "name").is_err());
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
