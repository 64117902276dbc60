use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use imbl::OrdMap;
use tokio::{sync::watch, time::Instant};

use super::{
    Entry, Happening, KEPT, Offers,
    present::{self, Present, Revised},
    publisher::Writer,
};
use crate::{api::wire::Problem, server::ServerName};

/// All that is true of the servers at one revision.
///
/// A clone shares the map, so that the next snapshot costs the same at 10 servers and at 10,000.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Grows by one with every change.
    pub revision: u64,
    /// The servers, by name.
    pub servers: OrdMap<ServerName, Arc<Entry>>,
    /// Whether a person has paused all servers.
    pub paused: bool,
    /// How many clients have a session.
    pub clients: usize,
    /// What is wrong with the file.
    pub problems: Arc<[Problem]>,
    /// What clients see at the merged address.
    pub offers: Arc<Offers>,
    /// The encoded list of servers, once somebody has asked for it at this revision.
    pub(crate) list: Arc<OnceLock<Bytes>>,
}

impl Revised for Snapshot {
    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Snapshot {
    /// Returns the entry of a server.
    pub fn server(&self, name: &str) -> Option<&Arc<Entry>> {
        self.servers.get(name)
    }

    /// Returns how many servers are connected and how many are wanted to be.
    pub fn connected_of_wanted(&self) -> (usize, usize) {
        let wanted = self.servers.values().filter(|entry| entry.is_wanted());
        wanted.fold((0, 0), |(connected, wanted), entry| {
            (connected + usize::from(entry.is_connected()), wanted + 1)
        })
    }
}

/// What every reader of the present holds; cheap to clone.
#[derive(Debug, Clone)]
pub struct View {
    shared: Arc<Shared>,
}

/// What all views of one core share.
#[derive(Debug)]
struct Shared {
    instance: String,
    present: Present<Snapshot, Happening, Writer>,
    clock: Clock,
}

/// Ties the monotonic clock, by which the core waits, to the one that people read.
#[derive(Debug)]
struct Clock {
    instant: Instant,
    wall: SystemTime,
}

impl View {
    pub(super) fn new(instance: String, first: Snapshot) -> Self {
        Self {
            shared: Arc::new(Shared {
                instance,
                present: Present::new(first, KEPT, Writer::default()),
                clock: Clock {
                    instant: Instant::now(),
                    wall: SystemTime::now(),
                },
            }),
        }
    }

    pub(super) fn present(&self) -> &Present<Snapshot, Happening, Writer> {
        &self.shared.present
    }

    /// Names this run of the core.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// Returns the present snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.present.current().load_full()
    }

    /// Returns a cache of the present snapshot, to be kept by one worker.
    pub fn cache(&self) -> Cache {
        Cache::new(Current(Arc::clone(&self.shared)))
    }

    /// Reads the present snapshot without taking part in its count.
    pub fn read<R>(&self, reader: impl FnOnce(&Snapshot) -> R) -> R {
        reader(&self.shared.present.current().load())
    }

    /// Follows the revisions: a receiver that is told of each one stored, the latest only.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.shared.present.revisions()
    }

    /// Waits until `reached` holds of the present snapshot, and returns what it found.
    pub async fn wait_for<R>(&self, mut reached: impl FnMut(&Snapshot) -> Option<R>) -> R {
        let look = || self.read(&mut reached);
        present::wait_for(&mut self.revisions(), look).await
    }

    /// Returns when an instant was, as people read it (RFC 3339, UTC, milliseconds).
    pub fn time_of(&self, instant: Instant) -> String {
        let clock = &self.shared.clock;
        let wall = if instant >= clock.instant {
            clock.wall + (instant - clock.instant)
        } else {
            clock.wall - (clock.instant - instant)
        };
        humantime::format_rfc3339_millis(wall).to_string()
    }
}

/// A worker's own copy of the pointer to the present snapshot (see [`View::cache`]).
pub type Cache = arc_swap::cache::Cache<Current, Arc<Snapshot>>;

/// The place where the present snapshot is stored, for [`Cache`].
#[derive(Debug, Clone)]
pub struct Current(Arc<Shared>);

impl std::ops::Deref for Current {
    type Target = ArcSwap<Snapshot>;

    fn deref(&self) -> &ArcSwap<Snapshot> {
        self.0.present.current()
    }
}
