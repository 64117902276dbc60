use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};

use super::{CallError, Caller, Connection, Introduction, Reply, Revocation};
use crate::{
    mcp::Outgoing,
    metrics::CallMetrics,
    server::{ServerName, Spec},
};

/// How old a list of tools may be before a call has it looked at again: a server that changes its
/// tools without saying so is noticed within a minute of use.
const LIST_AGE_MAX_MS: u64 = 60_000;

/// How long a call waits for an old list to be read again. It is a message to a server that is up.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// What a connected server is reached by: published by its actor, used by every session at once.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    server: ServerName,
    connection: Connection,
    introduction: Introduction,
    spec: Arc<Spec>,
    /// A permit for each call that may be in flight; first come, first served.
    permits: Semaphore,
    born: Instant,
    listed_ms: AtomicU64,
    /// Whether the actor was asked to read the list again, and has not done so yet.
    asked: AtomicBool,
    looked: Notify,
    metrics: CallMetrics,
}

/// A session's hold on a connection of an endpoint. All leases of a shared endpoint are of the one
/// connection.
#[derive(Debug)]
pub struct Lease {
    endpoint: Endpoint,
}

impl Endpoint {
    /// Publishes a connection that has introduced itself.
    pub fn new(
        server: ServerName,
        connection: Connection,
        introduction: Introduction,
        spec: Arc<Spec>,
        metrics: CallMetrics,
    ) -> Self {
        let permits = Semaphore::new(spec.max_concurrent);
        let listed_ms = AtomicU64::new(0);
        let born = Instant::now();
        Self {
            inner: Arc::new(Inner {
                server,
                connection,
                introduction,
                spec,
                permits,
                born,
                listed_ms,
                asked: AtomicBool::new(false),
                looked: Notify::new(),
                metrics,
            }),
        }
    }

    /// Takes a lease on a connection.
    pub fn lease(&self) -> Lease {
        Lease {
            endpoint: self.clone(),
        }
    }

    /// Returns what the server said of itself.
    pub fn introduction(&self) -> &Introduction {
        &self.inner.introduction
    }

    /// Refuses every call from here on and ends those in flight.
    pub fn revoke(&self, why: Revocation) {
        self.inner
            .connection
            .pending()
            .close(CallError::Revoked(why));
    }

    /// Takes note that the list of tools was just read, or could not be.
    pub fn listed(&self) {
        self.inner.listed_ms.store(self.age_ms(), Ordering::Relaxed);
        self.inner.asked.store(false, Ordering::Relaxed);
        self.inner.looked.notify_waiters();
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.inner.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Has the lists read again if they are old, and waits for that, for a moment. Returns whether
    /// they were old.
    pub async fn look_again_if_old(&self) -> bool {
        let looked = self.inner.looked.notified();
        if !self.refresh_if_old() {
            return false;
        }
        // A server that does not answer in time is called by what is known of it.
        let _ = timeout(LOOK_MAX, looked).await;
        true
    }

    /// Has the lists read again if they are old. Returns whether they were.
    pub fn refresh_if_old(&self) -> bool {
        let listed = self.inner.listed_ms.load(Ordering::Relaxed);
        if self.age_ms().saturating_sub(listed) <= LIST_AGE_MAX_MS {
            return false;
        }
        if !self.inner.asked.swap(true, Ordering::Relaxed) {
            self.inner.connection.signals().lists_changed();
        }
        true
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for Endpoint {}

impl Lease {
    /// Returns the server.
    pub fn server(&self) -> &ServerName {
        &self.endpoint.inner.server
    }

    /// Returns the entry by which the server was started.
    pub fn spec(&self) -> &Spec {
        &self.endpoint.inner.spec
    }

    /// Returns where calls are counted.
    pub fn metrics(&self) -> &CallMetrics {
        &self.endpoint.inner.metrics
    }

    /// Sends a request and returns its answer. Dropping the future cancels the request at the
    /// server.
    ///
    /// # Errors
    /// When there is no answer; the error tells whether the server can have acted.
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let inner = &self.endpoint.inner;
        // The semaphore is never closed.
        let _permit = inner
            .permits
            .acquire()
            .await
            .map_err(|_| CallError::NotConnected)?;
        inner.connection.request(request, caller).await
    }
}
