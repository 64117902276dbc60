use std::{
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
};

use arc_swap::ArcSwapOption;
use atomic_waker::AtomicWaker;

use super::{CallError, Caller, Reply, caller::Whose};

/// The requests in flight on one connection, without a lock: a slot each.
///
/// A request's id at the server names its slot and how often the slot was used, so that an answer
/// that comes too late, twice, or under an id that nobody gave finds nobody.
#[derive(Debug)]
pub struct Pending {
    slots: Box<[Slot]>,
    /// A bit for each slot in use.
    used: Box<[AtomicU64]>,
    opened: AtomicU64,
    closed: OnceLock<CallError>,
    /// How many bytes have come of a message that has not ended yet.
    unfinished: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    waiter: ArcSwapOption<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    reply: OnceLock<Result<Reply, CallError>>,
    waker: AtomicWaker,
    caller: Option<Arc<dyn Caller>>,
}

/// The bits of an id that name the slot: more slots than calls may be in flight at one server.
const SLOT_BITS: u32 = 14;

/// Slots for requests of our own beside the calls: `initialize`, lists, pings.
const OWN: usize = 8;

impl Pending {
    /// Makes room for `calls` at once, and some requests of our own.
    pub fn new(calls: usize) -> Self {
        let count = (calls + OWN).min(1 << SLOT_BITS);
        Self {
            slots: (0..count).map(|_| Slot::default()).collect(),
            used: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            opened: AtomicU64::new(1),
            closed: OnceLock::new(),
            unfinished: AtomicUsize::new(0),
        }
    }

    /// Takes note of how many bytes have come of a message that has not ended yet.
    pub fn left_unfinished(&self, bytes: usize) {
        self.unfinished.store(bytes, Ordering::Relaxed);
    }

    /// Returns how many bytes have come of a message that has not ended yet.
    pub fn unfinished(&self) -> usize {
        self.unfinished.load(Ordering::Relaxed)
    }

    /// Takes a slot; `None` where all are in use.
    pub fn open(self: &Arc<Self>, caller: Option<Arc<dyn Caller>>) -> Option<Ticket> {
        let slot = self.take_slot()?;
        let id = self.opened.fetch_add(1, Ordering::Relaxed) << SLOT_BITS | slot as u64;
        let waiter = Arc::new(Waiter {
            id,
            reply: OnceLock::new(),
            waker: AtomicWaker::new(),
            caller,
        });
        self.slots[slot].waiter.store(Some(Arc::clone(&waiter)));
        // Whoever closes sets the reason first and sweeps then, so one of the two sees the other.
        if let Some(reason) = self.closed.get() {
            // A reply that is there already stays.
            let _ = waiter.reply.set(Err(reason.clone()));
        }
        Some(Ticket {
            pending: Arc::clone(self),
            slot,
            waiter,
        })
    }

    fn take_slot(&self) -> Option<usize> {
        for (place, word) in self.used.iter().enumerate() {
            let mut seen = word.load(Ordering::Relaxed);
            loop {
                let bit = seen.trailing_ones();
                let slot = place * 64 + bit as usize;
                if bit == 64 || slot >= self.slots.len() {
                    break;
                }
                match word.compare_exchange_weak(
                    seen,
                    seen | 1 << bit,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Some(slot),
                    Err(now) => seen = now,
                }
            }
        }
        None
    }

    fn waiter(&self, id: u64) -> Option<Arc<Waiter>> {
        let slot = self.slots.get((id & ((1 << SLOT_BITS) - 1)) as usize)?;
        slot.waiter.load_full().filter(|waiter| waiter.id == id)
    }

    /// Hands an answer to whoever waits for it; `false` if nobody does.
    pub fn complete(&self, id: u64, reply: Result<Reply, CallError>) -> bool {
        let Some(waiter) = self.waiter(id) else {
            return false;
        };
        let first = waiter.reply.set(reply).is_ok();
        waiter.waker.wake();
        first
    }

    /// Fails the only request in flight, if there is one and no more: a server that answers under
    /// an id that nobody ever gave most likely means it.
    pub fn fail_only(&self, id: Option<u64>, reason: &CallError) -> bool {
        let issued = id.is_some_and(|id| {
            let (use_of_slot, slot) = (id >> SLOT_BITS, id & ((1 << SLOT_BITS) - 1));
            slot < self.slots.len() as u64
                && (1..self.opened.load(Ordering::Relaxed)).contains(&use_of_slot)
        });
        let mut waiting = self.slots.iter().filter_map(|slot| slot.waiter.load_full());
        match (issued, waiting.next(), waiting.next()) {
            (false, Some(only), None) => {
                let first = only.reply.set(Err(reason.clone())).is_ok();
                only.waker.wake();
                first
            }
            (true | false, _, _) => false,
        }
    }

    /// Returns the client's request behind a request; `None` where nobody waits, or it is our own.
    pub fn caller(&self, id: u64) -> Option<Arc<dyn Caller>> {
        self.waiter(id)?.caller.clone()
    }

