use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

use crate::mcp::json;

/// Whether a result may hold any: most hold none, and this is the one search that they pay for.
pub(super) fn may_be_in(result: &[u8]) -> bool {
    memchr::memmem::find(result, b"uri").is_some()
}

/// Returns the edits by which the URIs of resources in a result read as `offered` says: of links and
/// embedded resources in `content` and `messages`, and of what was read in `contents`. All else in a
/// result is the server's.
pub(super) fn edits(
    result: &[u8],
    offered: impl Fn(&str) -> Option<String>,
) -> Vec<(Range<usize>, Bytes)> {
    let mut found = Vec::new();
    for name in ["content", "contents", "messages"] {
        if let Some(list) = member(result, 0, name) {
            each(result, list, &mut found);
        }
    }
    found.sort_by_key(|range| range.start);
    let renamed = |range: Range<usize>| {
        let own: Cow<'_, str> = json::decode(&result[range.clone()])?;
        let quoted = serde_json::to_vec(&offered(&own)?).expect("a text encodes");
        Some((range, Bytes::from(quoted)))
    };
    found.into_iter().filter_map(renamed).collect()
}

fn each(text: &[u8], list: Range<usize>, found: &mut Vec<Range<usize>>) {
    if text[list.start] != b'[' {
        return;
    }
    // The result was scanned when it came.
    for element in json::elements(text, list.start).unwrap_or_default() {
        block(text, element, found);
    }
}

/// Finds the URI of one block; of a message, those of its content.
fn block(text: &[u8], at: Range<usize>, found: &mut Vec<Range<usize>>) {
    leaf(text, at.start, found);
    let Some(content) = member(text, at.start, "content") else {
        return;
    };
    // One level: the content of a message has no messages in it.
    if text[content.start] == b'[' {
        for inner in json::elements(text, content.start).unwrap_or_default() {
            leaf(text, inner.start, found);
        }
    } else {
        leaf(text, content.start, found);
    }
}

/// Finds the URI of a link, of what was read, or of an embedded resource.
fn leaf(text: &[u8], at: usize, found: &mut Vec<Range<usize>>) {
    found.extend(member(text, at, "uri"));
    if let Some(resource) = member(text, at, "resource") {
        found.extend(member(text, resource.start, "uri"));
    }
}

/// Returns where a member of the object at `at` stands; nothing where that is no object, or the
/// member is there twice.
fn member(text: &[u8], at: usize, name: &'static str) -> Option<Range<usize>> {
    if text.get(at) != Some(&b'{') {
        return None;
    }
    json::member(text, at, name).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::splice;

    fn rewritten(result: &str) -> String {
        let edits = edits(result.as_bytes(), |uri| {
            uri.starts_with("a:").then(|| format!("p+{uri}"))
        });
        let edits: Vec<_> = edits
            .iter()
            .map(|(range, by)| (range.clone(), &by[..]))
            .collect();
        String::from_utf8(splice(result.as_bytes(), &edits)).unwrap()
    }

    #[test]
    fn every_place_of_a_uri_is_found_and_nothing_else() {
        assert_eq!(
            rewritten(
                r#"{"content":[{"type":"resource_link","uri":"a:1"},{"type":"text","text":"a:1 \"uri\""},{"resource":{"text":"x","uri":"a:2"}}],"structuredContent":{"uri":"a:3"}}"#
            ),
            r#"{"content":[{"type":"resource_link","uri":"p+a:1"},{"type":"text","text":"a:1 \"uri\""},{"resource":{"text":"x","uri":"p+a:2"}}],"structuredContent":{"uri":"a:3"}}"#
        );
        assert_eq!(
            rewritten(r#"{"contents":[{"uri":"a:1","text":""},{"uri":"b:1"}]}"#),
            r#"{"contents":[{"uri":"p+a:1","text":""},{"uri":"b:1"}]}"#
        );
        assert_eq!(
            rewritten(
                r#"{"messages":[{"role":"user","content":{"resource":{"uri":"a:1"}}},{"content":[{"uri":"a:2"}]}]}"#
            ),
            r#"{"messages":[{"role":"user","content":{"resource":{"uri":"p+a:1"}}},{"content":[{"uri":"p+a:2"}]}]}"#
        );
        let odd = r#"{"content":"uri","contents":[[{"uri":"a:1"}]],"messages":7}"#;
        assert_eq!(rewritten(odd), odd);
    }
}
