//! The handle to a core: in process and over REST it is the same.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod both;
mod confirmations;
mod in_flight;
mod log;
mod mirrored;
mod settings;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use narthex_core::{
    app::{Core, ServeOptions},
    client::{Client, Remote},
    home::HolderKind,
};
use tempfile::TempDir;

/// Some port that is free.
const FREE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A core in this process, in a home of its own.
struct Here {
    core: Core,
    home: TempDir,
}

impl Here {
    /// Starts one whose file says `config`.
    async fn start(config: &str) -> Self {
        Self::with(config, ServeOptions::default()).await
    }

    /// Starts one that trusts its file.
    async fn trusted(config: &str) -> Self {
        let options = ServeOptions {
            trust_config: true,
            ..ServeOptions::default()
        };
        Self::with(config, options).await
    }

    /// Starts one as the desktop does.
    async fn with_a_window(config: &str) -> Self {
        let home = home_with(config);
        Self::run(home, FREE, ServeOptions::default(), HolderKind::Desktop).await
    }

    async fn with(config: &str, options: ServeOptions) -> Self {
        let home = home_with(config);
        Self::run(home, FREE, options, HolderKind::Serve).await
    }

    /// Starts one in a home that is there.
    async fn again(home: TempDir, listen: SocketAddr) -> Self {
        Self::run(home, listen, ServeOptions::default(), HolderKind::Serve).await
    }

    async fn run(
        home: TempDir,
        listen: SocketAddr,
        options: ServeOptions,
        kind: HolderKind,
    ) -> Self {
        let options = ServeOptions {
            home: Some(home.path().to_owned()),
            listen: Some(listen),
            ..options
        };
        let core = Core::start(options, kind).await.unwrap();
        Self { core, home }
    }

    /// Ends it; returns its home.
    async fn end(self) -> TempDir {
        self.core.stop().await;
        self.home
    }

    /// Returns a handle to it as another process has it.
    fn outside(&self) -> Client {
        let home = Some(self.home.path().to_owned());
        Client::Remote(Remote::find(home).unwrap())
    }
}

/// Makes a home that is not at its first run, so that it brings no demo.
fn home_with(config: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("narthex.json"), config).unwrap();
    home
}
