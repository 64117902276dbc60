use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use arc_swap::ArcSwapOption;
use atomic_waker::AtomicWaker;
use bytes::Bytes;

/// Requests of one session that can be cancelled at once; what goes beyond runs uncancelled.
const FLIGHTS: usize = 32;

/// The requests of a session in flight, so that the client can cancel them by their ids.
#[derive(Debug, Default)]
pub(super) struct Flights {
    slots: [ArcSwapOption<Flight>; FLIGHTS],
}

/// A request in flight.
#[derive(Debug, Default)]
pub(super) struct Flight {
    id: Bytes,
    state: AtomicU8,
    waker: AtomicWaker,
}

/// How a request in flight was ended before its answer.
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;

impl Flight {
    /// Whether its time ran out.
    pub(super) fn has_timed_out(&self) -> bool {
        self.state.load(Ordering::Acquire) == TIMED_OUT
    }
}

/// Keeps a request among those in flight until it is dropped.
#[derive(Debug)]
pub(super) struct Boarded<S: AsRef<Flights>> {
    session: S,
    slot: Option<usize>,
    flight: Arc<Flight>,
}

impl Flights {
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

impl<S: AsRef<Flights>> Boarded<S> {
    /// Takes a request with the id spelled `id` among those in flight.
    pub(super) fn new(session: S, id: Bytes) -> Self {
        let flight = Arc::new(Flight {
            id,
            ..Flight::default()
        });
        let free = session.as_ref().slots.iter().position(|slot| {
            slot.load().is_none()
                && slot
                    .compare_and_swap(&None::<Arc<Flight>>, Some(Arc::clone(&flight)))
                    .is_none()
        });
        Self {
            session,
            slot: free,
            flight,
        }
    }

    /// Returns the session.
    pub(super) const fn session(&self) -> &S {
        &self.session
    }

    /// Returns the request.
    pub(super) fn flight(&self) -> Arc<Flight> {
        Arc::clone(&self.flight)
    }

    /// Takes note that the request's time has run out.
    pub(super) fn time_out(&self) {
        self.flight.state.store(TIMED_OUT, Ordering::Release);
    }

    /// Waits until the client cancels the request. Cancel-safe.
    pub(super) async fn cancelled(&self) {
        std::future::poll_fn(|context| {
            self.flight.waker.register(context.waker());
            if self.flight.state.load(Ordering::Acquire) == CANCELLED {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

impl<S: AsRef<Flights>> Drop for Boarded<S> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.session.as_ref().slots[slot].store(None);
        }
    }
}
