//! Wires everything; knows every other module and is known by none but the binaries.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// What `narthex serve` was asked for.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// `--home DIR`.
    pub home: Option<PathBuf>,
    /// `--listen ADDR:PORT`.
    pub listen: Option<SocketAddr>,
    /// `--json`: one line of JSON when ready.
    pub json: bool,
    /// `--trust-config`: the person's word for everything in the file.
    pub trust_config: bool,
    /// `--no-client-auth`: MCP without a credential.
    pub no_client_auth: bool,
}

/// Runs a core until it is told to end.
///
/// # Errors
/// When the core cannot start; a held home or port is an exit code of its own.
pub async fn serve(options: ServeOptions) -> anyhow::Result<ExitCode> {
    std::future::pending::<()>().await;
    drop(options);
    Ok(ExitCode::SUCCESS)
}
