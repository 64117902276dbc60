use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use super::{Entry, View};
use crate::{api::wire::Problem, server::ServerName};

/// How many revisions are kept for subscribers that resume (INTERFACE: 1,024).
pub const KEPT: usize = 1024;

/// What happened at one revision.
#[derive(Debug)]
pub struct Happening {
    /// The revision.
    pub revision: u64,
    /// The command that caused it, where one did.
    pub command: Option<Arc<str>>,
    /// What it was.
    pub change: Change,
    /// When it was stored.
    pub at: Instant,
    /// The event as SSE carries it, encoded for the first subscriber and shared by the rest.
    pub encoded: OnceLock<Bytes>,
}

/// What changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// A server, as it is since.
    Server(Arc<Entry>),
    /// A server that is there no longer.
    Removed(ServerName),
    /// What is true of all.
    Core {
        /// Whether all are paused.
        paused: bool,
        /// How many clients have a session.
        clients: usize,
        /// What is wrong with the file.
        problems: Arc<[Problem]>,
    },
}

/// The last happenings, one for each revision.
#[derive(Debug)]
pub struct EventLog {
    kept: Mutex<VecDeque<Arc<Happening>>>,
}

/// What a subscriber is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// The next thing that happened.
    Happening(Arc<Happening>),
    /// Some of what happened is no longer kept; the present is at this revision or later.
    Gap(u64),
}

impl EventLog {
    pub(super) fn new(_revision: u64) -> Self {
        Self {
            kept: Mutex::new(VecDeque::with_capacity(64)),
        }
    }

    pub(super) fn append(&self, happenings: impl IntoIterator<Item = Arc<Happening>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for happening in happenings {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(happening);
        }
    }

    /// Returns what comes after `revision`, or nothing if nothing has happened since.
    fn after(&self, revision: u64) -> Option<Told> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = kept.back()?.revision;
        if latest <= revision {
            return None;
        }
        let first = kept.front()?.revision;
        // One happening a revision: the place in the queue is the distance from the first.
        match (revision + 1).checked_sub(first) {
            Some(place) => kept
                .get(usize::try_from(place).ok()?)
                .cloned()
                .map(Told::Happening),
            None => Some(Told::Gap(latest)),
        }
    }
}

/// Follows the events of a core from a revision on, at its own pace. One that falls behind by more
/// than [`KEPT`] revisions is told so, and goes on from the present.
#[derive(Debug)]
pub struct Subscriber {
    view: View,
    cursor: u64,
    revisions: watch::Receiver<u64>,
}

impl Subscriber {
    /// Follows what happens after `revision`.
    pub fn after(view: View, revision: u64) -> Self {
        Self {
            revisions: view.revisions(),
            view,
            cursor: revision,
        }
    }

    /// Follows what happens from here on, and says from where.
    pub fn from_now(view: View) -> (Self, u64) {
        let revision = view.read(|snapshot| snapshot.revision);
        (Self::after(view, revision), revision)
    }

    /// Returns what happens next. Cancel-safe.
    pub async fn next(&mut self) -> Told {
        loop {
            self.revisions.borrow_and_update();
            if let Some(told) = self.view.shared().log.after(self.cursor) {
                self.cursor = match &told {
                    Told::Happening(happening) => happening.revision,
                    Told::Gap(revision) => *revision,
                };
                return told;
            }
            if self.revisions.changed().await.is_err() {
                // The view holds the sender, and this holds the view.
                std::future::pending::<()>().await;
            }
        }
    }
}