    /// Returns the clients' requests behind all that is in flight.
    pub(super) fn callers(&self) -> impl Iterator<Item = Arc<dyn Caller>> {
        let waiting = self.slots.iter().filter_map(|slot| slot.waiter.load_full());
        // What is answered causes nothing more, though nobody has taken the answer yet.
        let unanswered = waiting.filter(|waiter| waiter.reply.get().is_none());
        unanswered.filter_map(|waiter| waiter.caller.clone())
    }

    /// Returns whose requests are in flight.
    pub(super) fn whose(&self) -> Whose {
        let mut callers = self.callers();
        let Some(first) = callers.next() else {
            return Whose::Nobody;
        };
        if callers.all(|other| other.session() == first.session()) {
            Whose::One(first)
        } else {
            Whose::Several
        }
    }

    /// Returns how many requests are in flight.
    pub(super) fn count(&self) -> usize {
        self.used
            .iter()
            .map(|word| word.load(Ordering::Relaxed).count_ones() as usize)
            .sum()
    }

    /// Ends every request in flight and every one to come with `reason`. The first reason stands.
    pub fn close(&self, reason: CallError) {
        // A later reason adds nothing for those who were told the first.
        let _ = self.closed.set(reason);
        let Some(reason) = self.closed.get() else {
            return;
        };
        for slot in &self.slots {
            if let Some(waiter) = slot.waiter.load_full() {
                // An answer that came just before stands.
                let _ = waiter.reply.set(Err(reason.clone()));
                waiter.waker.wake();
            }
        }
    }

    /// Returns why it was closed, if it was.
    pub fn closed(&self) -> Option<&CallError> {
        self.closed.get()
    }
}

/// A request in flight. Dropping it gives the slot back.
#[derive(Debug)]
pub struct Ticket {
    pending: Arc<Pending>,
    slot: usize,
    waiter: Arc<Waiter>,
}

impl Ticket {
    /// Returns the request's id at the server.
    pub fn id(&self) -> u64 {
        self.waiter.id
    }

    /// Returns the answer, or why there will be none. Cancel-safe.
    pub async fn reply(&self) -> Result<Reply, CallError> {
        poll_fn(|context| {
            self.waiter.waker.register(context.waker());
            self.waiter
                .reply
                .get()
                .map_or(Poll::Pending, |reply| Poll::Ready(reply.clone()))
        })
        .await
    }

    /// Whether there is an answer.
    pub fn is_answered(&self) -> bool {
        self.waiter.reply.get().is_some()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.slots[self.slot].waiter.store(None);
        self.pending.used[self.slot / 64].fetch_and(!(1 << (self.slot % 64)), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mcp::Envelope;

    fn reply(id: u64) -> Reply {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        Reply::of(&Envelope::parse(Bytes::from(text)).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_finds_its_request_and_no_other() {
        let pending = Arc::new(Pending::new(2));
        let (a, b) = (pending.open(None).unwrap(), pending.open(None).unwrap());
        assert!(pending.complete(b.id(), Ok(reply(b.id()))));
        assert!(
            !pending.complete(b.id(), Ok(reply(b.id()))),
            "an answer that comes twice"
        );
        assert!(
            !pending.complete(b.id() + 1, Ok(reply(1))),
            "an id that nobody gave"
        );
        assert!(b.reply().await.is_ok());
        let old = a.id();
        drop(a);
        let next = pending.open(None).unwrap();
        assert!(
            !pending.complete(old, Ok(reply(old))),
            "an answer to one that gave up"
        );
        assert!(!next.is_answered());
    }

    #[tokio::test]
    async fn closing_ends_those_in_flight_and_those_to_come() {
        let pending = Arc::new(Pending::new(2));
        let before = pending.open(None).unwrap();
        pending.close(CallError::ServerEnded);
        pending.close(CallError::TimedOut);
        let after = pending.open(None).unwrap();
        assert_eq!(before.reply().await.unwrap_err(), CallError::ServerEnded);
        assert_eq!(after.reply().await.unwrap_err(), CallError::ServerEnded);
    }

    #[tokio::test]
    async fn an_answer_under_an_id_nobody_gave_fails_the_only_request() {
        let pending = Arc::new(Pending::new(2));
        let first = pending.open(None).unwrap();
        let late = first.id();
        drop(first);
        let only = pending.open(None).unwrap();
        let reason = CallError::InvalidReply("another id".to_owned());
        assert!(!pending.fail_only(Some(late), &reason), "a late answer");
        assert!(pending.fail_only(Some(999_999_999), &reason));
        assert_eq!(only.reply().await.unwrap_err(), reason);
    }

    #[test]
    fn slots_are_bounded_and_come_back() {
        let pending = Arc::new(Pending::new(100));
        let tickets: Vec<_> = std::iter::from_fn(|| pending.open(None)).collect();
        assert_eq!((tickets.len(), pending.count()), (108, 108));
        drop(tickets);
        assert_eq!(pending.count(), 0);
    }
}
