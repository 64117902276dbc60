//! What the head of an answer says.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, Response, StatusCode, header};

use crate::{mcp::media, upstream::CallError};

/// The form of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Form {
    /// One message.
    Json,
    /// A stream of events.
    Events,
}

impl Form {
    /// Returns the form of an answer.
    ///
    /// # Errors
    /// When it is none that MCP has, or is compressed: nobody asked for that, and a few bytes may
    /// become any number.
    pub(in crate::upstream) fn of<B>(answer: &Response<B>) -> Result<Self, CallError> {
        let mut encodings = answer.headers().get_all(header::CONTENT_ENCODING).iter();
        if encodings.any(|encoding| encoding.as_bytes() != b"identity") {
            let what = "it is compressed, which was not asked for";
            return Err(CallError::InvalidReply(what.to_owned()));
        }
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let is = |named| kind.is_some_and(|kind| media::is(kind, named));
        if is(media::JSON) {
            Ok(Self::Json)
        } else if is(media::EVENT_STREAM) {
            Ok(Self::Events)
        } else {
            tracing::debug!(?kind, "answer that is not MCP");
            Err(CallError::NotMcp)
        }
    }
}

/// Returns why an answer is none, by its status; `None` where it is one.
pub(in crate::upstream) fn refused<B>(answer: &Response<B>) -> Option<CallError> {
    match answer.status() {
        status if status.is_success() => None,
        StatusCode::UNAUTHORIZED => Some(CallError::SignInNeeded),
        // Followed, a redirect would carry the entry's headers to whoever it names.
        status if status.is_redirection() => Some(CallError::Redirected),
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            Some(CallError::Overloaded {
                status: status.as_u16(),
                retry_after: retry_after(answer.headers(), SystemTime::now()),
            })
        }
        status => Some(CallError::HttpStatus(status.as_u16())),
    }
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(Duration::from_secs(
            text.parse::<u32>().unwrap_or(u32::MAX).into(),
        ));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn head(status: u16, headers: &[(&'static str, &'static str)]) -> Response<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap()
    }

    #[test]
    fn when_to_try_again_is_read_as_seconds_and_as_a_date() {
        let now = httpdate::parse_http_date("Fri, 27 Nov 2026 12:00:00 GMT").unwrap();
        let read = |text: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
            retry_after(&headers, now)
        };
        let seconds = |count| Some(Duration::from_secs(count));
        assert_eq!(read("120"), seconds(120));
        assert_eq!(read(" 0 "), seconds(0));
        assert_eq!(read("99999999999999999999"), seconds(u32::MAX.into()));
        assert_eq!(read("Fri, 27 Nov 2026 12:01:30 GMT"), seconds(90));
        assert_eq!(read("Fri, 27 Nov 2026 11:00:00 GMT"), seconds(0));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let wait = [("retry-after", "7")];
        let busy = |status, seconds: Option<u64>| {
            Some(CallError::Overloaded {
                status,
                retry_after: seconds.map(Duration::from_secs),
            })
        };
        assert_eq!(refused(&head(202, &[])), None);
        assert_eq!(refused(&head(429, &wait)), busy(429, Some(7)));
        assert_eq!(refused(&head(503, &[])), busy(503, None));
        assert_eq!(refused(&head(502, &wait)), Some(CallError::HttpStatus(502)));
        assert_eq!(refused(&head(308, &[])), Some(CallError::Redirected));
        assert_eq!(refused(&head(401, &[])), Some(CallError::SignInNeeded));
    }

    #[test]
    fn a_form_is_told_by_its_type_and_a_compressed_one_is_none() {
        let of = |headers: &[_]| Form::of(&head(200, headers));
        let json = ("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(of(&[json]), Ok(Form::Json));
        assert_eq!(
            of(&[json, ("content-encoding", "identity")]),
            Ok(Form::Json)
        );
        assert_eq!(
            of(&[("content-type", "text/event-stream")]),
            Ok(Form::Events)
        );
        assert_eq!(of(&[("content-type", "text/html")]), Err(CallError::NotMcp));
        assert_eq!(of(&[]), Err(CallError::NotMcp));
        assert!(matches!(
            of(&[json, ("content-encoding", "gzip")]),
            Err(CallError::InvalidReply(_))
        ));
    }
}
