use std::time::Duration;

use tokio::time::sleep;

/// How long a core that was started for a client stays without one: longer than the restart of an
/// editor, or of an update.
pub(super) const UNUSED_MAX: Duration = Duration::from_secs(10 * 60);

/// Returns once nobody has used the core for [`UNUSED_MAX`]. `rest` tells for how long nobody has,
/// `None` while somebody does. It wakes when that time could have passed, and not before.
pub(super) async fn unused(rest: impl Fn() -> Option<Duration>) {
    let mut left = UNUSED_MAX;
    loop {
        sleep(left).await;
        // Who uses it now may stop the moment after.
        let rested = rest().unwrap_or_default();
        left = UNUSED_MAX.saturating_sub(rested);
        if left.is_zero() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Returns after how many minutes a core ends that is used as `life` tells: it sets whether
    /// somebody is there.
    async fn minutes(life: impl AsyncFnOnce(&dyn Fn(bool))) -> u64 {
        let began = Instant::now();
        // When the last one went; `None` while one is there.
        let gone = Cell::new(Some(began));
        let ended = async {
            unused(|| gone.get().map(|gone| gone.elapsed())).await;
            began.elapsed().as_secs() / 60
        };
        let set = |there: bool| gone.set((!there).then(Instant::now));
        tokio::join!(ended, life(&set)).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_that_nobody_uses_ends() {
        assert_eq!(minutes(async |_| {}).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_when_the_last_one_has_gone() {
        let ended = minutes(async |set| {
            sleep(9 * MINUTE).await;
            set(true);
            sleep(6 * MINUTE).await;
            set(false);
        });
        // Looked at after 10 and 20 minutes.
        assert_eq!(ended.await, 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_that_somebody_uses_stays() {
        let ended = minutes(async |set| {
            set(true);
            sleep(300 * MINUTE + MINUTE / 2).await;
            set(false);
        });
        assert_eq!(ended.await, 310);
    }
}
