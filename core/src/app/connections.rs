use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// Connections open at once at most. Each client has a few: one for its own stream, and one for
/// each call in flight.
const OPEN_MAX: usize = 2048;

/// How long the head of a request may take from its first byte: over loopback it comes at once.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How often heads are looked at that have not ended. Nobody looks while none has begun.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The open connections. Too many are not waited for: the one longest without a request makes room.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// How many may be open, where that is not what the system grants.
    max: Option<usize>,
    born: Instant,
    open: Mutex<HashMap<u64, Arc<Pulse>>>,
    begun: AtomicU64,
    /// Whether somebody looks at heads.
    looking: AtomicBool,
    look: Notify,
}

/// What one connection is at.
#[derive(Debug)]
pub(super) struct Pulse {
    number: u64,
    connections: Arc<Inner>,
    /// Requests that are not answered to the end.
    requests: AtomicU32,
    /// Whether it ever had one.
    served: AtomicBool,
    /// Whether the head of one has begun.
    head: AtomicBool,
    /// Whether it is one of HTTP/2, on which there is more to read than requests.
    framed: AtomicBool,
    /// Since when it is at that, in milliseconds after `born`.
    since_ms: AtomicU64,
    end: Notify,
}

/// Keeps a connection among the open ones until it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    pulse: Arc<Pulse>,
}

/// Keeps a request among those not answered to the end until it is dropped.
#[derive(Debug)]
pub(super) struct Request {
    pulse: Arc<Pulse>,
}

impl Connections {
    /// Begins with none. As many may be open as half of the descriptors that the system grants at
    /// the time, since servers need some too.
    pub(super) fn new() -> Self {
        Self::of(None)
    }

    fn of(max: Option<usize>) -> Self {
        Self {
            inner: Arc::new(Inner {
                max,
                born: Instant::now(),
                open: Mutex::default(),
                begun: AtomicU64::new(0),
                looking: AtomicBool::new(false),
                look: Notify::new(),
            }),
        }
    }

    /// Takes a connection among the open ones; nothing where all of them are busy.
    pub(super) fn open(&self) -> Option<Open> {
        let inner = &self.inner;
        let mut open = inner.open();
        if open.len() >= inner.max() {
            make_room(&mut open)?;
        }
        let number = inner.begun.fetch_add(1, Ordering::Relaxed);
        let pulse = Arc::new(Pulse {
            number,
            connections: Arc::clone(inner),
            requests: AtomicU32::new(0),
            served: AtomicBool::new(false),
            head: AtomicBool::new(false),
            framed: AtomicBool::new(false),
            since_ms: AtomicU64::new(inner.now_ms()),
            end: Notify::new(),
        });
        open.insert(number, Arc::clone(&pulse));
        Some(Open { pulse })
    }

    /// Ends the connection longest without a request, where there is one.
    pub(super) fn make_room(&self) {
        let _ = make_room(&mut self.inner.open());
    }

