use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes kept for one session at most, on all its streams.
pub(super) const SESSION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes kept for all sessions at most: what a few clients may lose by a broken connection, and
/// little beside what a desktop has.
pub(super) const ALL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes are kept for the clients: of one session, and of all.
#[derive(Debug)]
pub(super) struct Room {
    session: AtomicUsize,
    all: Arc<AtomicUsize>,
}

impl Room {
    /// Begins with nothing of a session; `all` counts for every one.
    pub(super) const fn new(all: Arc<AtomicUsize>) -> Self {
        Self {
            session: AtomicUsize::new(0),
            all,
        }
    }

    /// Whether so many more bytes can be kept.
    pub(super) fn holds(&self, more: usize) -> bool {
        self.session.load(Ordering::Relaxed) + more <= SESSION_BYTES_MAX
            && self.all.load(Ordering::Relaxed) + more <= ALL_BYTES_MAX
    }

    /// Takes note of bytes that are kept.
    pub(super) fn add(&self, bytes: usize) {
        self.session.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes note of bytes that are kept no longer.
    pub(super) fn sub(&self, bytes: usize) {
        self.session.fetch_sub(bytes, Ordering::Relaxed);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}
