//! What a gateway is measured against: programs on the same stack that carry the same bytes and
//! look at nothing.

use std::{io, net::Ipv4Addr, path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, Uri, header, uri},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::process::Command;

use crate::{http::say_address, pipe::Pipe};

/// Forwards method, path, headers and body of every request to the host of `to`, unparsed.
///
/// # Errors
/// When there is no port for it.
pub async fn forward(to: Uri) -> io::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Body> =
        Client::builder(TokioExecutor::new()).build(connector);
    let authority = to
        .authority()
        .cloned()
        .ok_or_else(|| io::Error::other("no host to forward to"))?;
    let app = Router::new()
        .fallback(forward_one)
        .with_state((client, authority));
    serve(app).await
}

/// Bridges HTTP to a child over stdio: see [`Pipe`].
///
/// # Errors
/// When the child cannot be started, or there is no port.
pub async fn stdio_bridge(command: Command) -> io::Result<()> {
    let pipe = Arc::new(Pipe::start(command)?);
    let app = Router::new().fallback(bridge_one).with_state(pipe);
    serve(app).await
}

/// Answers every request with the bytes of a file.
///
/// # Errors
/// When the file cannot be read, or there is no port.
pub async fn bytes(file: &Path) -> io::Result<()> {
    let bytes = Bytes::from(tokio::fs::read(file).await?);
    let app = Router::new()
        .fallback(async |State(bytes): State<Bytes>| {
            ([(header::CONTENT_TYPE, "application/json")], bytes)
        })
        .with_state(bytes);
    serve(app).await
}

async fn serve(app: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say_address(listener.local_addr()?)?;
    let listener = listener.tap_io(|stream| {
        // A connection that is closed already needs no option.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app.layer(DefaultBodyLimit::disable())).await
}

async fn forward_one(
    State((client, authority)): State<(Client<HttpConnector, Body>, uri::Authority)>,
    mut request: Request,
) -> Response {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(authority);
    let Ok(to) = Uri::from_parts(parts) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = to;
    request.headers_mut().remove(header::HOST);
    match client.request(request).await {
        Ok(response) => response.map(Body::new).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn bridge_one(State(pipe): State<Arc<Pipe>>, body: Bytes) -> Response {
    match pipe.request(&body).await {
        Ok(Some(answer)) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
