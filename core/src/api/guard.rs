use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, Version, header, uri::Authority},
    response::{IntoResponse as _, Response},
};

use super::wire::ProblemDetails;

/// Refuses whoever was led here by another name: a web page that a browser was tricked into
/// sending, by DNS rebinding or from a foreign origin. It stands before everything else.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    listening: SocketAddr,
}

impl Guard {
    /// Guards the listener at this address.
    pub const fn new(listening: SocketAddr) -> Self {
        Self { listening }
    }

    /// Returns the refusal of a request that was led here.
    pub fn refusal(self, request: &Request) -> Option<Response> {
        if !self.is_ours(request.version(), request.uri(), request.headers()) {
            return Some(
                ProblemDetails::new(
                    StatusCode::FORBIDDEN,
                    "foreign-host",
                    "the Host header names another machine",
                    "Use the address that Narthex prints, such as http://127.0.0.1:7410.",
                )
                .into_response(),
            );
        }
        if !self.is_own_origin(request.headers()) {
            return Some(
                ProblemDetails::new(
                    StatusCode::FORBIDDEN,
                    "foreign-origin",
                    "the request comes from a web page of another origin",
                    "Only Narthex's own pages may ask.",
                )
                .into_response(),
            );
        }
        None
    }

    /// Whether the request names this machine. The port may differ: somebody forwards one. HTTP/2
    /// names it in the address, and may do so in the header too.
    fn is_ours(self, version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(header::HOST).iter().peekable();
        let is_ours = |authority: &Authority| self.own_port(authority).is_some();
        let is_named = match version {
            Version::HTTP_2 => uri.authority().is_some(),
            _ => named.peek().is_some(),
        };
        let header_is_ours = is_named
            && named.all(|host| Authority::try_from(host.as_bytes()).is_ok_and(|it| is_ours(&it)));
        header_is_ours && uri.authority().is_none_or(is_ours)
    }

    fn is_own_origin(self, headers: &HeaderMap) -> bool {
        headers.get_all(header::ORIGIN).iter().all(|origin| {
            let origin = origin.as_bytes();
            let authority = origin
                .strip_prefix(b"http://")
                .and_then(|authority| Authority::try_from(authority).ok());
            authority
                .and_then(|authority| self.own_port(&authority))
                .is_some_and(|port| port.unwrap_or(80) == self.listening.port())
        })
    }

    /// Returns the port that stands after a name of this machine, if one does; `None` where the
    /// name is another's, or anything else stands beside it.
    fn own_port(self, authority: &Authority) -> Option<Option<u16>> {
        let host = authority.host();
        let rest = authority.as_str().strip_prefix(host)?;
        let port = match rest.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            Some(_) | None => return None,
        };
        self.is_own_name(host).then_some(port)
    }

    fn is_own_name(self, host: &str) -> bool {
        let listening = self.listening.ip();
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match bracketed {
            Some(six) => six
                .parse()
                .is_ok_and(|ip: Ipv6Addr| ip == Ipv6Addr::LOCALHOST || listening == ip),
            None => {
                host.eq_ignore_ascii_case("localhost")
                    || host
                        .parse()
                        .is_ok_and(|ip: Ipv4Addr| ip == Ipv4Addr::LOCALHOST || listening == ip)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn only_this_machine_is_meant() {
        let guard = Guard::new("127.0.0.1:7410".parse().unwrap());
        let (first, second) = (Version::HTTP_11, Version::HTTP_2);
        let mcp = Uri::from_static("/mcp");
        let is_ours = |host| guard.is_ours(first, &mcp, &headers(header::HOST, host));
        for ours in [
            "127.0.0.1:7410",
            "localhost:7410",
            "LOCALHOST",
            "[::1]:7410",
            "localhost:9000",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "127.0.0.1.evil.example:7410",
            "localhost.evil.example",
            "",
            "10.0.0.1",
            "a b",
            "evil@localhost:7410",
            "localhost:7410@localhost",
            "localhost:port",
            "localhost:+80",
            "[localhost]",
            "[[::1]]",
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
        assert!(!guard.is_ours(first, &mcp, &HeaderMap::new()));
        let absolute = Uri::from_static("http://evil.example/mcp");
        assert!(!guard.is_ours(first, &absolute, &headers(header::HOST, "127.0.0.1:7410")));

        let own = Uri::from_static("http://127.0.0.1:7410/mcp");
        assert!(guard.is_ours(second, &own, &HeaderMap::new()));
        assert!(!guard.is_ours(second, &own, &headers(header::HOST, "evil.example")));
        assert!(!guard.is_ours(second, &absolute, &HeaderMap::new()));
        assert!(!guard.is_ours(second, &mcp, &headers(header::HOST, "127.0.0.1:7410")));
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        let guard = Guard::new("127.0.0.1:7410".parse().unwrap());
        let is_own = |origin| guard.is_own_origin(&headers(header::ORIGIN, origin));
        for own in [
            "http://127.0.0.1:7410",
            "http://localhost:7410",
            "http://[::1]:7410",
        ] {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "http://evil.example",
            "https://127.0.0.1:7410",
            "http://127.0.0.1:3000",
            "http://127.0.0.1:3000@127.0.0.1:7410",
            "http://evil@127.0.0.1:7410",
            "null",
            "",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
        assert!(guard.is_own_origin(&HeaderMap::new()));
    }
}
