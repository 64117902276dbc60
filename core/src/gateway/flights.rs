use std::{
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::Poll,
};

use arc_swap::ArcSwapOption;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;

use super::{outbox::Outbox, session::Session};
use crate::{
    mcp::{Envelope, splice},
    upstream::{Caller, Question},
};

/// Requests of one session that can be cancelled at once; what goes beyond runs uncancelled.
const FLIGHTS: usize = 32;

/// The requests of a session in flight, so that the client can cancel them by their ids.
#[derive(Debug, Default)]
pub(super) struct Flights {
    slots: [ArcSwapOption<Flight>; FLIGHTS],
}

/// A request in flight: what servers say because of it goes to its reply stream.
#[derive(Debug)]
pub(super) struct Flight {
    session: Arc<Session>,
    id: Bytes,
    /// The client's own progress token, as it is spelled.
    token: Option<Bytes>,
    /// Whether the client takes an event stream for an answer.
    streams: bool,
    state: AtomicU8,
    /// Whether there was progress since this was last looked at.
    lived: AtomicBool,
    /// Whether the server ever asked something.
    asked: AtomicBool,
    ended: AtomicBool,
    out: Outbox,
    waker: AtomicWaker,
    /// Counts what a slow client has no room for.
    dropped: OnceLock<Counter>,
}

/// How a request in flight was ended before its answer.
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;

/// What comes before the answer of a request in flight.
#[derive(Debug)]
pub(super) enum Ahead {
    /// A message for its reply stream.
    Notice(Bytes),
    /// The client no longer waits.
    Cancelled,
}

impl Flight {
    /// Whether its time ran out.
    pub(super) fn has_timed_out(&self) -> bool {
        self.state.load(Ordering::Acquire) == TIMED_OUT
    }

    /// Returns the session.
    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Has it look for questions at its end; `false` where that has come already.
    pub(super) fn takes_questions(&self) -> bool {
        self.asked.store(true, Ordering::SeqCst);
        !self.ended.load(Ordering::SeqCst)
    }

    /// Whether the client takes an event stream for an answer.
    pub(super) const fn streams(&self) -> bool {
        self.streams
    }

    /// Says where dropped messages are counted.
    pub(super) fn count_dropped(&self, dropped: impl FnOnce() -> Counter) {
        if self.streams && self.token.is_some() {
            self.dropped.get_or_init(dropped);
        }
    }

    /// Puts a message on the reply stream; `false` where there is no room.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let taken = self.out.push(message);
        self.waker.wake();
        taken
    }

    /// Takes note that its server, or its client, is at work on it.
    pub(super) fn lived(&self) {
        self.lived.store(true, Ordering::Release);
    }

    /// Whether it may go on: there was progress since this was last asked, or somebody thinks about
    /// a question within it.
    pub(super) fn lives(&self) -> bool {
        let lived = self.lived.swap(false, Ordering::AcqRel);
        lived || (self.asked.load(Ordering::Acquire) && self.session.questions.thinking(self))
    }

    /// Returns the next message for its reply stream, if there is one.
    pub(super) fn waiting(&self) -> Option<Bytes> {
        self.out.pop()
    }

    /// Returns what comes before the answer. Cancel-safe.
    pub(super) async fn ahead(&self) -> Ahead {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            if self.state.load(Ordering::Acquire) == CANCELLED {
                return Poll::Ready(Ahead::Cancelled);
            }
            self.out
                .pop()
                .map_or(Poll::Pending, |message| Poll::Ready(Ahead::Notice(message)))
        })
        .await
    }
}

impl Caller for Flight {
    fn session(&self) -> u64 {
        self.session.number
    }

    fn progress(&self, message: &Bytes, token: Range<usize>) {
        self.lived();
        let Some(own) = self.token.as_ref().filter(|_| self.streams) else {
            return;
        };
        // What a slow client has no room for is dropped: the next progress says more.
        if !self.push(splice(message, &[(token, own)]).into())
            && let Some(dropped) = self.dropped.get()
        {
            dropped.inc();
        }
    }

    fn heard(&self, message: &Envelope) {
        if message.method() == "notifications/message" && !self.session.heeds(message) {
            return;
        }
        // As above.
        if self.streams {
            self.push(message.bytes().clone());
        } else {
            self.session.tell(message.bytes().clone());
        }
    }

    fn asked(self: Arc<Self>, question: Question) {
        // One of the two sees the other: whoever ends it, or whoever asks within it.
        self.asked.store(true, Ordering::SeqCst);
        self.session.ask(question, Some(&self));
        if self.ended.load(Ordering::SeqCst) {
            self.session.questions.end(&self);
        }
    }

    fn withdrawn(&self, connection: u64, id: &[u8], message: &Envelope) {
        self.session.withdraw(connection, id, message);
    }
}

/// Keeps a request among those in flight until it is dropped.
#[derive(Debug)]
pub(super) struct Boarded {
    slot: Option<usize>,
    flight: Arc<Flight>,
}

impl Flights {
    /// Returns one of those in flight.
    pub(super) fn any(&self) -> Option<Arc<Flight>> {
        self.slots.iter().find_map(ArcSwapOption::load_full)
    }

    /// Cancels the request whose id is spelled `id`.
    pub(super) fn cancel(&self, id: &[u8]) {
        for flight in self
            .slots
            .iter()
            .filter_map(ArcSwapOption::load_full)
            .filter(|flight| flight.id == id)
        {
            flight.state.store(CANCELLED, Ordering::Release);
            flight.waker.wake();
        }
    }
}

impl Boarded {
    /// Takes a request with the id spelled `id` among those in flight.
    pub(super) fn new(
        session: Arc<Session>,
        id: Bytes,
        token: Option<Bytes>,
        streams: bool,
    ) -> Self {
        let flight = Arc::new(Flight {
            session,
            id,
            token,
            streams,
            state: AtomicU8::new(0),
            lived: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            out: Outbox::default(),
            waker: AtomicWaker::new(),
            dropped: OnceLock::new(),
        });
        let slots = &flight.session.flights.slots;
        let free = slots.iter().position(|slot| {
            slot.load().is_none()
                && slot
                    .compare_and_swap(&None::<Arc<Flight>>, Some(Arc::clone(&flight)))
                    .is_none()
        });
        Self { slot: free, flight }
    }

    /// Returns the request.
    pub(super) const fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Takes note that the request's time has run out.
    pub(super) fn time_out(&self) {
        self.flight.state.store(TIMED_OUT, Ordering::Release);
    }
}

impl Drop for Boarded {
    fn drop(&mut self) {
        let session = &self.flight.session;
        if let Some(slot) = self.slot {
            session.flights.slots[slot].store(None);
        }
        self.flight.ended.store(true, Ordering::SeqCst);
        if self.flight.asked.load(Ordering::SeqCst) {
            session.questions.end(&self.flight);
        }
    }
}
