//! Places for calls, and the queue of those that wait for one: a round goes over the sessions, and
//! within a session the first to come is the first to go.
//!
//! While there is a place and nobody waits, taking it is one atomic step and giving it back another.
//! The lock is for those who wait, and for whoever hands them a place.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// Calls that may wait for a place at once. A server with the default of 64 places that takes
/// 100 ms for a call is through with as many in less than two seconds; whoever comes later is better
/// told when to come back than kept until its client has given up. A call that waits costs its
/// message and some 10 KiB.
pub const WAITING_MAX: usize = 1_024;

/// The shortest and the longest that a call is told to stay away. Below, the answer costs more than
/// the wait; above, an estimate is none.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// What a call is told where nothing is known yet of how long others take.
const AWAY_UNKNOWN: Duration = Duration::from_secs(1);

/// Set in the state while somebody waits: places go by the queue then.
const WAITS: usize = 1;

/// One place taken, in the state.
const ONE: usize = 2;

/// So many places, and the queue for them.
#[derive(Debug)]
pub struct Turns {
    /// How many places are taken, times [`ONE`], and whether somebody waits.
    state: AtomicUsize,
    places: AtomicUsize,
    /// How many may wait.
    room: usize,
    queue: Mutex<Queue>,
}

/// A place that was taken. Dropping it gives it to whoever is next.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
}

/// More calls wait than there is room for, and none of them is of a session with more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A call that waits. Dropping it leaves the queue.
#[derive(Debug)]
pub struct Waiting<'a> {
    turns: &'a Turns,
    session: u64,
    number: u64,
    over: bool,
}

#[derive(Debug, Default)]
struct Queue {
    /// Those that wait, by session.
    lines: BTreeMap<u64, Line>,
    /// The sessions with somebody waiting, by when their turn comes.
    round: BTreeMap<u64, u64>,
    /// What became of those that no longer wait and have not seen it yet.
    settled: HashMap<u64, Result<(), Full>>,
    waiting: usize,
    next: u64,
    pace: Pace,
}

/// The calls of one session that wait.
#[derive(Debug)]
struct Line {
    /// Where the session stands in the round.
    turn: u64,
    /// By their numbers: the first to come has the lowest.
    waiting: BTreeMap<u64, Option<Waker>>,
}

/// How fast places come free while somebody waits for them.
#[derive(Debug, Default)]
struct Pace {
    /// Since when somebody waits.
    begun: Option<Instant>,
    /// When the last place came free since then.
    last: Option<Instant>,
    /// How many have.
    count: u32,
    /// What the pace was when the queue was last empty: the mean time from one to the next.
    before: Option<Duration>,
}

impl Turns {
    /// Makes so many places, for which up to [`WAITING_MAX`] may wait.
    pub fn new(places: usize) -> Self {
        Self::with_room(places, WAITING_MAX)
    }

    fn with_room(places: usize, room: usize) -> Self {
        Self {
            state: AtomicUsize::new(0),
            places: AtomicUsize::new(places),
            room,
            queue: Mutex::new(Queue::default()),
        }
    }

    /// Changes how many places there are. Those that are taken stay so.
    pub fn set_places(&self, places: usize) {
        self.places.store(places, Ordering::SeqCst);
        // Who came with the old number in mind is in the queue by now, or sees the new one.
        self.hand_on();
    }

    /// Returns how many places there are.
    pub fn places(&self) -> usize {
        self.places.load(Ordering::Relaxed)
    }

    /// Returns how many are taken.
    pub fn taken(&self) -> usize {
        self.state.load(Ordering::Relaxed) / ONE
    }

    /// Takes a place, where there is one and nobody waits.
    pub fn take(&self) -> Option<Turn<'_>> {
        let places = self.places.load(Ordering::Relaxed);
        let mut seen = self.state.load(Ordering::Relaxed);
        while seen & WAITS == 0 && seen / ONE < places {
            match self.state.compare_exchange_weak(
                seen,
                seen + ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Turn { turns: self }),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Begins to wait for a place, behind what waits of the same session, and in turn with the
    /// others. Where there is no room, the last of the session with the most waiting makes it.
    ///
    /// # Errors
    /// When that would be this one.
    pub fn wait(&self, session: u64) -> Result<Waiting<'_>, Full> {
        let (number, woken) = {
            let mut queue = self.queue();
            let shed = if queue.waiting >= self.room {
                Some(queue.shed_for(session)?)
            } else {
                None
            };
            if queue.waiting == 0 {
                queue.pace.begins();
            }
            let number = queue.push(session);
            // From here on whoever gives a place back comes by; what was given before is seen below.
            self.state.fetch_or(WAITS, Ordering::SeqCst);
            let mut woken = self.give(&mut queue);
            woken.extend(shed.flatten());
            (number, woken)
        };
        woken.into_iter().for_each(Waker::wake);
        Ok(Waiting {
            turns: self,
            session,
            number,
            over: false,
        })
    }

    /// Estimates when all that waits now will have had its turn: by the pace at which places came
    /// free lately, or else by the mean time `each` takes for a call. Never zero.
    pub fn estimate(&self, each: Option<Duration>) -> Duration {
        let queue = self.queue();
        let places = u32::try_from(self.places().max(1)).unwrap_or(u32::MAX);
        let pace = queue.pace.estimate(each.map(|each| each / places));
        let ahead = u32::try_from(queue.waiting + 1).unwrap_or(u32::MAX);
        let by_pace = pace.map_or(AWAY_UNKNOWN, |pace| pace.saturating_mul(ahead));
        // Where none of them has come free for a while, calls take at least that long.
        let at_least = (queue.pace.silence() / places).saturating_mul(ahead);
        by_pace.max(at_least).clamp(AWAY.0, AWAY.1)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self) {
        if self.state.fetch_sub(ONE, Ordering::SeqCst) & WAITS != 0 {
            self.hand_on();
        }
    }

