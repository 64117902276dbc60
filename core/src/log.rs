//! The core's own log: to standard error and to a file a day in the home folder, as much of it as
//! the configuration says, or the environment.

use std::{
    env,
    io::{self, IsTerminal},
    path::PathBuf,
    sync::Mutex,
};

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use crate::{api::wire::LogLevel, home::Home};

/// The variable that stands above the configuration.
const VARIABLE: &str = "NARTHEX_LOG";

/// Days of which the log is kept.
const DAYS: usize = 7;

/// How much is logged unless told otherwise.
pub const DEFAULT: LogLevel = LogLevel::Info;

/// Sets how much is logged. The default one has no log behind it: what is set is in force nowhere.
#[derive(Debug, Clone, Default)]
pub struct LogControl {
    /// What the environment says, where it says something that can be understood.
    asked: Option<String>,
    filter: Option<reload::Handle<Targets, Registry>>,
}

impl LogControl {
    /// Logs at this level, unless the environment says otherwise.
    pub fn set(&self, level: LogLevel) {
        let Some(filter) = self.filter.as_ref().filter(|_| self.asked.is_none()) else {
            return;
        };
        if let Err(error) = filter.reload(targets(level)) {
            tracing::warn!(%error, %level, "log level not set");
        }
    }

    /// Returns what the environment says, which stands above every level that is set.
    pub fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }
}

/// Begins to log, to standard error, since standard output belongs to the line of `--json`, and to
/// the home folder (`None`: the platform's).
pub fn init(home: Option<PathBuf>) -> LogControl {
    let said = env::var(VARIABLE).unwrap_or_default();
    let asked = Some(said.as_str()).filter(|said| !said.is_empty());
    let asked = asked.map(|said| said.parse::<Targets>().map(|targets| (said, targets)));
    let (asked, targets, misunderstood) = match asked {
        Some(Ok((said, targets))) => (Some(said.to_owned()), targets, None),
        // What cannot be understood must not silence the rest.
        Some(Err(error)) => (None, targets(DEFAULT), Some(error)),
        None => (None, targets(DEFAULT), None),
    };
    let (filter, handle) = reload::Layer::new(targets);
    let terminal = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let file =
        log_file(home).map(|file| fmt::layer().with_ansi(false).with_writer(Mutex::new(file)));
    tracing_subscriber::registry()
        .with(filter)
        .with(terminal)
        .with(file)
        .init();
    if let Some(error) = misunderstood {
        tracing::warn!(%error, "{VARIABLE} is not understood");
    }
    LogControl {
        asked,
        filter: Some(handle),
    }
}

fn targets(level: LogLevel) -> Targets {
    Targets::new().with_default(match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    })
}

/// Opens the file; a home that cannot be used is told by what comes next.
fn log_file(home: Option<PathBuf>) -> Option<RollingFileAppender> {
    let home = Home::locate(home).ok()?;
    home.create().ok()?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("narthex")
        .filename_suffix("log")
        .max_log_files(DAYS)
        .build(home.logs_dir())
        .ok()
}
