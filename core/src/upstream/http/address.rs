use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use url::Url;

use super::lines::{Body, Lines};
use crate::{
    mcp::Revision,
    server::{Cause, CauseKind, Value},
    upstream::CallError,
};

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Where the requests of an entry go, and what each of them carries.
#[derive(Debug)]
pub(in crate::upstream) struct Address {
    lines: Arc<Lines>,
    /// The path alone: which connection is taken says the rest.
    target: Uri,
    headers: HeaderMap,
}

impl Address {
    /// Prepares an address; nothing is sent yet.
    ///
    /// # Errors
    /// When the system's certificates cannot be read, or a header is none.
    pub(in crate::upstream) fn new(
        url: &Url,
        headers: &BTreeMap<String, Value>,
    ) -> Result<Self, Cause> {
        let invalid = |what: &str| {
            Cause::new(
                CauseKind::Internal,
                format!("{what} cannot be used"),
                "Correct the entry in narthex.json.",
            )
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name =
                HeaderName::try_from(name.as_str()).map_err(|_| invalid("the name of a header"))?;
            let mut value = HeaderValue::try_from(value.resolved.expose())
                .map_err(|_| invalid("a header's value"))?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        // What is compressed can be far larger than what is counted on the way.
        map.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let uri = Uri::try_from(url.as_str()).map_err(|_| invalid("the address"))?;
        if !map.contains_key(header::HOST) {
            map.insert(
                header::HOST,
                host(url).ok_or_else(|| invalid("the address"))?,
            );
        }
        let lines = Lines::to(&uri)?;
        if let Some(introduction) = lines.introduction() {
            map.insert(header::PROXY_AUTHORIZATION, introduction);
        }
        Ok(Self {
            target: target(&uri),
            lines,
            headers: map,
        })
    }

    /// Returns another place of the same origin, whose requests carry the same; `None` where it is
    /// none.
    pub(in crate::upstream) fn at(&self, url: &Url) -> Option<Self> {
        Some(Self {
            lines: Arc::clone(&self.lines),
            target: target(&Uri::try_from(url.as_str()).ok()?),
            headers: self.headers.clone(),
        })
    }

    /// Returns a request that posts a message; what it takes for an answer is `accept`.
    pub(in crate::upstream) fn post(
        &self,
        message: Bytes,
        accept: &'static str,
        revision: Option<Revision>,
    ) -> Request<Full<Bytes>> {
        let mut request = self.request(Method::POST, message, accept, revision);
        request.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        request
    }

    /// Returns a request.
    pub(in crate::upstream) fn request(
        &self,
        method: Method,
        body: Bytes,
        accept: &'static str,
        revision: Option<Revision>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        if let Some(revision) = revision {
            headers.insert(
                PROTOCOL_VERSION,
                HeaderValue::from_static(revision.as_str()),
            );
        }
        request
    }

    /// Sends a request; returns when the head of its answer is there.
    ///
    /// # Errors
    /// When there is none; the error tells whether the server can have acted.
    pub(in crate::upstream) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, CallError> {
        self.lines.send(request).await
    }
}

/// Returns an address without what names the server.
fn target(uri: &Uri) -> Uri {
    uri.path_and_query()
        .cloned()
        .map_or_else(Uri::default, Uri::from)
}

/// Returns what a server is told that it is called (RFC 9110, 7.2).
fn host(url: &Url) -> Option<HeaderValue> {
    let host = url.host_str()?;
    match url.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::try_from(host).ok(),
    }
}
