use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What one message costs that nobody asked for: 5,000 a second are heard, many times what any
/// server says that means it, and some two hundredths of the time of our one worker.
const COST: Duration = Duration::from_micros(200);

/// How many may come at once: a server that starts, or a list of a thousand files that changed.
const BURST: u32 = 2_000;

/// Waits shorter than this are put off: a timer is not worth less.
const WAIT_MIN: Duration = Duration::from_millis(5);

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

    /// Takes note of something that nobody asked for.
    pub(super) const fn heard(&mut self) {
        self.heard += 1;
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
            pace.heard();
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
    async fn what_is_quiet_for_a_while_may_speak_again() {
        let mut pace = Pace::new();
        hear(&mut pace, 3 * BURST).await;
        tokio::time::sleep(COST * BURST).await;
        let started = Instant::now();
        hear(&mut pace, BURST - TURN).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
