//! Wires everything; knows every other module and is known by none but the binaries.

mod ahead;
mod chunks;
mod connections;
mod demo;
mod door;
mod end_signal;
mod felt;
mod http1;
mod memory;
mod serving;
mod take_over;
mod unused;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Api, Confirmations, Facts, Front, Guard},
    client::{Client, Local},
    config::{self, ConfigFile, Source},
    gateway::{
        Gateway,
        credentials::{Credentials, DEFAULT_CLIENT, token_hash},
    },
    home::{self, Holder, HolderKind, Home, HomeLock, LockError},
    log::LogControl,
    metrics::Metrics,
    process::EnvironmentSource,
    settings::Settings,
    supervisor::{FileState, Logs, Parts, Supervisor},
    trust::Store,
    upstream::{Audience, Endpoint, Launcher},
    view::{Publisher, View},
};

pub use end_signal::EndSignal;

/// Where the core listens unless told otherwise.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7410);

/// How long open requests may take when the core ends, beside the servers' own end.
const DRAIN: Duration = Duration::from_secs(2);

/// What a core was asked for.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// `--home DIR`.
    pub home: Option<PathBuf>,
    /// `--listen ADDR:PORT`.
    pub listen: Option<SocketAddr>,
    /// `--trust-config`: the person's word for everything in the file.
    pub trust_config: bool,
    /// `--no-client-auth`: MCP without a credential.
    pub no_client_auth: bool,
    /// `--until-unused`: whether it ends for a desktop that asks it to.
    pub until_unused: bool,
    /// Where the log level of the configuration goes.
    pub log: LogControl,
}

/// Why a core did not start because another thing stands in its place.
#[derive(Debug, thiserror::Error)]
pub enum Held {
    /// Another core holds the home folder.
    #[error("{} is held by process {} ({}){}", .home.display(), .holder.pid, kind(.holder.kind), at(.holder))]
    Home {
        /// The folder.
        home: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// Another core holds the home folder and has not said who it is.
    #[error("{} is held by another process", .0.display())]
    HomeBy(PathBuf),
    /// Another program listens at the address.
    #[error("{address} is taken{}", by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    Port {
        /// The address.
        address: SocketAddr,
        /// The process and program, where they can be found.
        by: Option<String>,
    },
    /// The address is not one of this machine's own.
    #[error("{0} is not a loopback address: Narthex listens on this machine alone")]
    NotLoopback(SocketAddr),
}

impl Held {
    /// Returns what a person can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Home { .. } | Self::HomeBy(_) => "Use the one that runs, or end it first.",
            Self::Port { .. } => {
                "End the other program, or choose another port: --listen 127.0.0.1:PORT"
            }
            Self::NotLoopback(_) => "Use --listen 127.0.0.1:PORT",
        }
    }
}

const fn kind(kind: HolderKind) -> &'static str {
    match kind {
        HolderKind::Desktop => "desktop",
        HolderKind::Serve => "serve",
    }
}

fn at(holder: &Holder) -> String {
    holder
        .address
        .as_ref()
        .map(|address| format!(", which listens at {address}"))
        .unwrap_or_default()
}

/// A core that runs.
#[derive(Debug)]
pub struct Core {
    address: SocketAddr,
    home: Home,
    client: Local,
    view: View,
    metrics: Metrics,
    stop: CancellationToken,
    /// Cancelled when a desktop has asked for the home.
    handed_over: CancellationToken,
    gateway: Gateway,
    confirmations: tokio::task::JoinHandle<()>,
    supervisor: tokio::task::JoinHandle<()>,
    server: tokio::task::JoinHandle<()>,
    /// Given back last, so that whoever waits for the folder finds everything ended.
    lock: HomeLock,
    _watcher: Option<config::Watcher>,
}

