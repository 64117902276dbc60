use std::net::SocketAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
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
        if !self.is_ours(request.uri(), request.headers()) {
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

    /// Whether the request names this machine. The port may differ: somebody forwards one.
    fn is_ours(self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(header::HOST).iter().peekable();
        let authority_is_ours = |authority: &Authority| self.is_own_name(authority.host());
        let header_is_ours = named.peek().is_some()
            && named.all(|host| {
                Authority::try_from(host.as_bytes()).is_ok_and(|it| authority_is_ours(&it))
            });
        header_is_ours && uri.authority().is_none_or(authority_is_ours)
    }

    fn is_own_name(self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "::1" || {
            host.parse()
                .is_ok_and(|ip: std::net::IpAddr| ip == self.listening.ip())
        }
    }

    fn is_own_origin(self, headers: &HeaderMap) -> bool {
        headers.get_all(header::ORIGIN).iter().all(|origin| {
            let Some(authority) = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.strip_prefix("http://"))
            else {
                return false;
            };
            Authority::try_from(authority).is_ok_and(|authority| {
                self.is_own_name(authority.host())
                    && authority.port_u16().unwrap_or(80) == self.listening.port()
            })
        })
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
        let is_ours = |host| guard.is_ours(&Uri::from_static("/mcp"), &headers(header::HOST, host));
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
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
        assert!(!guard.is_ours(&Uri::from_static("/mcp"), &HeaderMap::new()));
        let absolute = Uri::from_static("http://evil.example/mcp");
        assert!(!guard.is_ours(&absolute, &headers(header::HOST, "127.0.0.1:7410")));
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
            "null",
            "",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
        assert!(guard.is_own_origin(&HeaderMap::new()));
    }
}
