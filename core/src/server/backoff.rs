use std::time::Duration;

/// The longest wait that a server may name, in `Retry-After` or as the `retry` of its events. One that
/// wants to be left alone for longer is asked after this time all the same: its machine's clock may
/// be wrong, and a person waits.
pub const NAMED_WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// How long after which failure the next attempt is, and when to give up.
///
/// Exponential with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): ten servers that
/// fail together do not come back together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the second attempt.
    pub base: Duration,
    /// The longest wait before any attempt.
    pub cap: Duration,
    /// How many failures in a row end it.
    pub attempts_max: u32,
}

impl Backoff {
    /// A process that fails six times in a row does not mend itself. The five waits between are
    /// 15.5 s together at most, half of that on average.
    pub const STDIO: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(30),
        attempts_max: 6,
    };

    /// An address may come back whenever its machine or network does. The 29 waits between are
    /// 23 minutes together at most, half of that on average.
    pub const HTTP: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(60),
        attempts_max: 30,
    };

    /// Returns how long to wait after `failures` failures in a row, with `jitter` in 0..=1; `None`
    /// to give up.
    pub fn wait(&self, failures: u32, jitter: f64) -> Option<Duration> {
        if failures >= self.attempts_max {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(16);
        Some(
            self.base
                .saturating_mul(1 << doublings)
                .min(self.cap)
                .mul_f64(jitter),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_then_end() {
        let waits: Vec<_> = (1..=6)
            .map(|failures| Backoff::STDIO.wait(failures, 1.0))
            .collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(
            waits,
            [ms(500), ms(1000), ms(2000), ms(4000), ms(8000), None]
        );
        assert_eq!(Backoff::HTTP.wait(29, 1.0), ms(60_000));
        assert_eq!(Backoff::HTTP.wait(3, 0.0), ms(0));
    }

    #[test]
    fn giving_up_takes_as_long_as_is_said() {
        let longest = |backoff: &Backoff| -> Duration {
            let waits = (1..).map_while(|failures| backoff.wait(failures, 1.0));
            waits.sum()
        };
        assert_eq!(longest(&Backoff::STDIO), Duration::from_millis(15_500));
        assert_eq!(longest(&Backoff::HTTP), Duration::from_millis(1_383_500));
    }
}
