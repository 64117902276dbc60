use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How often a session that an address forgot is begun anew without counting as a lost connection.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    spent: VecDeque<Instant>,
}

impl Renewals {
    /// A server that keeps its sessions for some seconds only is still of use; one that forgets them
    /// more often than this is backed off from.
    const MAX: usize = 10;

    const WINDOW: Duration = Duration::from_secs(60);

    /// Spends one; `false` if none is left.
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        let old = |at: &Instant| now.duration_since(*at) > Self::WINDOW;
        while self.spent.front().is_some_and(old) {
            self.spent.pop_front();
        }
        let left = self.spent.len() < Self::MAX;
        if left {
            self.spent.push_back(now);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_are_free() {
        let (mut renewals, start) = (Renewals::default(), Instant::now());
        let mut spend = |seconds| renewals.spend(start + Duration::from_secs(seconds));
        assert!((0..10).all(&mut spend));
        assert_eq!([10, 60, 61, 62].map(spend), [false, false, true, true]);
    }
}
