use super::capabilities::Capabilities;
use crate::mcp::{Envelope, Revision};

/// What a client says of itself is kept up to this many bytes; of one that says more, only what it
/// can be asked for.
const HELLO_BYTES_MAX: usize = 16 * 1024;

/// Returns the `params` by which a connection is initialized in a client's name: its own words, of
/// its capabilities those that reach it.
pub(super) fn hello(initialize: &Envelope, revision: Revision) -> Box<str> {
    let raw = |range: std::ops::Range<usize>| {
        let text = std::str::from_utf8(&initialize.bytes()[range]);
        text.unwrap_or("{}").to_owned()
    };
    let all = initialize.field("capabilities").ok().flatten();
    let declared: Vec<String> = ["sampling", "elicitation", "roots"]
        .into_iter()
        .filter_map(|name| {
            let member = initialize.field_of(all.clone()?, name).ok()??;
            Some(format!(r#""{name}":{}"#, raw(member)))
        })
        .collect();
    let client = initialize.field("clientInfo").ok().flatten();
    let client = client.map_or_else(|| r#"{"name":"unknown","version":"0"}"#.to_owned(), raw);
    let said = format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{{{}}},"clientInfo":{client}}}"#,
        declared.join(","),
    );
    if said.len() <= HELLO_BYTES_MAX {
        return said.into();
    }
    let capabilities = Capabilities::of(initialize).declared();
    let client = r#"{"name":"unknown","version":"0"}"#;
    format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{client}}}"#
    )
    .into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn said(params: &str) -> String {
        let text = format!(r#"{{"id":1,"method":"initialize","params":{params}}}"#);
        let initialize = Envelope::parse(Bytes::from(text)).unwrap();
        hello(&initialize, Revision::V2025_06_18).into()
    }

    #[test]
    fn a_client_is_introduced_in_its_own_words() {
        assert_eq!(
            said(
                r#"{"protocolVersion":"x","clientInfo":{"name":"c","z":1.0},"capabilities":{"tasks":{},"roots":{"listChanged":true},"sampling":{}}}"#
            ),
            r#"{"protocolVersion":"2025-06-18","capabilities":{"sampling":{},"roots":{"listChanged":true}},"clientInfo":{"name":"c","z":1.0}}"#
        );
    }

    #[test]
    fn one_that_says_too_much_is_introduced_by_what_it_can_be_asked_for() {
        let long = "x".repeat(HELLO_BYTES_MAX);
        let said = said(&format!(
            r#"{{"clientInfo":{{"name":"{long}"}},"capabilities":{{"elicitation":{{"url":{{}}}},"roots":{{}}}}}}"#
        ));
        assert_eq!(
            said,
            r#"{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{"url":{}},"roots":{"listChanged":true}},"clientInfo":{"name":"unknown","version":"0"}}"#
        );
    }
}
