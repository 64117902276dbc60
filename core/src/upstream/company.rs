use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The calls that clients have begun at all servers.
static ALL: AtomicU64 = AtomicU64::new(0);

/// Who else calls while one server is read: what costs nobody anything need not be slow.
#[derive(Debug)]
pub(super) struct Company {
    all: &'static AtomicU64,
    own: AtomicU64,
    /// When all that the server was read of long messages is paid for.
    paid_at: Mutex<Option<Instant>>,
}

impl Company {
    /// Begins with no calls of its own.
    pub(super) const fn new() -> Self {
        Self::among(&ALL)
    }

    /// The same among those that `all` counts.
    pub(super) const fn among(all: &'static AtomicU64) -> Self {
        Self {
            all,
            own: AtomicU64::new(0),
            paid_at: Mutex::new(None),
        }
    }

    /// Takes note of a call of its own.
    pub(super) fn called(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns a number that changes with each call at another server.
    pub(super) fn others(&self) -> u64 {
        let own = self.own.load(Ordering::Relaxed);
        self.all.load(Ordering::Relaxed).wrapping_sub(own)
    }

    /// Puts what was read `now` to the account of the server, however many messages it sends at once;
    /// returns when all is paid for.
    pub(super) fn pay(&self, cost: Duration, now: Instant) -> Instant {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = paid_at.map_or(now, |paid_at| paid_at.max(now)) + cost;
        *paid_at = Some(paid);
        paid
    }
}
