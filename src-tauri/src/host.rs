//! Who runs the core: this process, as the holder of the home folder, or another that holds it
//! already and that we attach to.

use std::time::Duration;

use narthex_core::{
    app::{Core, Held, ServeOptions},
    client::{Client, Remote},
    home::{Holder, HolderKind, Home},
};

/// How long all may take to end (INTERFACE.md: the core within ten seconds).
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// The core that this desktop shows.
#[derive(Debug)]
pub(crate) enum Host {
    /// Ours.
    Own(Box<Core>),
    /// Another process's, whose servers go on without us.
    Attached(Holder),
}

/// A core, and the handle to it.
#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) host: Host,
    pub(crate) client: Client,
    pub(crate) home: Home,
}

impl Hosted {
    /// Starts a core, in the place of one that was started for clients alone, or attaches to the
    /// `narthex serve` of a person that holds the home folder.
    ///
    /// # Errors
    /// When the home is held by another desktop, when the port is another program's, and when
    /// something cannot be read.
    pub(crate) async fn begin(options: ServeOptions) -> anyhow::Result<Self> {
        let home = Home::locate(options.home.clone())?;
        let asks_of_core = options.listen.is_some() || options.trust_config;
        let mut started = Core::start(options.clone(), HolderKind::Desktop).await;
        if started.as_ref().is_err_and(is_to_be_had) {
            tracing::info!("taking over from a core that was started for clients");
            started = Core::take_over(options, HolderKind::Desktop).await;
        }
        let error = match started {
            Ok(core) => {
                let client = core.client();
                let host = Host::Own(Box::new(core));
                return Ok(Self { host, client, home });
            }
            Err(error) => error,
        };
        match error.downcast_ref::<Held>() {
            Some(Held::Home { holder, .. }) if holder.kind == HolderKind::Serve => {
                let remote = Remote::find(Some(home.folder().to_owned()))?;
                tracing::info!(pid = holder.pid, "attached to the core that holds the home");
                if asks_of_core {
                    tracing::warn!("--listen and --trust-config are for a core of our own");
                }
                Ok(Self {
                    host: Host::Attached(holder.clone()),
                    client: Client::Remote(remote),
                    home,
                })
            }
            _ => Err(error),
        }
    }
}

/// Whether the home is held by a core that hands it over.
fn is_to_be_had(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<Held>(), Some(Held::Home { holder, .. }) if holder.hands_over)
}

impl Host {
    /// Returns where the core listens.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Own(core) => core.address().to_string(),
            Self::Attached(holder) => holder.address.clone().unwrap_or_default(),
        }
    }

    /// Returns how many calls would be cut off if it ended; those of a core that goes on are not.
    pub(crate) fn calls_in_flight(&self) -> usize {
        match self {
            Self::Own(core) => core.calls_in_flight(),
            Self::Attached(_) => 0,
        }
    }

    /// Ends what is ours, in order.
    pub(crate) async fn stop(self) {
        match self {
            Self::Own(core) => {
                if tokio::time::timeout(STOP_DEADLINE, core.stop())
                    .await
                    .is_err()
                {
                    tracing::error!("core did not end in time");
                }
            }
            Self::Attached(_) => {}
        }
    }
}
