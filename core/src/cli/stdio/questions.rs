use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

/// What the client was asked and has not answered, by the ids of the session it was asked in. The
/// next session begins its ids anew: an answer to the last one's must not reach it.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: Mutex<HashMap<Bytes, u64>>,
}

impl Questions {
    /// Takes note of a question of the session with this number.
    pub(super) fn asked(&self, id: Bytes, session: u64) {
        self.open().insert(id, session);
    }

    /// Takes note that a question was taken back.
    pub(super) fn withdrawn(&self, id: &[u8]) {
        self.open().remove(id);
    }

    /// Takes note of an answer; `true` if it answers a question of the session with this number.
    pub(super) fn answered(&self, id: &[u8], session: u64) -> bool {
        self.open().remove(id) == Some(session)
    }

    /// Returns the ids of what was asked in sessions before this one: nobody waits for answers.
    pub(super) fn lost(&self, session: u64) -> Vec<Bytes> {
        let mut open = self.open();
        let (kept, lost): (HashMap<_, _>, HashMap<_, _>) = mem::take(&mut *open)
            .into_iter()
            .partition(|(_, of)| *of >= session);
        *open = kept;
        lost.into_keys().collect()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Bytes, u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_and_in_its_own_session() {
        let questions = Questions::default();
        for id in ["1", "2", "3"] {
            questions.asked(Bytes::from_static(id.as_bytes()), 1);
        }
        questions.withdrawn(b"3");
        assert!(questions.answered(b"1", 1));
        assert!(!questions.answered(b"1", 1));

        assert_eq!(questions.lost(2), [&b"2"[..]]);
        questions.asked(Bytes::from_static(b"2"), 2);
        assert!(!questions.answered(b"2", 1));
        questions.asked(Bytes::from_static(b"2"), 2);
        assert!(questions.lost(2).is_empty());
        assert!(questions.answered(b"2", 2));
    }
}
