//! The server that the official conformance suite asks for, over standard input and output, or over HTTP with `--http`: by name
//! what it must offer, on the official SDK, so that Narthex is judged with a peer that shares no
//! code with it. `npm run test:conformance` puts it behind Narthex.
//!
//! Definitions and results are JSON that the SDK's types read: what is tested is what they write.

mod definitions;
mod server;
mod tools;

use std::{
    error::Error,
    io::{self, Write as _},
    net::Ipv4Addr,
    sync::Arc,
};

use axum::serve::ListenerExt as _;
use rmcp::{
    ServiceExt as _,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, stdio,
        streamable_http_server::session::local::LocalSessionManager,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let over_http = std::env::args().any(|arg| arg == "--http");
    runtime.block_on(async {
        if over_http {
            return http().await;
        }
        let running = server::Server.serve(stdio()).await?;
        running.waiting().await?;
        Ok(())
    })
}

/// Serves until it is killed, and says first where.
async fn http() -> Result<(), Box<dyn Error>> {
    let service = StreamableHttpService::new(
        || Ok(server::Server),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default()
            .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*"]),
    );
    let app = axum::Router::new().nest_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    writeln!(io::stdout(), "{}", serde_json::json!({"url": url}))?;
    let listener = listener.tap_io(|stream| {
        // A connection that is closed already needs no option.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}
