//! Without a display there is no tray and no window; the core runs all the same, and says so.

use std::process::ExitCode;

use narthex_core::{
    app::{Core, EndSignal, Held},
    home::HolderKind,
    log::LogControl,
};
use tokio::runtime::Runtime;

use crate::args::Args;

/// The code of a start that found the home or the port held (INTERFACE.md).
const HELD: u8 = 3;

/// The code of a start that was asked for wrongly.
const USAGE: u8 = 2;

/// The code of a start that cannot be without a display: no core runs (INTERFACE.md).
const NO_CORE: u8 = 4;

/// Says that it did not start, as there is no display.
pub(crate) fn refused() -> ExitCode {
    say("narthex-desktop: no display here");
    ExitCode::from(NO_CORE)
}

/// Runs a core until the system ends it. It counts as `serve`: nobody could confirm anything in a
/// window.
pub(crate) fn run(runtime: &Runtime, args: &Args, log: LogControl) -> anyhow::Result<ExitCode> {
    runtime.block_on(async {
        let told = EndSignal::listen()?;
        let core = Core::start(args.serve_options(log), HolderKind::Serve).await?;
        let address = core.address();
        let home = core.home().folder().display();
        say(&format!(
            "No display here: Narthex runs without tray and window.\n\
             It listens at http://{address}/mcp and keeps everything in {home}.\n\
             See the servers from another terminal: narthex servers"
        ));
        told.wait().await;
        core.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Says why it did not start.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    say(&format!("narthex-desktop: {error:#}"));
    let Some(held) = error.downcast_ref::<Held>() else {
        return ExitCode::FAILURE;
    };
    say(held.remedy());
    match held {
        Held::Home { .. } | Held::HomeBy(_) | Held::Port { .. } => ExitCode::from(HELD),
        Held::NotLoopback(_) => ExitCode::from(USAGE),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a person reads it in the terminal they started it in"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
