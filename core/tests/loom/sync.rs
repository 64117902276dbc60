//! Loom's side of `src/view/sync.rs` and `src/upstream/sync.rs`: the same names, modelled as `tests/loom.rs` says.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::thread::{self, Thread};

pub(super) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
pub(super) use std::sync::PoisonError;

/// Stands for `ArcSwap`.
#[derive(Debug)]
pub(super) struct Cell<T>(Mutex<Arc<T>>);

impl<T> Cell<T> {
    pub(super) fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(super) fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap())
    }

    pub(super) fn store(&self, value: Arc<T>) {
        *self.0.lock().unwrap() = value;
    }
}

/// Stands for `tokio::sync::watch`.
pub(super) mod watch {
    use std::{future::poll_fn, marker::PhantomData};

    use super::{Arc, Mutex, Poll, Waker};

    #[derive(Debug)]
    struct State {
        value: u64,
        version: u64,
        waiting: Vec<Waker>,
    }

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Mutex<State>>, PhantomData<T>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T> {
        state: Arc<Mutex<State>>,
        seen: u64,
        value: PhantomData<T>,
    }

    impl Sender<u64> {
        pub(crate) fn new(value: u64) -> Self {
            let state = State {
                value,
                version: 0,
                waiting: Vec::new(),
            };
            Self(Arc::new(Mutex::new(state)), PhantomData)
        }

        pub(crate) fn send_replace(&self, value: u64) {
            let waiting = {
                let mut state = self.0.lock().unwrap();
                state.value = value;
                state.version += 1;
                std::mem::take(&mut state.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }

        pub(crate) fn subscribe(&self) -> Receiver<u64> {
            Receiver {
                seen: self.0.lock().unwrap().version,
                state: Arc::clone(&self.0),
                value: PhantomData,
            }
        }
    }

    impl Receiver<u64> {
        pub(crate) fn borrow_and_update(&mut self) -> u64 {
            let state = self.state.lock().unwrap();
            self.seen = state.version;
            state.value
        }

        pub(crate) async fn changed(&mut self) -> Result<(), ()> {
            poll_fn(|context| {
                let mut state = self.state.lock().unwrap();
                if state.version == self.seen {
                    state.waiting.push(context.waker().clone());
                    return Poll::Pending;
                }
                self.seen = state.version;
                Poll::Ready(Ok(()))
            })
            .await
        }
    }
}

/// Polls a future on this thread until it is ready.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
