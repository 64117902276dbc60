//! Narthex with its tray, its window and its notifications: a thin shell around a core that runs
//! in the same process, or that another process holds. It translates and forwards, nothing else.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod announce;
mod args;
mod autostart;
mod commands;
mod desk;
#[cfg(test)]
mod fixture;
mod follow;
mod headless;
mod host;
mod instance;
mod memory;
mod notices;
mod panel;
mod place;
mod preferences;
mod presses;
mod quit;
mod shell;
mod streams;
mod tray;
mod window;

use std::process::ExitCode;

use clap::Parser as _;
use narthex_core::{log, runtime};

use crate::{args::Args, host::Hosted};

fn main() -> ExitCode {
    let args = Args::parse();
    let log = log::init(args.home.clone());
    match run(&args, log) {
        Ok(code) => code,
        Err(error) => headless::failed(&error),
    }
}

fn run(args: &Args, log: log::LogControl) -> anyhow::Result<ExitCode> {
    let runtime = runtime::of_core()?;
    if !has_display() {
        if args.needs_display {
            return Ok(headless::refused());
        }
        return headless::run(&runtime, args, log);
    }
    let _entered = runtime.enter();
    tauri::async_runtime::set(runtime.handle().clone());
    // First: a second desktop of this home ends in here.
    let app = shell::build(args)?;
    let hosted = runtime.block_on(Hosted::begin(args.serve_options(log)))?;
    shell::attend(&app, hosted, args.hidden);
    let code = app.run_return(shell::on_event);
    // The core has ended what it started; a blocked thread must not keep it.
    runtime.shutdown_background();
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Whether there is a display to show a window on. A variable that names one is not enough: the
/// display may be gone.
#[cfg(target_os = "linux")]
fn has_display() -> bool {
    gtk::init().is_ok()
}

#[cfg(not(target_os = "linux"))]
const fn has_display() -> bool {
    true
}
