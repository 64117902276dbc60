use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

use crate::{
    config::{self, Watcher},
    home::Home,
};

/// How often a lookout looks where nothing is reported: the end of a process that was killed is no
/// change of a file on every system, and some file systems report none at all.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits for what happens to a home's lock: cores come and go.
#[derive(Debug)]
pub(crate) struct Lookout {
    changed: Arc<Notify>,
    _watcher: Option<Watcher>,
}

impl Lookout {
    /// Begins to look. A change from here on is kept until [`Lookout::next`].
    pub(crate) fn over(home: &Home) -> Self {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let watcher = config::watch(&home.lock_file(), move || told.notify_one());
        let watcher = watcher.inspect_err(|error| tracing::debug!(%error, "home not watched"));
        Self {
            changed,
            _watcher: watcher.ok(),
        }
    }

    /// Returns when somebody may have come or gone. It may be once too often.
    pub(crate) async fn next(&self) {
        // What the system does not tell of is found by looking.
        let _ = timeout(LOOK_EVERY, self.changed.notified()).await;
    }
}
