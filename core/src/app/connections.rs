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

use super::memory;

/// Connections open at once at most. Each client has a few: one for its own stream, and one for
/// each call in flight.
const OPEN_MAX: usize = 2048;

/// How long the head of a request may take from its first byte: over loopback it comes at once.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How long nothing happens on a connection before it is kept without what serves one that is in
/// use: a client that makes one call after the other does not wait this long between them.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// How often connections are looked at. Nobody looks while none has begun anything.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How many must have come to rest before the memory of their buffers is given back to the system:
/// what takes less than 1 MiB is soon used for others.
const GIVE_BACK_FROM: u32 = 64;

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
    /// Whether somebody looks at what goes on.
    looking: AtomicBool,
    look: Notify,
    /// How many have come to rest since memory was given back.
    rested: AtomicU32,
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
    /// Whether what answers its one request is a stream of events, which may go on for hours.
    streams: AtomicBool,
    /// Whether something was written that may not be sent to the end.
    unsent: AtomicBool,
    /// Whether nothing but the socket is kept of it.
    bare: AtomicBool,
    /// Since when it is at that, in milliseconds after `born`.
    since_ms: AtomicU64,
    end: Notify,
    rest: Notify,
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It has taken too long over the head of a request.
    End,
    /// Nothing has happened on it for a while.
    Rest,
    /// Nothing yet: it is looked at again.
    Later,
    /// Nothing, until something happens.
    Nothing,
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
                rested: AtomicU32::new(0),
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
            streams: AtomicBool::new(false),
            unsent: AtomicBool::new(false),
            bare: AtomicBool::new(true),
            since_ms: AtomicU64::new(inner.now_ms()),
            end: Notify::new(),
            rest: Notify::new(),
        });
        open.insert(number, Arc::clone(&pulse));
        Some(Open { pulse })
    }

    /// Ends the connection longest without a request, where there is one.
    pub(super) fn make_room(&self) {
        let _ = make_room(&mut self.inner.open());
    }

    /// Ends connections on which the head of a request does not come to its end, and has those come
    /// to rest on which nothing happens, until `stop`.
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
                () = look => inner.look(),
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
        ms(self.born.elapsed())
    }

    fn look(&self) {
        // Whoever begins or ends something from here on has it looked at.
        self.looking.store(false, Ordering::SeqCst);
        let now = self.now_ms();
        let (mut again, mut resting) = (false, 0);
        for pulse in self.open().values() {
            match pulse.due(now) {
                Due::End => {
                    tracing::debug!("connection ended: the head of a request did not come");
                    pulse.end.notify_one();
                }
                Due::Rest => {
                    pulse.rest.notify_one();
                    resting += 1;
                }
                Due::Later => again = true,
                Due::Nothing => {}
            }
        }
        let rested = self.rested.fetch_add(resting, Ordering::Relaxed) + resting;
        if resting > 0 {
            // They do so after this.
            again = true;
        } else if rested >= GIVE_BACK_FROM && !again {
            self.rested.store(0, Ordering::Relaxed);
            memory::give_back();
        }
        if again {
            self.looking.store(true, Ordering::SeqCst);
        }
    }

    /// Has somebody look soon.
    fn have_looked(&self) {
        if !self.looking.load(Ordering::SeqCst) && !self.looking.swap(true, Ordering::SeqCst) {
            self.look.notify_one();
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
        self.requests.load(Ordering::SeqCst) > 0
    }

    /// Whether nothing has happened for a while, and nothing is half done.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet_at(self.connections.now_ms())
    }

    fn is_quiet_at(&self, now: u64) -> bool {
        self.is_between() && now.saturating_sub(self.since_ms()) >= ms(QUIET_AFTER)
    }

    /// Whether it is between two requests, or two events of a stream.
    fn is_between(&self) -> bool {
        let requests = self.requests.load(Ordering::SeqCst);
        let streams = requests == 1 && self.streams.load(Ordering::SeqCst);
        (requests == 0 || streams)
            && !self.head.load(Ordering::SeqCst)
            && !self.unsent.load(Ordering::Relaxed)
            && !self.framed.load(Ordering::Relaxed)
    }

    fn due(&self, now: u64) -> Due {
        if self.head.load(Ordering::SeqCst) {
            let late = now.saturating_sub(self.since_ms()) >= ms(HEAD_WITHIN);
            return if late { Due::End } else { Due::Later };
        }
        if self.bare.load(Ordering::SeqCst) || !self.is_between() {
            return Due::Nothing;
        }
        if self.is_quiet_at(now) {
            Due::Rest
        } else {
            Due::Later
        }
    }

    fn since_ms(&self) -> u64 {
        self.since_ms.load(Ordering::Relaxed)
    }

    fn since_now(&self) {
        self.since_ms
            .store(self.connections.now_ms(), Ordering::Relaxed);
    }

    /// Takes note of whether nothing but the socket is kept of it.
    pub(super) fn bare(&self, bare: bool) {
        self.bare.store(bare, Ordering::SeqCst);
    }

    /// Takes note that what answers its request is a stream of events.
    fn streams(&self) {
        self.since_now();
        self.streams.store(true, Ordering::SeqCst);
        self.connections.have_looked();
    }

    /// Takes note of bytes that are written, or that all were.
    pub(super) fn written(&self, all: bool) {
        self.unsent.store(!all, Ordering::Relaxed);
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
        self.connections.have_looked();
    }

    /// Takes note of a request whose head was read.
    pub(super) fn request(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.streams.store(false, Ordering::SeqCst);
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

    /// Returns once the connection may come to rest. Cancel-safe.
    pub(super) async fn resting(&self) {
        self.pulse.rest.notified().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.pulse.connections.open().remove(&self.pulse.number);
    }
}

