use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::room::Room;
use crate::mcp::{Revision, Spliced};

/// Events kept of one stream at most, said or yet to be said.
pub(super) const EVENTS_MAX: usize = 256;

/// Bytes kept of one stream at most, beside one message of any size.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a stream whose connection broke is kept for its client to come back: clients retry
/// within seconds, and a machine that was asleep is back on its network within this.
pub(super) const RESUME_WITHIN: Duration = Duration::from_secs(60);

/// Whether a client can come back to a stream, by the revision it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resuming {
    /// Events have no ids.
    Never,
    /// Events have ids.
    ById,
    /// And the first event has an id and no message, so that nothing need be said before it.
    Primed,
}

impl Resuming {
    /// Returns what a revision knows.
    pub(super) fn of(revision: Revision) -> Self {
        match revision {
            Revision::V2024_11_05 => Self::Never,
            Revision::V2025_03_26 | Revision::V2025_06_18 => Self::ById,
            Revision::V2025_11_25 => Self::Primed,
        }
    }
}

/// What is said on one stream of one client. It waits here until a connection takes it, and is kept
/// for a while after that, so that a client whose connection broke misses nothing. A slow client
/// fills its own and nobody else's.
#[derive(Debug)]
pub(super) struct Tape {
    /// Tells it from other streams of the session.
    number: u64,
    resuming: Resuming,
    room: Arc<Room>,
    state: Mutex<State>,
    /// A connection has come or gone, or it was closed.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    /// How many of the events, and of the bytes, wait for a connection.
    ahead: usize,
    ahead_bytes: usize,
    /// The number of the latest event, from 1. What had no room has one too.
    latest: u64,
    /// The latest event that a connection took.
    taken: u64,
    /// Which connection is the latest; 0 before the first.
    connection: u64,
    attached: bool,
    /// Since when none is.
    since: Instant,
    /// Whether somebody waits to forget what is kept.
    expiring: bool,
    ended: bool,
    closed: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Event {
    number: u64,
    message: Spliced,
    at: Instant,
}

/// What is to be written next.
#[derive(Debug)]
pub(super) enum Said {
    /// A message under its number.
    Message(u64, Spliced),
    /// So many events before this number are no longer kept.
    Missed(u64, u64),
}

/// Why a stream cannot be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// It never said this.
    Unknown,
    /// It has ended, and the client has all of it.
    Ended,
}

/// One connection's place on a tape.
#[derive(Debug)]
pub(super) struct Reading {
    tape: Arc<Tape>,
    connection: u64,
    at: u64,
}

impl Tape {
    /// Begins a stream.
    pub(super) fn new(number: u64, resuming: Resuming, room: Arc<Room>) -> Self {
        Self {
            number,
            resuming,
            room,
            state: Mutex::new(State {
                events: VecDeque::new(),
                bytes: 0,
                ahead: 0,
                ahead_bytes: 0,
                latest: 0,
                taken: 0,
                connection: 0,
                attached: false,
                since: Instant::now(),
                expiring: false,
                ended: false,
                closed: false,
                waker: None,
            }),
            changed: Notify::new(),
        }
    }

    /// Returns its number among the session's streams.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Returns how a client can come back to it.
    pub(super) const fn resuming(&self) -> Resuming {
        self.resuming
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message; `false` where there is no room, or nothing more is said.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let mut state = self.state();
        let length = message.len();
        if state.ended
            || state.closed
            || state.ahead >= EVENTS_MAX
            || (state.ahead > 0 && state.ahead_bytes + length > BYTES_MAX)
        {
            return false;
        }
        if !self.room.holds(length) {
            state.forget_taken(&self.room, |_| true);
            if !state.attached && !self.room.holds(length) {
                return false;
            }
        }
        let pieces = vec![message];
        state.append(&self.room, Spliced { pieces });
        true
    }

