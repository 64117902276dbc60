use std::time::Duration;

use crate::server::NAMED_WAIT_MAX;

/// The least wait where the server names one: a server that names none at all may not mean it.
const NAMED_WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest wait after the first stream that did not last; it doubles up to the next.
const BASE: Duration = Duration::from_secs(1);

/// The longest wait after any.
const CAP: Duration = Duration::from_secs(60);

/// A stream that held for so long lasted.
pub(super) const LASTED: Duration = Duration::from_secs(5);

/// How long to wait before a stream is opened again.
///
/// What the server named is waited for in any case. Where it named nothing, or the stream could not
/// be opened, the wait grows, with jitter: those who were cut off together do not come back together.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// How often in a row a stream did not last, or could not be opened.
    short: u32,
}

impl Pause {
    /// Takes note that a stream ended which was open for `open`; `named` is the wait that the
    /// server wants.
    pub(super) fn ended(&mut self, open: Duration, named: Option<Duration>) {
        if open >= LASTED || named.is_some() {
            self.short = 0;
        } else {
            self.failed();
        }
    }

    /// Takes note that a stream could not be opened, and returns how often in a row that was.
    pub(super) const fn failed(&mut self) -> u32 {
        self.short = self.short.saturating_add(1);
        self.short
    }

    /// Returns how long to wait, with what the server `named` and `jitter` in 0..=1.
    pub(super) fn wait(&self, named: Option<Duration>, jitter: f64) -> Duration {
        let named = named.map(|wait| wait.clamp(NAMED_WAIT_MIN, NAMED_WAIT_MAX));
        let own = match self.short {
            0 => Duration::ZERO,
            // Half of it is certain: what ends at once must not be opened at once.
            count => {
                let full = BASE.saturating_mul(1 << (count - 1).min(16)).min(CAP);
                full.mul_f64(0.5 + 0.5 * jitter)
            }
        };
        named.unwrap_or_default().max(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn it_grows_while_streams_do_not_last() {
        let mut pause = Pause::default();
        assert_eq!(pause.wait(None, 1.0), ms(0));
        let waits: Vec<_> = (0..8)
            .map(|_| {
                pause.ended(ms(10), None);
                (pause.wait(None, 0.0), pause.wait(None, 1.0))
            })
            .collect();
        assert_eq!(waits[0], (ms(500), ms(1000)));
        assert_eq!(waits[3], (ms(4000), ms(8000)));
        assert_eq!(waits[7], (ms(30_000), ms(60_000)));
        pause.ended(LASTED, None);
        assert_eq!(pause.wait(None, 1.0), ms(0));
    }

    #[test]
    fn what_the_server_names_is_waited_for_and_does_not_grow() {
        let mut pause = Pause::default();
        for _ in 0..9 {
            pause.ended(ms(10), Some(ms(500)));
            assert_eq!(pause.wait(Some(ms(500)), 1.0), ms(500));
        }
        assert_eq!(pause.wait(Some(ms(0)), 1.0), NAMED_WAIT_MIN);
        assert_eq!(pause.wait(Some(Duration::MAX), 0.0), NAMED_WAIT_MAX);
        assert_eq!((pause.failed(), pause.failed()), (1, 2));
        assert_eq!(pause.wait(Some(ms(500)), 1.0), ms(2000));
    }
}
