use std::time::Duration;

/// The first wait before connecting again.
const FIRST: Duration = Duration::from_millis(300);

/// The longest wait before connecting again: a person looks at a core that comes back.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait for a core that is gone, longer with every attempt that fails.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    /// None after an attempt that connected.
    wait: Option<Duration>,
}

impl Retry {
    /// Takes note that the core is there.
    pub(crate) fn connected(&mut self) {
        self.wait = None;
    }

    /// Takes note that the core is gone.
    pub(crate) fn lost(&mut self) {
        self.wait = Some(match self.wait {
            Some(wait) => (wait * 2).min(LONGEST),
            None => FIRST,
        });
    }

    /// Waits until the next attempt is due.
    pub(crate) async fn due(&self) {
        if let Some(wait) = self.wait {
            tokio::time::sleep(wait).await;
        }
    }
}