impl Request {
    /// Takes note that what answers it is a stream of events.
    pub(super) fn streams(&self) {
        self.pulse.streams();
    }
}

impl Clone for Request {
    fn clone(&self) -> Self {
        self.pulse.requests.fetch_add(1, Ordering::SeqCst);
        Self {
            pulse: Arc::clone(&self.pulse),
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.pulse.since_now();
        self.pulse.requests.fetch_sub(1, Ordering::SeqCst);
        self.pulse.connections.have_looked();
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_when_nothing_happens_on_it() {
        let (connections, stop) = (Connections::of(Some(10)), CancellationToken::new());
        let looking = tokio::spawn(connections.clone().look_after(stop.clone()));
        let all: Vec<Open> = (0..5).map(|_| connections.open().unwrap()).collect();
        let [idle, busy, stream, slow, http2] = &*all else {
            panic!("there are five");
        };
        for one in &all {
            one.pulse().bare(false);
        }
        http2.pulse().framed();
        let of_busy = busy.pulse().request();
        let (of_stream, its_body) = (stream.pulse().request(), stream.pulse().request());
        of_stream.streams();
        drop(slow.pulse().request());
        slow.pulse().written(false);
        drop(idle.pulse().request());

        idle.resting().await;
        let took = connections.inner.born.elapsed();
        assert!(took >= QUIET_AFTER && took <= QUIET_AFTER + LOOK_EVERY);
        assert!(idle.pulse().is_quiet());
        idle.pulse().bare(true);
        for other in &all[1..] {
            let resting = tokio::time::timeout(HEAD_WITHIN, other.resting()).await;
            assert!(resting.is_err() && !other.pulse().is_quiet());
        }
        assert!(!connections.inner.looking.load(Ordering::Relaxed));

        // What each of them waited for.
        slow.pulse().written(true);
        drop((of_busy, its_body));
        for other in [busy, stream, slow] {
            other.resting().await;
            assert!(other.pulse().is_quiet());
            other.pulse().bare(true);
        }
        let again = idle.pulse().request();
        assert!(!idle.pulse().is_quiet());
        drop((again, of_stream));
        stop.cancel();
        looking.await.unwrap();
    }
}
