//! Kinds of bodies: what `Content-Type` says that one is, and what `Accept` says is taken.

use axum::http::HeaderValue;

/// A message.
pub const JSON: &str = "application/json";

/// A stream of messages.
pub const EVENT_STREAM: &str = "text/event-stream";

/// Whether a `Content-Type` names `kind`, in any letters and with any parameters.
pub fn is(value: &HeaderValue, kind: &str) -> bool {
    let (named, _) = cut(value.as_bytes(), b';');
    named.eq_ignore_ascii_case(kind.as_bytes())
}

/// Whether the `Accept` headers of a request take `kind`. Of several ranges that it falls under,
/// the narrowest counts, and of two that are as narrow the first.
pub fn takes<'a>(accept: impl IntoIterator<Item = &'a HeaderValue>, kind: &str) -> bool {
    let (main, _) = cut(kind.as_bytes(), b'/');
    let mut narrowest = (0, false);
    for value in accept {
        for range in value.as_bytes().split(|byte| *byte == b',') {
            let (named, parameters) = cut(range, b';');
            let width = if named.eq_ignore_ascii_case(kind.as_bytes()) {
                3
            } else if named == b"*/*" {
                1
            } else {
                let of_main = named.strip_suffix(b"/*");
                2 * u8::from(of_main.is_some_and(|named| named.eq_ignore_ascii_case(main)))
            };
            if width > narrowest.0 {
                narrowest = (width, !is_refused(parameters));
            }
        }
    }
    narrowest.1
}

/// Whether the parameters of a range say `q=0`: anything but this.
fn is_refused(parameters: &[u8]) -> bool {
    parameters.split(|byte| *byte == b';').any(|parameter| {
        let (name, weight) = cut(parameter, b'=');
        let zero = weight.strip_prefix(b"0").is_some_and(|rest| {
            rest.is_empty() || rest[0] == b'.' && rest[1..].iter().all(|digit| *digit == b'0')
        });
        name.eq_ignore_ascii_case(b"q") && zero
    })
}

/// Cuts at the first `at`, and the space around what is before and after it away.
fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = memchr::memchr(at, text).unwrap_or(text.len());
    let after = text.get(end + 1..).unwrap_or_default();
    (text[..end].trim_ascii(), after.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_in_any_letters_and_with_parameters() {
        let is_json = |value| is(&HeaderValue::from_static(value), JSON);
        for json in ["application/json", "Application/JSON ; charset=utf-8"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["", "application/json-seq", "text/json", "application/json,"] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn the_narrowest_range_says_what_is_taken() {
        let takes = |values: &[&'static str]| {
            let values: Vec<_> = values
                .iter()
                .map(|it| HeaderValue::from_static(it))
                .collect();
            takes(&values, EVENT_STREAM)
        };
        for taking in [
            &["application/json, text/event-stream"][..],
            &["application/json", "Text/Event-Stream;q=0.5"],
            &["*/*"],
            &["text/*;q=0.001"],
            &["*/*;q=0, text/event-stream"],
        ] {
            assert!(takes(taking), "{taking:?}");
        }
        for refusing in [
            &[][..],
            &["application/json"],
            &["text/event-stream;q=0"],
            &["text/event-stream ; a=b ; Q=0.000, */*"],
            &["text/event-streams, xtext/*"],
        ] {
            assert!(!takes(refusing), "{refusing:?}");
        }
    }
}
