//! A paused clock that moves in steps.
//!
//! Left to itself, a paused clock jumps to the next timer whenever no task is ready: also while
//! the store's thread makes a decision durable. Every write would then last as long as it takes
//! the next timer to come, and a seed would be another storm on every machine. So the clock is
//! held, and is moved on only when nothing that was ordered before waits for the store.

use std::{sync::mpsc, time::Duration};

use narthex_core::{
    server::ServerName,
    supervisor::{CommandError, Handle, Order},
};
use tokio::{task::JoinHandle, time};

/// See the module. Dropping it lets the clock run by itself again.
pub(super) struct Clock {
    supervisor: Handle,
    nobody: ServerName,
    release: Option<mpsc::Sender<()>>,
    held: Option<JoinHandle<()>>,
}

impl Clock {
    /// Takes hold of the clock: it does not run by itself beside a blocking task.
    pub(super) fn hold(supervisor: Handle) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || {
            // Ends when the sender is dropped.
            let _ = released.recv();
        });
        Self {
            supervisor,
            nobody: ServerName::new("nobody").unwrap(),
            release: Some(release),
            held: Some(held),
        }
    }

    /// Moves on by `step`, once the supervisor has done what it was ordered.
    pub(super) async fn step(&self, step: Duration) {
        self.settle().await;
        time::advance(step).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    /// Returns when the supervisor has kept and carried out what it was ordered before.
    ///
    /// The first question may be answered in the middle of a batch, the second only after it.
    pub(super) async fn settle(&self) {
        for _ in 0..2 {
            let question = Order::Restart(self.nobody.clone());
            let answer = self.supervisor.order(question).await;
            assert_eq!(answer, Err(CommandError::NotFound(self.nobody.clone())));
        }
    }

    /// Lets the clock run by itself again.
    pub(super) async fn let_go(mut self) {
        self.release.take();
        if let Some(held) = self.held.take() {
            held.await.unwrap();
        }
    }
}