    /// Takes note that something was to be said for which there was no room.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        if !state.ended && !state.closed {
            state.latest += 1;
        }
    }

    /// Takes an answer, whatever its size. Where no connection is there to take it and it cannot be
    /// kept, `instead` is kept.
    pub(super) fn say(&self, message: Spliced, instead: impl FnOnce(usize) -> Bytes) {
        let mut state = self.state();
        if state.ended || state.closed {
            return;
        }
        let length = message.len();
        if !self.room.holds(length) {
            state.forget_taken(&self.room, |_| true);
            if !state.attached && !self.room.holds(length) {
                let pieces = vec![instead(length)];
                return state.append(&self.room, Spliced { pieces });
            }
        }
        state.append(&self.room, message);
    }

    /// Takes note that nothing more will be said. What was is kept.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.wake();
    }

    /// Ends it with all that is kept.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.forget_all(&self.room);
        state.wake();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether anything waits for a connection.
    pub(super) fn has_waiting(&self) -> bool {
        let state = self.state();
        state.latest > state.taken
    }

    /// Returns once anything waits for the first connection. Cancel-safe.
    pub(super) async fn waiting(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.state();
            if state.latest > state.taken {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Returns what waits on a stream that no connection was ever there for, and takes it away.
    pub(super) fn unheard(&self) -> Vec<Bytes> {
        let mut state = self.state();
        if state.connection > 0 {
            return Vec::new();
        }
        let events = state.events.iter();
        let all = events.flat_map(|event| event.message.pieces.first().cloned());
        let all = all.collect();
        state.taken = state.latest;
        state.forget_all(&self.room);
        all
    }

    /// Whether a connection is there.
    pub(super) fn is_attached(&self) -> bool {
        self.state().attached
    }

    /// Whether what was said reaches the client: it has come to a connection, or may come to one.
    pub(super) fn reaches(&self) -> bool {
        let state = self.state();
        !state.closed && (state.connection > 0 || state.latest == state.taken)
    }

    /// Whether its connection broke.
    pub(super) fn is_lost(&self) -> bool {
        let state = self.state();
        state.connection > 0 && !state.attached
    }

    /// Whether a connection is there, or was until a short while ago: a client may come back to it.
    pub(super) fn is_kept(&self) -> bool {
        let state = self.state();
        state.attached
            || (self.resuming != Resuming::Never && state.since.elapsed() < RESUME_WITHIN)
    }

    /// Has a connection hear what is said, from the first that no other took, or from what follows
    /// `after`. The one before it hears no more.
    ///
    /// # Errors
    /// When nothing can follow.
    pub(super) fn attach(self: &Arc<Self>, after: Option<u64>) -> Result<Reading, Over> {
        let mut state = self.state();
        if after.is_some_and(|after| after > state.latest) {
            return Err(Over::Unknown);
        }
        let at = after.unwrap_or(state.taken);
        if state.closed || (state.ended && at >= state.latest) {
            return Err(Over::Ended);
        }
        state.connection += 1;
        state.attached = true;
        let connection = state.connection;
        state.wake();
        drop(state);
        self.changed.notify_waiters();
        Ok(Reading {
            tape: Arc::clone(self),
            connection,
            at,
        })
    }

    /// Returns once it was closed, or no connection has been there for as long as a client may take
    /// to come back. Cancel-safe.
    pub(super) async fn deserted(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on it is woken by whatever comes.
            changed.as_mut().enable();
            let until = {
                let state = self.state();
                if state.closed {
                    return;
                }
                let patience = match self.resuming {
                    Resuming::Never => Duration::ZERO,
                    Resuming::ById | Resuming::Primed => RESUME_WITHIN,
                };
                (!state.attached).then(|| state.since + patience)
            };
            match until {
                None => changed.await,
                Some(until) if until <= Instant::now() => return,
                Some(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = changed => {}
                },
            }
        }
    }

    /// Whether it was closed.
    pub(super) fn has_ended(&self) -> bool {
        self.state().closed
    }

    /// Returns once it was closed. Cancel-safe.
    pub(super) async fn ended(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on it is woken by whatever comes.
            changed.as_mut().enable();
            if self.has_ended() {
                return;
            }
            changed.await;
        }
    }

    /// Keeps it as long again for its client to come back.
    pub(super) fn keep_on(&self) {
        self.state().since = Instant::now();
    }

    /// Forgets after a while what is kept, unless a connection comes. For a stream that nobody
    /// follows as [`Self::deserted`] does.
    pub(super) fn expire(self: &Arc<Self>) {
        let mut state = self.state();
        // Outside a runtime the core has ended.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if state.expiring || state.attached || state.events.is_empty() {
            return;
        }
        state.expiring = true;
        drop(state);
        let tape = Arc::clone(self);
        runtime.spawn(async move {
            loop {
                let until = {
                    let mut state = tape.state();
                    let until = state.since + RESUME_WITHIN;
                    if !state.attached && until <= Instant::now() {
                        // Whoever comes to listen later is not told of what it never waited for.
                        state.taken = state.latest;
                        state.forget_all(&tape.room);
                    }
                    if state.attached || state.events.is_empty() {
                        state.expiring = false;
                        return;
                    }
                    until
                };
                sleep_until(until).await;
            }
        });
    }

    /// Forgets what a connection took long ago.
    pub(super) fn forget_old(&self) {
        let now = Instant::now();
        let is_old = |event: &Event| now.duration_since(event.at) >= RESUME_WITHIN;
        self.state().forget_taken(&self.room, is_old);
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.state().forget_all(&self.room);
    }
}