    fn hand_on(&self) {
        let woken = self.give(&mut self.queue());
        woken.into_iter().for_each(Waker::wake);
    }

    /// Gives free places to those whose turn it is.
    fn give(&self, queue: &mut Queue) -> Vec<Waker> {
        let mut woken = Vec::new();
        while queue.waiting > 0 {
            // While somebody waits, places are only taken here, under the lock.
            if self.state.load(Ordering::SeqCst) / ONE >= self.places.load(Ordering::SeqCst) {
                return woken;
            }
            self.state.fetch_add(ONE, Ordering::SeqCst);
            woken.extend(queue.settle_next());
        }
        queue.pace.ends();
        self.state.fetch_and(!WAITS, Ordering::SeqCst);
        woken
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.give_back();
    }
}

impl<'a> Future for Waiting<'a> {
    type Output = Result<Turn<'a>, Full>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut queue = this.turns.queue();
        if let Some(settled) = queue.settled.remove(&this.number) {
            drop(queue);
            this.over = true;
            return Poll::Ready(settled.map(|()| Turn { turns: this.turns }));
        }
        let line = queue.lines.get_mut(&this.session);
        if let Some(waker) = line.and_then(|line| line.waiting.get_mut(&this.number)) {
            waker
                .get_or_insert_with(|| context.waker().clone())
                .clone_from(context.waker());
        }
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut queue = self.turns.queue();
        match queue.settled.remove(&self.number) {
            Some(Ok(())) => {
                drop(queue);
                // It never saw its turn: the next one has it.
                self.turns.give_back();
            }
            Some(Err(Full)) => {}
            None => {
                queue.remove(self.session, self.number);
                // The last one to wait takes the queue down with it.
                let woken = self.turns.give(&mut queue);
                drop(queue);
                woken.into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl Queue {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn push(&mut self, session: u64) -> u64 {
        let number = self.next();
        self.waiting += 1;
        if let Some(line) = self.lines.get_mut(&session) {
            line.waiting.insert(number, None);
            return number;
        }
        self.round.insert(number, session);
        let line = Line {
            turn: number,
            waiting: BTreeMap::from([(number, None)]),
        };
        self.lines.insert(session, line);
        number
    }

    /// Takes a call out of the queue.
    fn remove(&mut self, session: u64, number: u64) -> Option<Waker> {
        let line = self.lines.get_mut(&session)?;
        let waker = line.waiting.remove(&number)?;
        self.waiting -= 1;
        if line.waiting.is_empty() {
            self.round.remove(&line.turn);
            self.lines.remove(&session);
        }
        waker
    }

    /// Settles the call whose turn it is; its session's next turn comes after all the others'.
    fn settle_next(&mut self) -> Option<Waker> {
        let (_, session) = self.round.pop_first()?;
        let turn = self.next();
        let line = self.lines.get_mut(&session)?;
        line.turn = turn;
        self.round.insert(turn, session);
        let number = *line.waiting.first_key_value()?.0;
        self.pace.came_free();
        self.settled.insert(number, Ok(()));
        self.remove(session, number)
    }

    /// Makes room for a call of `session`: the last of the session with the most waiting goes,
    /// unless that is this one's. Returns its waker.
    fn shed_for(&mut self, session: u64) -> Result<Option<Waker>, Full> {
        let own = self.lines.get(&session).map_or(0, |it| it.waiting.len()) + 1;
        let longest = self.lines.iter().max_by_key(|(_, it)| it.waiting.len());
        let (longest, line) = longest.ok_or(Full)?;
        let last = line.waiting.last_key_value();
        let (longest, last) = match last {
            Some((last, _)) if line.waiting.len() > own => (*longest, *last),
            Some(_) | None => return Err(Full),
        };
        self.settled.insert(last, Err(Full));
        Ok(self.remove(longest, last))
    }
}

impl Pace {
    /// Places that came free before the pace is their mean, and not what was known before.
    const ENOUGH: u32 = 8;

    /// Places after which the older half counts for half.
    const MANY: u32 = 512;

    fn begins(&mut self) {
        self.begun = Some(Instant::now());
    }

    fn came_free(&mut self) {
        let now = Instant::now();
        self.last = Some(now);
        self.count += 1;
        if let Some(begun) = self.begun.filter(|_| self.count >= Self::MANY) {
            self.begun = Some(now - (now - begun) / 2);
            self.count /= 2;
        }
    }

    fn ends(&mut self) {
        self.before = self.estimate(self.before);
        (self.begun, self.last, self.count) = (None, None, 0);
    }

    /// Returns the mean time from one place to the next; `otherwise` where too little is known.
    fn estimate(&self, otherwise: Option<Duration>) -> Option<Duration> {
        let mean = self
            .begun
            .zip(self.last)
            .map(|(begun, last)| (last - begun) / self.count.max(1));
        if self.count >= Self::ENOUGH {
            return mean;
        }
        self.before.or(otherwise).or(mean)
    }

    /// Returns for how long none has come free while somebody waits.
    fn silence(&self) -> Duration {
        let since = self.last.or(self.begun).filter(|_| self.begun.is_some());
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

#[cfg(all(test, not(narthex_loom)))]
#[path = "turns/tests.rs"]
mod tests;
