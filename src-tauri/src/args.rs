use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use narthex_core::{app::ServeOptions, log::LogControl};

/// Narthex with its tray and its window.
#[derive(Debug, Clone, Parser)]
#[command(name = "narthex-desktop", version, about)]
pub(crate) struct Args {
    /// Start without a window, as at login.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// End, with 4, where there is no display. It is for desktops that a bridge starts.
    #[arg(long, hide = true)]
    pub(crate) needs_display: bool,
    /// Keep everything in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Listen here, on loopback.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Take the word of the file for every launch in it, and for what each offers first.
    #[arg(long)]
    pub(crate) trust_config: bool,
}

impl Args {
    /// Returns what a core is asked for.
    pub(crate) fn serve_options(&self, log: LogControl) -> ServeOptions {
        ServeOptions {
            home: self.home.clone(),
            listen: self.listen,
            trust_config: self.trust_config,
            no_client_auth: false,
            until_unused: false,
            log,
        }
    }

    /// Returns what a start at login is given: hidden, and the home folder where one was named.
    pub(crate) fn at_login(&self) -> Vec<String> {
        let home = self.home.as_ref().and_then(|home| {
            let home = std::path::absolute(home).ok()?;
            Some(home.to_str()?.to_owned())
        });
        let home = home.map(|home| ["--home".to_owned(), home]);
        std::iter::once("--hidden".to_owned())
            .chain(home.into_iter().flatten())
            .collect()
    }
}
