use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What one message costs that nobody asked for: 5,000 a second are heard, many times what any
/// server says that means it, and some two hundredths of the time of our one worker.
const COST: Duration = Duration::from_micros(200);

/// How many may come at once: a server that starts, or a list of a thousand files that changed.
const BURST: u32 = 2_000;

/// Waits shorter than this are put off: a timer is not worth less.
const WAIT_MIN: Duration = Duration::from_millis(5);

/// A message counts once for each of so many bytes that it has begun: what is long takes as much more
/// to read and to pass on.
const BYTES: usize = 8 * 1024;

/// A question counts so many times more where its answer is a request of its own: over HTTP.
const QUESTION: u32 = 15;

/// How many are heard before others have their turn: some tens of microseconds.
const TURN: u32 = 32;

/// How fast a server is heard that talks without being asked. Who is over it is read no further for a
/// moment: its pipe fills up, it waits, and nobody else is held up by it.
#[derive(Debug)]
pub(super) struct Pace {
    /// When all that was heard is paid for.
    paid_at: Instant,
    /// How many were heard in this turn.
    heard: u32,
}

impl Pace {
    /// Begins with all of [`BURST`] to spend.
    pub(super) fn new() -> Self {
        Self {
            paid_at: Instant::now(),
            heard: 0,
        }
    }

    /// Takes note of something of so many bytes that nobody asked for.
    pub(super) fn heard(&mut self, bytes: usize) {
        let count = u32::try_from(bytes / BYTES).unwrap_or(u32::MAX);
        self.heard = self.heard.saturating_add(count).saturating_add(1);
    }

    /// Takes note that what is heard is a question to be answered by a request of its own.
    pub(super) const fn asked(&mut self) {
        self.heard = self.heard.saturating_add(QUESTION);
    }

    /// Takes note of so many lines of a stream with nothing in them.
    pub(super) fn passed_over(&mut self, lines: usize) {
        let count = u32::try_from(lines).unwrap_or(u32::MAX);
        self.heard = self.heard.saturating_add(count);
    }

    /// Whether it is somebody else's turn: [`Self::rest`] is due.
    pub(super) const fn is_over(&self) -> bool {
        self.heard >= TURN
    }

    /// Lets others have their turn, and waits if too much was heard. Does nothing where nothing was.
    pub(super) async fn rest(&mut self) {
        if self.heard == 0 {
            return;
        }
        let wait = self.owed(Instant::now());
        if wait > WAIT_MIN {
            sleep_until(self.paid_at - COST * BURST).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// Puts what was heard to the account; returns how far that is overdrawn.
    fn owed(&mut self, now: Instant) -> Duration {
        self.paid_at = self.paid_at.max(now) + COST * std::mem::take(&mut self.heard);
        (self.paid_at - now).saturating_sub(COST * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hear(pace: &mut Pace, count: u32) {
        for _ in 0..count {
            pace.heard(100);
            if pace.is_over() {
                pace.rest().await;
            }
        }
        pace.rest().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_heard_at_once_and_a_flood_is_not() {
        let (mut pace, started) = (Pace::new(), Instant::now());
        hear(&mut pace, BURST).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        hear(&mut pace, 5_000).await;
        let took = started.elapsed();
        assert!(
            took > Duration::from_millis(900) && took < Duration::from_millis(1100),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_counts_for_many() {
        let (mut pace, started) = (Pace::new(), Instant::now());
        // As long as the burst, and a second's worth more.
        for _ in 0..7 {
            pace.heard(1_000 * BYTES - 1);
            pace.rest().await;
        }
        let took = started.elapsed();
        assert!(
            took > Duration::from_millis(900) && took < Duration::from_millis(1100),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_quiet_for_a_while_may_speak_again() {
        let mut pace = Pace::new();
        hear(&mut pace, 3 * BURST).await;
        tokio::time::sleep(COST * BURST).await;
        let started = Instant::now();
        hear(&mut pace, BURST - TURN).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
