//! How the present is replaced and how that is told: the protocol between writers, readers and
//! those who follow, whatever it is that they share.
//!
//! One writer at a time makes the next present from the last, stores it, appends what happened to
//! the log, and announces the revision. So whoever is told of a revision reads at least that one,
//! whoever finds something in the log reads at least what it led to, and whoever looks into the log
//! after marking what was announced is woken by whatever comes later.

use std::{collections::VecDeque, sync::Arc};

use super::sync::{Cell, Mutex, PoisonError, watch};

/// Something that has a revision.
pub(super) trait Revised {
    /// Returns the revision.
    fn revision(&self) -> u64;
}

/// The present `S`, what last happened `H`, and what writers alone keep `W`.
#[derive(Debug)]
pub(super) struct Present<S, H, W> {
    current: Cell<S>,
    writer: Mutex<W>,
    log: Mutex<VecDeque<Arc<H>>>,
    kept_max: usize,
    announced: watch::Sender<u64>,
}

/// What one who follows is told.
#[derive(Debug)]
pub(super) enum Next<H> {
    /// What happened next.
    Happening(Arc<H>),
    /// Some of it is no longer kept; the present is at this revision or later.
    Gap(u64),
}

/// What a writer makes of the present.
pub(super) struct Step<S, H> {
    /// The next present, at the revision of the last happening.
    pub next: S,
    /// What led to it, a revision each.
    pub happenings: Vec<Arc<H>>,
}

impl<S: Revised, H: Revised, W> Present<S, H, W> {
    /// Begins with `first`. The log keeps the last `kept_max` happenings.
    pub(super) fn new(first: S, kept_max: usize, writer: W) -> Self {
        let revision = first.revision();
        Self {
            current: Cell::from_pointee(first),
            writer: Mutex::new(writer),
            // Room for a quiet evening; it grows with what happens.
            log: Mutex::new(VecDeque::with_capacity(kept_max.min(64))),
            kept_max,
            announced: watch::Sender::new(revision),
        }
    }

    /// Returns where the present is stored.
    pub(super) const fn current(&self) -> &Cell<S> {
        &self.current
    }

    /// Returns a receiver that is told of each revision stored, the latest only.
    pub(super) fn revisions(&self) -> watch::Receiver<u64> {
        self.announced.subscribe()
    }

    /// Has `make` make the next present from the last, and publishes it; nothing is published where
    /// it makes none. Writers wait for each other.
    pub(super) fn update<R>(
        &self,
        make: impl FnOnce(&Arc<S>, &mut W) -> (Option<Step<S, H>>, R),
    ) -> R {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.current.load_full();
        let (step, result) = make(&last, &mut writer);
        if let Some(Step { next, happenings }) = step {
            let revision = next.revision();
            self.current.store(Arc::new(next));
            self.append(happenings);
            self.announced.send_replace(revision);
        }
        drop(writer);
        result
    }

    fn append(&self, happenings: Vec<Arc<H>>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        for happening in happenings {
            if log.len() == self.kept_max {
                log.pop_front();
            }
            log.push_back(happening);
        }
    }

    /// Returns what comes after `revision`, or nothing if nothing has happened since.
    fn after(&self, revision: u64) -> Option<Next<H>> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = log.back()?.revision();
        if latest <= revision {
            return None;
        }
        let first = log.front()?.revision();
        // One happening a revision: the place in the queue is the distance from the first.
        match (revision + 1).checked_sub(first) {
            Some(place) => log
                .get(usize::try_from(place).ok()?)
                .cloned()
                .map(Next::Happening),
            None => Some(Next::Gap(latest)),
        }
    }

    /// Returns what happens after `cursor`, and moves the cursor there. Cancel-safe.
    pub(super) async fn next(
        &self,
        cursor: &mut u64,
        revisions: &mut watch::Receiver<u64>,
    ) -> Next<H> {
        let look = || self.after(*cursor);
        let next = wait_for(revisions, look).await;
        *cursor = match &next {
            Next::Happening(happening) => happening.revision(),
            Next::Gap(revision) => *revision,
        };
        next
    }
}

/// Waits until `look` finds something. What is announced is marked first: a revision that comes
/// while it looks has it look again.
pub(super) async fn wait_for<R>(
    revisions: &mut watch::Receiver<u64>,
    mut look: impl FnMut() -> Option<R>,
) -> R {
    loop {
        revisions.borrow_and_update();
        if let Some(found) = look() {
            return found;
        }
        if revisions.changed().await.is_err() {
            // Whoever looks holds the present, and with it the sender.
            std::future::pending::<()>().await;
        }
    }
}
