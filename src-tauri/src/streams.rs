use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::task::{AbortHandle, JoinHandle};

/// What the window follows: a task for each, ended when the page says so or the window is gone.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u32,
    running: HashMap<u32, AbortHandle>,
}

impl Streams {
    /// Takes a task in, and returns the number by which the page ends it.
    pub(crate) fn add(&self, task: &JoinHandle<()>) -> u32 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.running.retain(|_, task| !task.is_finished());
        inner.last += 1;
        let id = inner.last;
        inner.running.insert(id, task.abort_handle());
        id
    }

    /// Ends one; a number that is not known has ended before.
    pub(crate) fn end(&self, id: u32) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = inner.running.remove(&id) {
            task.abort();
        }
    }

    /// Ends all: the window is gone.
    pub(crate) fn end_all(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, task) in inner.running.drain() {
            task.abort();
        }
    }
}
