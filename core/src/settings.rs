//! The settings that hold: what the file says, the last that could be used, and what stands above
//! it for this run.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    api::wire::{self, LogLevel},
    config,
    log::{self, LogControl},
    upstream::Turns,
};

/// How many calls may be in flight at all servers together unless the file says otherwise: sixteen
/// servers with all the places they have by default taken. A call in flight costs some 20 KiB and up
/// to two descriptors beside its message.
pub const MAX_CONCURRENT: usize = 1_024;

/// The settings of a core that runs. Cheap to clone; the supervisor tells it what it reads.
#[derive(Debug, Clone)]
pub struct Settings {
    configured: Arc<Mutex<Configured>>,
    address: SocketAddr,
    log: LogControl,
    calls: Arc<Turns>,
}

#[derive(Debug, Default)]
struct Configured {
    listen: Option<SocketAddr>,
    log_level: Option<LogLevel>,
    max_concurrent: Option<usize>,
}

impl Settings {
    /// The settings of a core that listens at `address` and logs to `log`.
    pub fn new(address: SocketAddr, log: LogControl) -> Self {
        Self {
            configured: Arc::default(),
            address,
            log,
            calls: Arc::new(Turns::new(MAX_CONCURRENT)),
        }
    }

    /// Returns the places for calls to all servers together.
    pub fn calls(&self) -> Arc<Turns> {
        Arc::clone(&self.calls)
    }

    /// Takes what the file says. The log level and the number of calls are in force at once, the
    /// address when a core is started again.
    pub fn take(&self, read: &config::Settings) {
        let mut configured = self.lock();
        configured.listen = read.listen.or_last(configured.listen);
        let level = read.log_level.or_last(configured.log_level);
        if level != configured.log_level {
            configured.log_level = level;
            self.log.set(level.unwrap_or(log::DEFAULT));
        }
        let places = read.max_concurrent.or_last(configured.max_concurrent);
        configured.max_concurrent = places;
        self.calls.set_places(places.unwrap_or(MAX_CONCURRENT));
    }

    /// Returns them as REST carries them.
    pub fn wire(&self) -> wire::Settings {
        let configured = self.lock();
        let level = configured.log_level;
        wire::Settings {
            listen: wire::Setting {
                configured: configured.listen.map(|address| address.to_string()),
                in_force: self.address.to_string(),
            },
            log_level: wire::Setting {
                configured: level.map(|level| level.to_string()),
                in_force: match self.log.asked() {
                    Some(asked) => asked.to_owned(),
                    None => level.unwrap_or(log::DEFAULT).to_string(),
                },
            },
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Configured> {
        self.configured
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
