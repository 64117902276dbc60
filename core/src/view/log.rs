use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use super::{
    Entry, View,
    present::{Next, Revised},
};
use crate::{
    api::wire::{Problem, WhyDeclined},
    server::ServerName,
};

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
    /// A server, as it is since. A large catalog is left out: events tell how much there is.
    Server(Arc<Entry>),
    /// A server that is there no longer.
    Removed(ServerName),
    /// An approval that waited for a person and will not come.
    Declined(ServerName, WhyDeclined),
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

/// What a subscriber is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// The next thing that happened.
    Happening(Arc<Happening>),
    /// Some of what happened is no longer kept; the present is at this revision or later.
    Gap(u64),
}

impl Revised for Happening {
    fn revision(&self) -> u64 {
        self.revision
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
        let present = self.view.present();
        match present.next(&mut self.cursor, &mut self.revisions).await {
            Next::Happening(happening) => Told::Happening(happening),
            Next::Gap(revision) => Told::Gap(revision),
        }
    }
}