impl Core {
    /// Takes the home folder and the port, reads everything and begins.
    ///
    /// # Errors
    /// [`Held`] when the folder or the port is another's; else what could not be read or opened.
    pub async fn start(options: ServeOptions, kind: HolderKind) -> anyhow::Result<Self> {
        let home = Home::locate(options.home.clone())?;
        home.create()?;
        let mut lock = take(&home, kind, options.until_unused)?;
        let listener = listen(address_of(&options, &home)).await?;
        let address = listener.local_addr()?;

        let environment = EnvironmentSource::default();
        let is_new = !home.trust_db().exists();
        if options.trust_config || !is_new {
            ahead::ask(home.config_file(), environment.clone());
        }
        let (control, _) = home::credential(&home.control_token(), "narthex_control_")?;
        let (client, _) = home::credential(&home.client_token(), "narthex_client_")?;
        let (store, mut contents) = Store::open(&home.trust_db())
            .with_context(|| format!("failed to open {}", home.trust_db().display()))?;
        let store = Arc::new(store);
        let file = Arc::new(ConfigFile::new(home.config_file(), home.backups_dir()));
        if is_new {
            demo::offer(&file, &store, &mut contents).await?;
        }

        let clients = contents.clients.clone();
        let known = clients.iter().map(|row| (row.name.clone(), row.token_hash));
        let known = known.chain([(DEFAULT_CLIENT.to_owned(), token_hash(&client))]);
        let credentials = Arc::new(Credentials::new(&control, known, options.no_client_auth));

        let (metrics, logs) = (Metrics::new(), Logs::default());
        let publisher = Arc::new(Publisher::new(instance()?, metrics.view()));
        let view = publisher.view().clone();
        let settings = Settings::new(address, options.log.clone());
        let audience = Audience::default();
        let (supervisor, handle) = Supervisor::new(Parts {
            publisher: Arc::clone(&publisher),
            store: Arc::clone(&store),
            contents,
            file: FileState::new(home.config_file()),
            settings: settings.clone(),
            trust_config: options.trust_config,
            metrics: metrics.clone(),
            connector: Arc::new(Launcher::new(environment)),
            logs: logs.clone(),
            audience: audience.clone(),
        });
        let (stop, handed_over) = (CancellationToken::new(), CancellationToken::new());
        let confirmations = Confirmations::new(Arc::clone(&publisher), handle.clone());
        let api = Api {
            view: view.clone(),
            supervisor: handle.clone(),
            file,
            logs,
            credentials: Arc::clone(&credentials),
            confirmations: confirmations.clone(),
            clients: Arc::new(tokio::sync::Mutex::new(clients)),
            store,
            settings,
            metrics: metrics.clone(),
            facts: Arc::new(Facts {
                kind,
                address,
                home: home.folder().display().to_string(),
                since: SystemTime::now(),
                loosened: loosened(&options),
            }),
            stop: stop.clone(),
            handed_over: options.until_unused.then(|| handed_over.clone()),
        };
        let gateway = Gateway::new(publisher, credentials, &audience, stop.clone());
        let client = Local::new(api.clone());
        let front = Front::new(Guard::new(address), gateway.clone(), api.routes());
        let watcher = watch(&home, handle.file_signal());
        let confirmations = tokio::spawn(confirmations.run(stop.clone()));
        let supervisor = tokio::spawn(supervisor.run(stop.clone()));
        let server = tokio::spawn(serving::serve(listener, front, stop.clone()));
        lock.announce(address.to_string())?;
        tracing::info!(%address, home = %home.folder().display(), "core started");
        Ok(Self {
            address,
            home,
            client,
            view,
            metrics,
            stop,
            handed_over,
            gateway,
            confirmations,
            supervisor,
            server,
            lock,
            _watcher: watcher,
        })
    }

    /// Returns where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the folder it holds.
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Returns a handle to it.
    pub fn client(&self) -> Client {
        Client::Local(self.client.clone())
    }

    /// Returns the present.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Returns how many calls are in flight, at all servers.
    pub fn calls_in_flight(&self) -> usize {
        self.view.read(|now| {
            let endpoints = now.servers.values().filter_map(|entry| entry.endpoint());
            endpoints.map(Endpoint::in_flight).sum()
        })
    }

    /// Returns once it has served nobody for ten minutes: no client has had a stream open or sent
    /// a request, and nobody has followed the events.
    pub async fn unused(&self) {
        let events = self.metrics.events();
        let rest = || {
            let followed = events.subscribers() > 0;
            if followed { None } else { self.gateway.rest() }
        };
        unused::unused(rest).await;
    }

    /// Returns once a desktop has asked for the home. Only one that was started until it is unused
    /// is ever asked.
    pub async fn handed_over(&self) {
        self.handed_over.cancelled().await;
    }

    /// Ends in order: no new requests, then the servers, then what is open, then the folder.
    pub async fn stop(self) {
        self.stop.cancel();
        if self.supervisor.await.is_err() {
            tracing::error!("supervisor panicked");
        }
        if self.confirmations.await.is_err() {
            tracing::error!("confirmations panicked");
        }
        if timeout(DRAIN, self.server).await.is_err() {
            tracing::warn!("requests left open at the end");
        }
        drop(self.lock);
    }
}

fn take(home: &Home, kind: HolderKind, hands_over: bool) -> anyhow::Result<HomeLock> {
    let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let holder = Holder {
        pid: std::process::id(),
        kind,
        address: None,
        since,
        hands_over,
    };
    HomeLock::acquire(home, holder).map_err(|error| match error {
        LockError::Held(holder) => Held::Home {
            home: home.folder().to_owned(),
            holder,
        }
        .into(),
        LockError::Anonymous(_) => Held::HomeBy(home.folder().to_owned()).into(),
        LockError::Io { .. } => anyhow::Error::from(error),
    })
}

/// Returns where to listen: what was asked for stands above what is configured.
fn address_of(options: &ServeOptions, home: &Home) -> SocketAddr {
    let configured = || match config::read(&home.config_file(), &|_| None) {
        Source::Read(reading) => reading.settings.listen.or_last(None),
        Source::Broken(_) | Source::Missing | Source::Empty => None,
    };
    options.listen.or_else(configured).unwrap_or(ADDRESS)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Held::NotLoopback(address).into());
    }
    TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            return Held::Port {
                address,
                by: crate::process::listener_at(address),
            }
            .into();
        }
        anyhow::Error::from(error).context(format!("failed to listen at {address}"))
    })
}

fn watch(home: &Home, changed: Arc<tokio::sync::Notify>) -> Option<config::Watcher> {
    match config::watch(&home.config_file(), move || changed.notify_one()) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "changes of the file are not seen; restart after an edit");
            None
        }
    }
}

fn loosened(options: &ServeOptions) -> Vec<String> {
    let all = [
        ("trust_config", options.trust_config),
        ("no_client_auth", options.no_client_auth),
    ];
    let loosened: Vec<String> = all
        .into_iter()
        .filter(|(_, is_loose)| *is_loose)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in &loosened {
        tracing::warn!(name, "loosened for this run");
    }
    loosened
}

/// Returns a name for this run: 40 random bits.
fn instance() -> anyhow::Result<String> {
    let mut bytes = [0; 5];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
