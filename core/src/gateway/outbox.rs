use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;

/// Messages that wait for one stream at most.
const MESSAGES_MAX: usize = 256;

/// Bytes that wait for one stream at most, beside one message of any size.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What waits to be written to one stream of one client. A slow client fills its own and nobody
/// else's.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Whether there is anything, so that an empty one is passed over without its lock.
    full: AtomicBool,
    queue: Mutex<VecDeque<Bytes>>,
}

impl Outbox {
    /// Takes a message; `false` where there is no room.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting: usize = queue.iter().map(Bytes::len).sum();
        if queue.len() >= MESSAGES_MAX || (waiting > 0 && waiting + message.len() > BYTES_MAX) {
            return false;
        }
        queue.push_back(message);
        self.full.store(true, Ordering::Release);
        true
    }

    /// Returns the next message.
    pub(super) fn pop(&self) -> Option<Bytes> {
        if !self.full.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let message = queue.pop_front();
        if queue.is_empty() {
            // An idle session keeps no room.
            *queue = VecDeque::new();
            self.full.store(false, Ordering::Release);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_the_order() {
        let outbox = Outbox::default();
        assert_eq!(outbox.pop(), None);
        let large = Bytes::from(vec![b'x'; 2 * BYTES_MAX]);
        assert!(outbox.push(large.clone()), "one of any size");
        assert!(!outbox.push(Bytes::from_static(b"1")));
        assert_eq!(outbox.pop(), Some(large));
        for number in 0..MESSAGES_MAX {
            assert!(outbox.push(number.to_string().into()));
        }
        assert!(!outbox.push(Bytes::from_static(b"more")));
        assert_eq!(outbox.pop().as_deref(), Some(&b"0"[..]));
    }
}