impl State {
    fn append(&mut self, room: &Room, message: Spliced) {
        let length = message.len();
        while self.ahead < self.events.len()
            && (self.events.len() >= EVENTS_MAX || self.bytes + length > BYTES_MAX)
        {
            self.drop_first(room);
        }
        self.latest += 1;
        self.bytes += length;
        self.ahead += 1;
        self.ahead_bytes += length;
        room.add(length);
        self.events.push_back(Event {
            number: self.latest,
            message,
            at: Instant::now(),
        });
        self.wake();
    }

    /// Forgets the first event, which a connection has taken.
    fn drop_first(&mut self, room: &Room) {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= event.message.len();
            room.sub(event.message.len());
        }
        if self.events.is_empty() {
            // An idle session keeps no room.
            self.events = VecDeque::new();
        }
    }

    fn forget_taken(&mut self, room: &Room, which: impl Fn(&Event) -> bool) {
        while self.ahead < self.events.len() && self.events.front().is_some_and(&which) {
            self.drop_first(room);
        }
    }

    fn forget_all(&mut self, room: &Room) {
        room.sub(self.bytes);
        (self.bytes, self.ahead, self.ahead_bytes) = (0, 0, 0);
        self.events = VecDeque::new();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Reading {
    /// Returns the id of the event `number` on this stream.
    pub(super) fn id(&self, number: u64) -> Option<String> {
        let tape = &self.tape;
        (tape.resuming != Resuming::Never).then(|| format!("{}-{number}", tape.number))
    }

    /// Returns the number of the event that it took last.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Returns the stream.
    pub(super) const fn tape(&self) -> &Arc<Tape> {
        &self.tape
    }

    /// Returns what is to be written next; nothing once all is said, or another connection is the
    /// latest. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Said> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Like [`Self::next`], without waiting: `Pending` where nothing is to be written yet.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Said>> {
        let tape = Arc::clone(&self.tape);
        let mut state = tape.state();
        if state.closed || state.connection != self.connection {
            return Poll::Ready(None);
        }
        let next = state
            .events
            .partition_point(|event| event.number <= self.at);
        let following = state.events.get(next).map(|event| event.number);
        let reached = following.map_or(state.latest, |number| number - 1);
        if reached > self.at {
            let missed = reached - self.at;
            self.at = reached;
            state.taken = state.taken.max(reached);
            return Poll::Ready(Some(Said::Missed(reached, missed)));
        }
        let Some(number) = following else {
            if state.ended {
                return Poll::Ready(None);
            }
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        self.at = number;
        let message = state.events[next].message.clone();
        if number > state.taken {
            state.taken = number;
            state.ahead -= 1;
            state.ahead_bytes -= message.len();
            if tape.resuming == Resuming::Never || !tape.room.holds(0) {
                state.forget_taken(&tape.room, |_| true);
            }
        }
        Poll::Ready(Some(Said::Message(number, message)))
    }
}

impl Reading {
    /// Takes note that the connection has ended.
    pub(super) fn leave(&self) {
        let mut state = self.tape.state();
        if state.connection != self.connection || !state.attached {
            return;
        }
        state.attached = false;
        state.since = Instant::now();
        state.waker = None;
        drop(state);
        self.tape.changed.notify_waiters();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::gateway::room::{ALL_BYTES_MAX, SESSION_BYTES_MAX};

    fn tape() -> (Arc<Tape>, Arc<AtomicUsize>) {
        let all = Arc::<AtomicUsize>::default();
        let room = Arc::new(Room::new(Arc::clone(&all)));
        (Arc::new(Tape::new(7, Resuming::Primed, room)), all)
    }

    /// Returns what can be read now: numbers of events, negative where events are missed.
    fn read(reading: &mut Reading) -> Vec<i64> {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(said)) = reading.poll_next(&mut context) {
            all.push(match said {
                Said::Message(number, _) => number.cast_signed(),
                Said::Missed(_, missed) => -missed.cast_signed(),
            });
        }
        all
    }

    fn none(_: usize) -> Bytes {
        Bytes::from_static(b"instead")
    }

    #[tokio::test]
    async fn what_follows_is_read_again_and_only_that() {
        let (tape, _) = tape();
        for number in 1..=3 {
            assert!(tape.push(format!("{number}").into()));
        }
        let mut first = tape.attach(None).unwrap();
        assert_eq!(read(&mut first), [1, 2, 3]);
        let mut second = tape.attach(Some(1)).unwrap();
        assert!(read(&mut first).is_empty(), "the latest connection hears");
        assert!(tape.push("4".into()));
        assert_eq!(read(&mut second), [2, 3, 4]);
        assert_eq!(tape.attach(Some(5)).err(), Some(Over::Unknown));
        tape.end();
        assert!(!tape.push("5".into()));
        assert_eq!(tape.attach(Some(4)).err(), Some(Over::Ended));
        assert_eq!(read(&mut tape.attach(Some(3)).unwrap()), [4]);
    }

    #[tokio::test]
    async fn what_fell_out_is_said() {
        let (tape, all) = tape();
        let count = EVENTS_MAX as i64;
        for number in 0..count {
            assert!(tape.push(number.to_string().into()));
        }
        assert!(!tape.push("more".into()));
        tape.lose();
        let mut reading = tape.attach(None).unwrap();
        let mut expected: Vec<i64> = (1..=count).chain([-1]).collect();
        assert_eq!(read(&mut reading), expected);
        assert!(tape.push("later".into()));
        assert_eq!(read(&mut reading), [count + 2]);
        // The first has made room for the last.
        expected = [-1].into_iter().chain(2..=count).collect();
        expected.extend([-1, count + 2]);
        assert_eq!(read(&mut tape.attach(Some(0)).unwrap()), expected);
        drop((reading, tape));
        assert_eq!(all.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn an_answer_is_kept_whatever_its_size_as_long_as_there_is_room() {
        let (tape, all) = tape();
        let large = |bytes: usize| Spliced {
            pieces: vec![vec![b'x'; bytes].into()],
        };
        assert!(tape.push(vec![b'x'; BYTES_MAX - 1].into()));
        assert!(!tape.push(vec![b'x'; 2].into()), "no room on this stream");
        tape.say(large(SESSION_BYTES_MAX - BYTES_MAX), none);
        // Nobody is there, and there is no room in the session.
        tape.say(large(100), none);
        let mut reading = tape.attach(None).unwrap();
        assert_eq!(read(&mut reading), [1, 2, 3]);
        // Somebody is there to take it.
        tape.say(large(2 * SESSION_BYTES_MAX), none);
        assert_eq!(read(&mut reading), [4]);
        assert!(all.load(std::sync::atomic::Ordering::Relaxed) < ALL_BYTES_MAX);
        assert_eq!(
            read(&mut tape.attach(Some(0)).unwrap()),
            [-4],
            "all fell out"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_deserted_a_while_after_its_connection_broke() {
        let (tape, _) = tape();
        let reading = tape.attach(None).unwrap();
        let began = Instant::now();
        let deserted = tokio::spawn({
            let tape = Arc::clone(&tape);
            async move { tape.deserted().await }
        });
        tokio::time::sleep(RESUME_WITHIN * 2).await;
        drop(reading);
        tokio::time::sleep(RESUME_WITHIN / 2).await;
        let reading = tape.attach(Some(0)).unwrap();
        tokio::time::sleep(RESUME_WITHIN).await;
        assert!(!deserted.is_finished());
        drop(reading);
        deserted.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), RESUME_WITHIN.as_secs() * 9 / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_comes_back_for_is_forgotten() {
        let (tape, all) = tape();
        assert!(tape.push("1".into()));
        tape.expire();
        tokio::time::sleep(RESUME_WITHIN * 2).await;
        assert_eq!(all.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert!(read(&mut tape.attach(None).unwrap()).is_empty());
        assert_eq!(read(&mut tape.attach(Some(0)).unwrap()), [-1]);
    }
}
