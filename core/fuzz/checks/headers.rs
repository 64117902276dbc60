//! What headers and paths are taken for: each reading is held against one written here from its
//! standard, and against the little that a browser can be tricked into sending.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use narthex_core::{
    api::Guard,
    gateway::{
        Address, Gateway,
        credentials::{Credentials, Who, token_hash},
    },
    mcp::{media, sse},
    server::Secret,
};

const CONTROL: &str = "narthex_control_a";
const CLIENT: &str = "narthex_client_b";

/// Reads `bytes` as lines: the first is a path, and the letter that each other begins with says
/// which header it is a value of.
///
/// # Panics
/// When a value is taken for something else than it is.
pub(crate) fn check(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let path = lines.next().unwrap_or_default();
    if let Ok(path) = std::str::from_utf8(path) {
        assert_eq!(Gateway::address(path), address(path), "{path:?}");
        event_id(path);
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((letter, value)) = line.split_first() else {
            continue;
        };
        if let (Some(name), Ok(value)) = (name(*letter), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    kinds(&headers);
    assert_eq!(credentials().who(&headers), who(&headers));
    for listening in ["127.0.0.1:7410", "[::1]:80", "192.168.1.2:80"] {
        guarded(listening.parse().expect("an address"), &headers);
    }
}

fn name(letter: u8) -> Option<HeaderName> {
    Some(match letter {
        b'a' => header::ACCEPT,
        b'b' => header::AUTHORIZATION,
        b'c' => header::CONTENT_TYPE,
        b'h' => header::HOST,
        b'o' => header::ORIGIN,
        _ => return None,
    })
}

/// `/mcp`, or `/mcp/s/{server}` with the name percent-encoded UTF-8.
fn address(path: &str) -> Option<Address> {
    if path == "/mcp" {
        return Some(Address::All);
    }
    let encoded = path.strip_prefix("/mcp/s/")?;
    let mut name = Vec::new();
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|it| char::from(*it).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'/', _, _) => return None,
            (b'%', Some(high), Some(low)) => {
                name.push(u8::try_from(high * 16 + low).expect("two digits"));
                rest = &after[2..];
            }
            _ => {
                name.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(name).ok().map(Address::Server)
}

/// The id of an event comes back as it was, or is not sent.
fn event_id(id: &str) {
    let sent = sse::last_event_id(id);
    let can = |byte: u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
    let sendable = !id.is_empty() && id.bytes().all(can);
    let expected = sendable.then_some(id.as_bytes());
    assert_eq!(sent.as_ref().map(HeaderValue::as_bytes), expected);
}

fn kinds(headers: &HeaderMap) {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    for value in headers.get_all(header::CONTENT_TYPE) {
        let value_text = text(value);
        let essence = value_text.split(';').next().map(str::trim_ascii);
        for kind in [media::JSON, media::EVENT_STREAM] {
            assert_eq!(media::is(value, kind), essence == Some(kind), "{value:?}");
        }
    }
    let accept: Vec<_> = headers.get_all(header::ACCEPT).iter().map(text).collect();
    let ranges: Vec<_> = accept.iter().flat_map(|value| value.split(',')).collect();
    for (kind, main) in [
        (media::JSON, "application/*"),
        (media::EVENT_STREAM, "text/*"),
    ] {
        // The first of the narrowest ranges that are there.
        let range = [kind, main, "*/*"].iter().find_map(|wanted| {
            let named =
                |range: &&&str| range.split(';').next().map(str::trim_ascii) == Some(wanted);
            ranges.iter().find(named)
        });
        let zero = |parameter: &str| {
            let weight = parameter.split_once('=');
            weight.is_some_and(|(name, weight)| {
                let weight = weight.trim_ascii();
                let zero = weight.strip_prefix("0.").map(|it| it.trim_matches('0'));
                name.trim_ascii() == "q" && (weight == "0" || zero == Some(""))
            })
        };
        let expected = range.is_some_and(|range| !range.split(';').skip(1).any(zero));
        let taken = media::takes(headers.get_all(header::ACCEPT), kind);
        assert_eq!(taken, expected, "{kind} of {accept:?}");
    }
}

fn credentials() -> Credentials {
    let client = ("c".to_owned(), token_hash(&Secret::new(CLIENT)));
    Credentials::new(&Secret::new(CONTROL), [client].into_iter(), false)
}

/// Only the first `Authorization` counts: `Bearer`, a space, the token.
fn who(headers: &HeaderMap) -> Who {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let (scheme, token) = value
        .as_deref()
        .and_then(|value| value.split_once(' '))
        .unwrap_or_default();
    match (scheme.to_ascii_lowercase().as_str(), token.trim_ascii()) {
        ("bearer", CONTROL) => Who::Control,
        ("bearer", CLIENT) => Who::Client("c".into()),
        _ => Who::Nobody,
    }
}

/// Every `Host` names this machine, and there is one; every `Origin` is our own.
fn guarded(listening: SocketAddr, headers: &HeaderMap) {
    let mut request = Request::new(Body::empty());
    request.headers_mut().clone_from(headers);
    let passed = Guard::new(listening).refusal(&request).is_none();

    let mut hosts = headers.get_all(header::HOST).iter().peekable();
    let named = hosts.peek().is_some();
    let ours = named && hosts.all(|host| local(listening, host.as_bytes()).is_some());
    let own = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let authority = origin.as_bytes().strip_prefix(b"http://");
        let port = authority.and_then(|authority| local(listening, authority));
        port.is_some_and(|port| port.unwrap_or(80) == listening.port())
    });
    assert_eq!(passed, ours && own, "{listening} {headers:?}");
}

/// Returns the port of an authority that names this machine.
fn local(listening: SocketAddr, authority: &[u8]) -> Option<Option<u16>> {
    let text = std::str::from_utf8(authority).ok()?.to_ascii_lowercase();
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(end);
    let is_here = |ip: IpAddr| ip == listening.ip();
    let ours = match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(six) => {
            let ip = six.parse::<Ipv6Addr>().ok()?;
            ip == Ipv6Addr::LOCALHOST || is_here(ip.into())
        }
        None => host == "localhost" || host == "127.0.0.1" || host.parse().is_ok_and(is_here),
    };
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => {
            Some(digits.parse::<u16>().ok()?)
        }
        None if rest.is_empty() => None,
        Some(_) | None => return None,
    };
    ours.then_some(port)
}
