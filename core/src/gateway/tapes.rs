use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    room::Room,
    tape::{RESUME_WITHIN, Resuming, Tape},
};

/// Reply streams without a connection that are kept of one session, running or ended. Beyond it
/// the oldest goes, and with it its call.
pub(super) const LOOSE_MAX: usize = 16;

/// The number of the client's own stream, the one of its GET requests.
pub(super) const OWN: u64 = 0;

/// The streams of one session.
#[derive(Debug)]
pub(super) struct Tapes {
    resuming: Resuming,
    born: Instant,
    room: Arc<Room>,
    begun: AtomicU64,
    /// Made when something is first said on it or somebody listens: most sessions are idle.
    own: OnceLock<Arc<Tape>>,
    replies: Mutex<VecDeque<Arc<Tape>>>,
}

impl Tapes {
    /// Begins with none. `kept` counts the bytes that are kept for all sessions.
    pub(super) fn new(resuming: Resuming, kept: Arc<AtomicUsize>) -> Self {
        Self {
            resuming,
            born: Instant::now(),
            room: Arc::new(Room::new(kept)),
            begun: AtomicU64::new(OWN),
            own: OnceLock::new(),
            replies: Mutex::default(),
        }
    }

    /// Returns the client's own stream.
    pub(super) fn own(&self) -> &Arc<Tape> {
        self.own.get_or_init(|| self.tape(OWN))
    }

    /// Returns the client's own stream, if somebody may listen to it: somebody does, or did until
    /// a short while ago, or the session is that young.
    pub(super) fn own_kept(&self) -> Option<&Arc<Tape>> {
        let is_young = self.born.elapsed() < RESUME_WITHIN && self.resuming != Resuming::Never;
        match self.own.get() {
            Some(own) => (own.is_kept() || is_young).then_some(own),
            None => is_young.then(|| self.own()),
        }
    }

    /// Whether the client listens on its own stream.
    pub(super) fn is_heard(&self) -> bool {
        self.own.get().is_some_and(|own| own.is_attached())
    }

    /// Makes a reply stream, which nobody comes back to before it was [added](Self::add).
    pub(super) fn begin(&self) -> Arc<Tape> {
        self.tape(self.begun.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn tape(&self, number: u64) -> Arc<Tape> {
        Arc::new(Tape::new(number, self.resuming, Arc::clone(&self.room)))
    }

    /// Keeps a reply stream for its client.
    pub(super) fn add(&self, tape: &Arc<Tape>) {
        self.replies().push_back(Arc::clone(tape));
    }

    /// Keeps it no longer.
    pub(super) fn remove(&self, tape: &Tape) {
        let mut replies = self.replies();
        replies.retain(|other| other.number() != tape.number());
        if replies.is_empty() {
            // An idle session keeps no room.
            *replies = VecDeque::new();
        }
    }

    /// Returns the stream `number`, if there is one.
    pub(super) fn find(&self, number: u64) -> Option<Arc<Tape>> {
        if number == OWN {
            return self.own.get().cloned();
        }
        let replies = self.replies();
        let mut found = replies.iter().filter(|tape| tape.number() == number);
        found.next().cloned()
    }

    /// Ends the oldest streams without a connection, where they are too many.
    pub(super) fn trim(&self) {
        let mut replies = self.replies();
        let loose = replies.iter().filter(|tape| !tape.is_attached()).count();
        for _ in LOOSE_MAX..loose {
            let oldest = replies.iter().position(|tape| !tape.is_attached());
            if let Some(tape) = oldest.and_then(|oldest| replies.remove(oldest)) {
                tape.close();
            }
        }
    }

    /// Ends all streams.
    pub(super) fn close(&self) {
        self.own().close();
        for tape in std::mem::take(&mut *self.replies()) {
            tape.close();
        }
    }

    fn replies(&self) -> MutexGuard<'_, VecDeque<Arc<Tape>>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long clients wait before they come back to a stream that broke off.
pub(super) const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_without_a_connection_are_bounded() {
        let tapes = Tapes::new(Resuming::ById, Arc::default());
        let mut all = Vec::new();
        for _ in 0..LOOSE_MAX + 3 {
            let tape = tapes.begin();
            tapes.add(&tape);
            all.push((tape.attach(None).unwrap(), tape));
        }
        tapes.trim();
        assert!(tapes.find(1).is_some());
        let first = all.remove(0);
        all.truncate(1);
        tapes.trim();
        // The first and the second have a connection, so the third and fourth are the oldest.
        for (number, is_kept) in [(1, true), (2, true), (3, false), (4, true)] {
            assert_eq!(tapes.find(number).is_some(), is_kept, "{number}");
        }
        drop((first, all));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_may_come_to_hear_is_not_kept() {
        let tapes = Tapes::new(Resuming::Primed, Arc::default());
        assert!(tapes.own_kept().is_some(), "a client opens its stream late");
        tokio::time::sleep(RESUME_WITHIN).await;
        assert!(tapes.own_kept().is_none());
        let reading = tapes.own().attach(None).unwrap();
        tokio::time::sleep(RESUME_WITHIN).await;
        assert!(tapes.own_kept().is_some());
        drop(reading);
        assert!(tapes.own_kept().is_some(), "it may come back");
        tokio::time::sleep(RESUME_WITHIN).await;
        assert!(tapes.own_kept().is_none());
        // The old transport knows no coming back.
        let tapes = Tapes::new(Resuming::Never, Arc::default());
        assert!(tapes.own_kept().is_none());
    }
}
