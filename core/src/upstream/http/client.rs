//! How connections for HTTP are opened: over TLS or not, through a proxy or not.

use std::{
    error::Error,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{HeaderValue, Uri};
use hyper_rustls::{
    ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream,
};
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tower_service::Service as _;

use super::proxy::{Line, Proxies, ProxyError, Route};
use crate::{
    server::{Cause, CauseKind},
    upstream::{CallError, link::describe},
};

/// Long enough for a handshake over a bad mobile link; an address on this machine answers at once.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long a silence the system asks whether the other end of a connection is there still: a
/// stream may be silent for days, and a router on the way may have forgotten it.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    connector: HttpsConnector<Route>,
    proxies: Arc<Proxies>,
}

/// A connection, before anything was said on it.
pub(super) struct Opened {
    pub(super) stream: MaybeHttpsStream<Line>,
    /// Whether a proxy reads the requests, which names their whole target.
    pub(super) speaks_to_proxy: bool,
}

impl Client {
    /// Returns the client for an address, made when the first of its kind is wanted: reading the
    /// system's certificates takes a moment and some memory, which plain HTTP need not pay.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(super) fn to(address: &Uri) -> Result<Self, Cause> {
        static CLIENTS: [OnceLock<Client>; 2] = [const { OnceLock::new() }; 2];
        let proxies = Proxies::of_environment();
        let secure = address.scheme_str() == Some("https") || proxies.are_secure_for(address);
        let place = &CLIENTS[usize::from(secure)];
        if let Some(client) = place.get() {
            return Ok(client.clone());
        }
        let made = Self::make(proxies, tls(secure)?);
        Ok(place.get_or_init(|| made).clone())
    }

    fn make(proxies: Arc<Proxies>, tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        let over_tls = |connector: HttpConnector| {
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone());
            let builder = builder.https_or_http().enable_http1();
            builder.wrap_connector(connector)
        };
        let route = Route::new(tcp.clone(), over_tls(tcp), Arc::clone(&proxies));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = builder.https_or_http().enable_http1().wrap_connector(route);
        Self { connector, proxies }
    }

    /// Returns what requests to an address say to a proxy that reads them.
    pub(super) fn introduction(&self, to: &Uri) -> Option<HeaderValue> {
        self.proxies.introduction(to)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When there is none. Nothing was said on it then.
    pub(super) async fn open(&self, to: Uri) -> Result<Opened, CallError> {
        let mut connector = self.connector.clone();
        let stream = connector.call(to).await.map_err(|error| {
            tracing::debug!(error = describe(&*error), "no connection");
            let sources = || std::iter::successors(Some(&*error as &dyn Error), |it| inner(*it));
            if let Some(proxy) = sources().find_map(|it| it.downcast_ref::<ProxyError>()) {
                CallError::Proxy(proxy.to_string())
            } else if let Some(why) = sources().find_map(untrusted) {
                CallError::Untrusted(why)
            } else {
                CallError::Unreachable
            }
        })?;
        let speaks_to_proxy = stream.connected().is_proxied();
        Ok(Opened {
            stream,
            speaks_to_proxy,
        })
    }
}

/// Returns what caused an error. What an [`io::Error`] was made of is no source of it.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Returns what is wrong with a certificate, where that is the error.
fn untrusted(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use CertificateError as Wrong;

    let rustls::Error::InvalidCertificate(error) = error.downcast_ref()? else {
        return None;
    };
    Some(
        if matches!(error, Wrong::UnknownIssuer | Wrong::BadSignature) {
            "nobody you trust has issued"
        } else if matches!(error, Wrong::Expired | Wrong::ExpiredContext { .. }) {
            "has expired"
        } else if matches!(error, Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) {
            "is not valid yet"
        } else if matches!(
            error,
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }
        ) {
            "was issued for another name"
        } else if matches!(error, Wrong::Revoked) {
            "was revoked"
        } else {
            "cannot be trusted"
        },
    )
}

/// Returns how TLS is spoken: with the system's certificates where it is `needed`, else with none.
fn tls(needed: bool) -> Result<ClientConfig, Cause> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::new(CauseKind::Internal, error.to_string(), "Report this."))?;
    let builder = if needed {
        builder.with_native_roots().map_err(|error| {
            Cause::new(
                CauseKind::Unreachable,
                format!("the system's certificates cannot be read: {error}"),
                "Install your system's CA certificates (package ca-certificates).",
            )
        })?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}
