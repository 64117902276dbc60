use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::{Context, Exit, Failure, args::Serve};
use crate::app::{self, ServeOptions};

/// `narthex serve`.
pub(super) fn run(context: Context, options: Serve) -> ExitCode {
    log();
    let options = ServeOptions {
        home: context.home,
        listen: options.listen,
        json: options.json || context.json,
        trust_config: options.trust_config,
        no_client_auth: options.no_client_auth,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let served = match runtime {
        Ok(runtime) => {
            let served = runtime.block_on(app::serve(options));
            // The core has ended what it started; a blocked thread must not keep it.
            runtime.shutdown_background();
            served
        }
        Err(error) => Err(error.into()),
    };
    served.unwrap_or_else(|error| Failure::new(Exit::Failed, format!("{error:#}")).tell())
}

/// Writes the log to standard error; standard output belongs to the line of `--json`.
fn log() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var("NARTHEX_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
