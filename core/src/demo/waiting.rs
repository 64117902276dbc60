use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
};

use serde_json::value::RawValue;

/// The calls that wait and can be cancelled, by the spelling of their id.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: Mutex<HashMap<String, Sender<()>>>,
}

impl Waiting {
    /// Notes a call; what is returned is told of its cancellation.
    pub(super) fn add(&self, id: &RawValue) -> Receiver<()> {
        let (cancel, cancelled) = mpsc::channel();
        self.lock().insert(id.get().to_owned(), cancel);
        cancelled
    }

    /// Forgets a call; false if it was cancelled and must not be answered any more.
    pub(super) fn finish(&self, id: &RawValue) -> bool {
        self.lock().remove(id.get()).is_some()
    }

    /// Cancels a call, if it still waits.
    pub(super) fn cancel(&self, id: &str) {
        if let Some(cancel) = self.lock().remove(id) {
            // It may have finished in this moment.
            let _ = cancel.send(());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Sender<()>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