    /// Ends connections on which the head of a request does not come to its end, until `stop`.
    pub(super) async fn look_after(self, stop: CancellationToken) {
        let inner = &self.inner;
        loop {
            let look = async {
                if !inner.looking.load(Ordering::Relaxed) {
                    inner.look.notified().await;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = look => inner.end_late(),
            }
        }
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Pulse>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max(&self) -> usize {
        let granted = || descriptors().map_or(OPEN_MAX, |all| (all / 2).clamp(16, OPEN_MAX));
        self.max.unwrap_or_else(granted)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn end_late(&self) {
        // Whoever begins a head from here on has it looked at.
        self.looking.store(false, Ordering::SeqCst);
        let now = self.now_ms();
        let within = u64::try_from(HEAD_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let mut begun = false;
        for pulse in self.open().values() {
            if pulse.head.load(Ordering::SeqCst) {
                if now.saturating_sub(pulse.since_ms.load(Ordering::Relaxed)) >= within {
                    tracing::debug!("connection ended: the head of a request did not come");
                    pulse.end.notify_one();
                } else {
                    begun = true;
                }
            }
        }
        if begun {
            self.looking.store(true, Ordering::SeqCst);
        }
    }
}

/// Ends the connection longest without a request: first of those that never had one.
fn make_room(open: &mut HashMap<u64, Arc<Pulse>>) -> Option<()> {
    let free = open.values().filter(|pulse| !pulse.is_busy());
    let order = |pulse: &&Arc<Pulse>| {
        let served = pulse.served.load(Ordering::Relaxed);
        (served, pulse.since_ms.load(Ordering::Relaxed), pulse.number)
    };
    let number = free.min_by_key(order)?.number;
    let pulse = open.remove(&number)?;
    tracing::debug!("connection ended for another");
    pulse.end.notify_one();
    Some(())
}

impl Pulse {
    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    fn since_now(&self) {
        self.since_ms
            .store(self.connections.now_ms(), Ordering::Relaxed);
    }

    /// Takes note that it is one of HTTP/2.
    pub(super) fn framed(&self) {
        self.framed.store(true, Ordering::Relaxed);
    }

    /// Takes note of bytes that were read.
    pub(super) fn read(&self, bytes: &[u8]) {
        if self.is_busy()
            || self.head.load(Ordering::Relaxed)
            || self.framed.load(Ordering::Relaxed)
            || bytes.is_empty()
        {
            return;
        }
        self.since_now();
        self.head.store(true, Ordering::SeqCst);
        let inner = &self.connections;
        if !inner.looking.load(Ordering::SeqCst) && !inner.looking.swap(true, Ordering::SeqCst) {
            inner.look.notify_one();
        }
    }

    /// Takes note of a request whose head was read.
    pub(super) fn request(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head.store(false, Ordering::Relaxed);
        self.served.store(true, Ordering::Relaxed);
        Request {
            pulse: Arc::clone(self),
        }
    }
}

impl Open {
    /// Returns what the connection is at.
    pub(super) const fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Returns once the connection is to be ended. Cancel-safe.
    pub(super) async fn ended(&self) {
        self.pulse.end.notified().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.pulse.connections.open().remove(&self.pulse.number);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.pulse.since_now();
        self.pulse.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns how many descriptors the process may have.
#[cfg(unix)]
fn descriptors() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.and_then(|all| usize::try_from(all).ok())
}

/// Returns how many descriptors the process may have: Windows counts none.
#[cfg(not(unix))]
const fn descriptors() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_longest_without_a_request_makes_room_and_none_that_is_busy() {
        let connections = Connections::of(Some(3));
        let all: Vec<Open> = (0..3).map(|_| connections.open().unwrap()).collect();
        let busy = all[0].pulse().request();
        drop(all[1].pulse().request());

        let fourth = connections.open().unwrap();
        all[2].ended().await;
        let fourth_busy = fourth.pulse().request();
        let fifth = connections.open().unwrap();
        all[1].ended().await;
        let fifth_busy = fifth.pulse().request();
        assert!(connections.open().is_none(), "all are busy");
        drop(busy);
        assert!(connections.open().is_some());
        all[0].ended().await;
        drop((fourth_busy, fifth_busy));
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_head_is_not_waited_for() {
        let (connections, stop) = (Connections::of(Some(10)), CancellationToken::new());
        let looking = tokio::spawn(connections.clone().look_after(stop.clone()));
        let half = connections.open().unwrap();
        let (idle, framed) = (connections.open().unwrap(), connections.open().unwrap());
        let answered = connections.open().unwrap();
        half.pulse().read(b"POST");
        answered.pulse().read(b"POST");
        framed.pulse().framed();
        framed.pulse().read(b"PRI * HTTP/2.0");
        let request = answered.pulse().request();
        answered.pulse().read(b"its body");

        half.ended().await;
        let took = connections.inner.born.elapsed();
        assert!(took >= HEAD_WITHIN && took <= HEAD_WITHIN + LOOK_EVERY);
        drop((half, request));
        tokio::time::sleep(HEAD_WITHIN * 2).await;
        for others in [idle, framed, answered] {
            let ended = tokio::time::timeout(HEAD_WITHIN, others.ended()).await;
            assert!(ended.is_err());
        }
        assert!(!connections.inner.looking.load(Ordering::Relaxed));
        stop.cancel();
        looking.await.unwrap();
    }
}
