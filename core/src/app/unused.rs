use std::time::Duration;

use tokio::time::timeout;

use crate::view::{Snapshot, View};

/// How long a core that was started for a client stays without one: longer than the restart of an
/// editor, or of an update.
pub(super) const UNUSED_MAX: Duration = Duration::from_secs(10 * 60);

/// Returns once no client has had a session for [`UNUSED_MAX`] and nobody follows the events. It
/// wakes when a revision is stored, and once a period while there is no client.
pub(super) async fn unused(view: &View, has_subscribers: impl Fn() -> bool) {
    let has_clients = |now: &Snapshot| (now.clients > 0).then_some(());
    let has_none = |now: &Snapshot| (now.clients == 0).then_some(());
    loop {
        view.wait_for(has_none).await;
        let came = timeout(UNUSED_MAX, view.wait_for(has_clients)).await;
        if came.is_err() && !has_subscribers() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{metrics::Metrics, view::Publisher};

    const MINUTE: Duration = Duration::from_secs(60);

    /// Returns after how many minutes a core ends whose life is `life`.
    async fn minutes<L: Future<Output = ()>>(
        life: impl FnOnce(Arc<Publisher>, Arc<AtomicBool>) -> L,
    ) -> u64 {
        let publisher = Publisher::new("i".to_owned(), Metrics::new().view());
        let (publisher, followed) = (Arc::new(publisher), Arc::new(AtomicBool::new(false)));
        let (began, view) = (Instant::now(), publisher.view().clone());
        let ended = async {
            unused(&view, || followed.load(Ordering::Relaxed)).await;
            began.elapsed().as_secs() / 60
        };
        let life = life(Arc::clone(&publisher), Arc::clone(&followed));
        tokio::join!(ended, life).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_that_nobody_uses_ends() {
        assert_eq!(minutes(async |_, _| {}).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_when_the_last_client_has_gone() {
        let ended = minutes(async |publisher, _| {
            sleep(9 * MINUTE).await;
            publisher.update(|draft| draft.clients(2));
            sleep(30 * MINUTE).await;
            publisher.update(|draft| draft.clients(0));
        });
        assert_eq!(ended.await, 49);
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_that_somebody_follows_stays() {
        let ended = minutes(async |_, followed| {
            followed.store(true, Ordering::Relaxed);
            sleep(25 * MINUTE).await;
            followed.store(false, Ordering::Relaxed);
        });
        assert_eq!(ended.await, 30);
    }
}
