use std::ops::Range;

use super::{Malformed, malformed, skip_key, skip_space, skip_string, skip_value};

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
    use super::*;

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
}
