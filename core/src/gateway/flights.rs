use std::{
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::{session::Session, tape::Tape};
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
    /// The notification by which the client has cancelled it.
    cancelled: OnceLock<Envelope>,
    /// When there was progress last, in milliseconds by the session's clock; 0 before the first.
    lived_ms: AtomicU64,
    /// Whether the server ever asked something.
    asked: AtomicBool,
    ended: AtomicBool,
    /// Its reply stream, made when something is first said on it.
    tape: OnceLock<Arc<Tape>>,
    /// Whether that is other requests' too.
    shares: bool,
    waker: AtomicWaker,
    /// Counts what a slow client has no room for.
    dropped: OnceLock<Counter>,
}

/// How a request in flight was ended before its answer.
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;
/// Its server has answered it.
const ANSWERED: u8 = 3;

/// What comes before the answer of a request in flight.
#[derive(Debug)]
pub(super) enum Ahead {
    /// Something waits on its reply stream.
    Notice,
    /// The client no longer waits.
    Cancelled,
}

impl Flight {
    /// Whether its time ran out.
    pub(super) fn has_timed_out(&self) -> bool {
        self.state.load(Ordering::Acquire) == TIMED_OUT
    }

    /// Takes note of its server's answer.
    pub(super) fn answered(&self) {
        // What was ended before stays so.
        let state = &self.state;
        let _ = state.compare_exchange(0, ANSWERED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether its server has answered it, and nothing else ended it.
    pub(super) fn was_answered(&self) -> bool {
        self.state.load(Ordering::Acquire) == ANSWERED
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

    /// Whether the connection of its reply stream broke.
    fn is_lost(&self) -> bool {
        self.tape.get().is_some_and(|tape| tape.is_lost())
    }

    /// Returns another request of the session to whose reply stream somebody listens, where the
    /// connection of its own broke.
    fn instead(&self) -> Option<Arc<Self>> {
        if self.is_lost() {
            self.session.flights.listened()
        } else {
            None
        }
    }

    /// Says where dropped messages are counted.
    pub(super) fn count_dropped(&self, dropped: impl FnOnce() -> Counter) {
        if self.streams && self.token.is_some() {
            self.dropped.get_or_init(dropped);
        }
    }

    /// Returns its reply stream.
    pub(super) fn tape(&self) -> &Arc<Tape> {
        self.tape.get_or_init(|| self.session.tapes.begin())
    }

    /// Puts a message on the reply stream; `false` where there is no room.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let taken = self.tape().push(message);
        self.waker.wake();
        taken
    }

    /// Puts a message on the reply stream that may be dropped; `false` where there is no room, of
    /// which the client will be told.
    fn mention(&self, message: Bytes) -> bool {
        let taken = self.push(message);
        if !taken {
            self.tape().lose();
        }
        taken
    }

    /// Takes note that its server, or its client, is at work on it.
    pub(super) fn lived(&self) {
        self.lived_ms
            .store(self.session.now_ms(), Ordering::Release);
    }

    /// Returns until when it may go on, if that is later than now: its time begins anew with
    /// progress, and while somebody thinks about a question within it.
    pub(super) fn lives_until(&self, patience: Duration) -> Option<Instant> {
        let now = Instant::now();
        if self.asked.load(Ordering::Acquire) && self.session.questions.thinking(self) {
            return Some(now + patience);
        }
        let lived = self.lived_ms.load(Ordering::Acquire);
        let until = self.session.moment(lived) + patience;
        (lived > 0 && until > now).then_some(until)
    }

    /// Whether anything waits on its reply stream.
    pub(super) fn has_waiting(&self) -> bool {
        self.tape.get().is_some_and(|tape| tape.has_waiting())
    }

    /// Whether the client has heard, or will, all that was said on its reply stream.
    pub(super) fn is_heard_of(&self) -> bool {
        self.tape.get().is_none_or(|tape| tape.reaches())
    }

    /// Takes away what was said on its reply stream and nobody can hear any more.
    pub(super) fn unheard(&self) -> Vec<Bytes> {
        let own = self.tape.get().filter(|_| !self.shares);
        own.map_or_else(Vec::new, |tape| tape.unheard())
    }

    /// Returns what comes before the answer. Cancel-safe.
    pub(super) async fn ahead(&self) -> Ahead {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            if self.state.load(Ordering::Acquire) == CANCELLED {
                Poll::Ready(Ahead::Cancelled)
            } else if self.has_waiting() {
                Poll::Ready(Ahead::Notice)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Returns once the client no longer waits. Cancel-safe.
    pub(super) async fn cancelled(&self) {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            if self.state.load(Ordering::Acquire) == CANCELLED {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
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
        if !self.mention(splice(message, &[(token, own)]).into())
            && let Some(dropped) = self.dropped.get()
        {
            dropped.inc();
        }
    }

    fn heard(&self, message: &Envelope) {
        if message.method() == "notifications/message" && !self.session.heeds(message) {
            return;
        }
        let other = self.instead();
        let heard = other.as_deref().unwrap_or(self);
        // As above.
        if heard.streams {
            heard.mention(message.bytes().clone());
        } else {
            heard.session.mention(message.bytes().clone());
        }
    }

    fn asked(self: Arc<Self>, question: Question) {
        let heard = self.instead().unwrap_or(self);
        // One of the two sees the other: whoever ends it, or whoever asks within it.
        heard.asked.store(true, Ordering::SeqCst);
        heard.session.ask(question, Some(&heard));
        if heard.ended.load(Ordering::SeqCst) {
            heard.session.questions.end(&heard);
        }
    }

    fn cancellation(&self) -> Option<Envelope> {
        self.cancelled.get().cloned()
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
    /// Returns one of those in flight, if there is one of those to which somebody listens.
    pub(super) fn any(&self) -> Option<Arc<Flight>> {
        let any = || self.slots.iter().find_map(ArcSwapOption::load_full);
        self.listened().or_else(any)
    }

    /// Returns one of those in flight to whose reply stream somebody listens, or will.
    fn listened(&self) -> Option<Arc<Flight>> {
        let mut all = self.slots.iter().filter_map(ArcSwapOption::load_full);
        all.find(|flight| flight.streams && !flight.is_lost())
    }

    /// Cancels the request whose id is spelled `id`; `message` says so.
    pub(super) fn cancel(&self, id: &[u8], message: &Envelope) {
        self.cancel_where(|flight| {
            let meant = flight.id == id;
            if meant {
                // The first to say so is passed on.
                let _ = flight.cancelled.set(message.clone());
            }
            meant
        });
    }

    /// Cancels them all.
    pub(super) fn cancel_all(&self) {
        self.cancel_where(|_| true);
    }

    fn cancel_where(&self, which: impl Fn(&Flight) -> bool) {
        let all = self.slots.iter().filter_map(ArcSwapOption::load_full);
        for flight in all.filter(|flight| which(flight)) {
            flight.state.store(CANCELLED, Ordering::Release);
            flight.waker.wake();
        }
    }
}

impl Boarded {
    /// Takes a request with the id spelled `id` among those in flight. `tape` is its reply stream,
    /// where that is not its own.
    pub(super) fn new(
        session: Arc<Session>,
        id: Bytes,
        token: Option<Bytes>,
        streams: bool,
        tape: Option<&Arc<Tape>>,
    ) -> Self {
        let flight = Arc::new(Flight {
            session,
            id,
            token,
            streams,
            state: AtomicU8::new(0),
            cancelled: OnceLock::new(),
            lived_ms: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            shares: tape.is_some(),
            tape: tape.cloned().map_or_else(OnceLock::new, OnceLock::from),
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
        if self.flight.asked.load(Ordering::SeqCst) || !self.flight.was_answered() {
            session.questions.end(&self.flight);
        }
    }
}
