//! Proxies, as the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`,
//! or the same in lower case, by the rules that curl has. An address on this machine is never
//! reached through one.

use std::{
    error::Error,
    fmt, io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::http::{HeaderValue, Uri, uri::Scheme};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::connect::{
            Connected, Connection, HttpConnector,
            proxy::{SocksV4, SocksV5, Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::client::CONNECT_TIMEOUT;

type BoxError = Box<dyn Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Which address is reached through which proxy.
#[derive(Debug)]
pub(super) struct Proxies {
    matcher: Matcher,
}

impl Proxies {
    /// Returns the proxies that are named in the environment Narthex was started in.
    pub(super) fn of_environment() -> Arc<Self> {
        static PROXIES: OnceLock<Arc<Proxies>> = OnceLock::new();
        let proxies = PROXIES.get_or_init(|| {
            Arc::new(Self {
                matcher: Matcher::from_env(),
            })
        });
        Arc::clone(proxies)
    }

    /// Returns the proxy that leads to an address; `None` where it is reached without one.
    fn of(&self, to: &Uri) -> Option<Intercept> {
        let host = to.host()?;
        if is_this_machine(host) {
            return None;
        }
        self.matcher.intercept(to)
    }

    /// Whether the proxy that leads to an address is itself spoken to over TLS.
    pub(super) fn are_secure_for(&self, to: &Uri) -> bool {
        self.of(to)
            .is_some_and(|proxy| proxy.uri().scheme() == Some(&Scheme::HTTPS))
    }

    /// Returns what requests to an address say of who uses the proxy, where it reads them itself.
    pub(super) fn introduction(&self, to: &Uri) -> Option<HeaderValue> {
        let read = to.scheme() == Some(&Scheme::HTTP);
        self.of(to).filter(|_| read)?.basic_auth().cloned()
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip.is_unspecified(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Why a proxy does not lead to an address: in words that follow "the proxy".
#[derive(Debug)]
pub(super) struct ProxyError {
    proxy: String,
    why: &'static str,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.proxy, self.why)
    }
}

impl Error for ProxyError {}

/// Opens connections, through a proxy where one leads to the address.
#[derive(Debug, Clone)]
pub(super) struct Route {
    direct: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Proxies>,
}

impl Route {
    pub(super) const fn new(
        direct: HttpConnector,
        to_proxy: HttpsConnector<HttpConnector>,
        proxies: Arc<Proxies>,
    ) -> Self {
        Self {
            direct,
            to_proxy,
            proxies,
        }
    }
}

impl Service<Uri> for Route {
    type Response = Line;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Neither connector makes anybody wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.of(&to) else {
            let connecting = self.direct.call(to);
            return Box::pin(async {
                let stream = MaybeHttpsStream::Http(connecting.await?);
                Ok(Line {
                    stream,
                    speaks_to_proxy: false,
                })
            });
        };
        let to_proxy = self.to_proxy.clone();
        Box::pin(async move {
            let name = proxy
                .uri()
                .authority()
                .map_or_else(String::new, ToString::to_string);
            let failed = |why| ProxyError { proxy: name, why };
            match timeout(CONNECT_TIMEOUT, through(&proxy, to_proxy, to)).await {
                Ok(Ok(line)) => Ok(line),
                Ok(Err(why)) => Err(failed(why).into()),
                Err(_) => Err(failed("does not answer").into()),
            }
        })
    }
}

/// Opens a connection through a proxy, or says why not.
async fn through(
    proxy: &Intercept,
    mut to_proxy: HttpsConnector<HttpConnector>,
    to: Uri,
) -> Result<Line, &'static str> {
    const NO_WAY: &str = "cannot be reached, or does not let anybody through to the address";
    let address = proxy.uri().clone();
    let stream = match address.scheme_str() {
        // The proxy looks names up: a look-up of our own would block whoever else is served.
        Some("socks5" | "socks5h") => {
            let mut socks = SocksV5::new(as_http(&address), to_proxy);
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(to).await.map_err(|_| NO_WAY)?
        }
        Some("socks4" | "socks4a") => {
            let mut socks = SocksV4::new(as_http(&address), to_proxy);
            socks.call(to).await.map_err(|_| NO_WAY)?
        }
        _ if to.scheme() == Some(&Scheme::HTTPS) => {
            let mut tunnel = Tunnel::new(address, to_proxy);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(to).await.map_err(|_| NO_WAY)?
        }
        _ => {
            let stream = to_proxy.call(address).await;
            return Ok(Line {
                stream: stream.map_err(|_| "cannot be reached")?,
                speaks_to_proxy: true,
            });
        }
    };
    Ok(Line {
        stream,
        speaks_to_proxy: false,
    })
}

/// Returns the address of a SOCKS proxy as the connector below understands it.
fn as_http(address: &Uri) -> Uri {
    let authority = address.authority().map_or("", |it| it.as_str());
    let with_port = match address.port() {
        Some(_) => format!("http://{authority}/"),
        None => format!("http://{authority}:1080/"),
    };
    with_port.parse().unwrap_or_else(|_| address.clone())
}

/// An open connection.
pub(super) struct Line {
    stream: Stream,
    /// Requests are written as a proxy reads them: with the whole address.
    speaks_to_proxy: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.speaks_to_proxy)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(proxies: &Proxies, to: &str) -> Option<String> {
        let to: Uri = to.parse().unwrap();
        proxies.of(&to).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn an_address_on_this_machine_needs_no_proxy() {
        let matcher = Matcher::builder().all("http://proxy.test:3128").build();
        let proxies = Proxies { matcher };
        for here in [
            "http://localhost/mcp",
            "http://LOCALHOST.:80/mcp",
            "https://a.localhost/mcp",
            "http://127.0.0.1:7/mcp",
            "http://127.9.9.9/mcp",
            "http://[::1]:8/mcp",
            "http://0.0.0.0/mcp",
        ] {
            assert_eq!(way(&proxies, here), None, "{here}");
        }
        for elsewhere in ["http://10.0.0.1/", "https://localhost.example.com/"] {
            let proxy = Some("http://proxy.test:3128/".to_owned());
            assert_eq!(way(&proxies, elsewhere), proxy, "{elsewhere}");
        }
    }

    #[test]
    fn each_scheme_has_its_own_and_some_need_none() {
        let matcher = Matcher::builder()
            .http("plain.test:1")
            .https("https://secure.test:2")
            .no("intern.example.com, 10.0.0.0/8")
            .build();
        let proxies = Proxies { matcher };
        let plain = Some("http://plain.test:1/".to_owned());
        let secure = Some("https://secure.test:2/".to_owned());
        assert_eq!(way(&proxies, "http://example.com/"), plain);
        assert_eq!(way(&proxies, "https://example.com/"), secure);
        assert_eq!(way(&proxies, "https://a.intern.example.com/"), None);
        assert_eq!(way(&proxies, "http://10.1.2.3/"), None);
        let over_tls = |to: &str| proxies.are_secure_for(&to.parse().unwrap());
        assert!(over_tls("https://example.com/") && !over_tls("http://example.com/"));
    }

    #[test]
    fn a_socks_proxy_without_a_port_listens_at_the_usual_one() {
        let of = |uri: &str| as_http(&uri.parse().unwrap()).to_string();
        assert_eq!(of("socks5://a.test/"), "http://a.test:1080/");
        assert_eq!(of("socks5h://a.test:9/"), "http://a.test:9/");
    }
}
