use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::Semaphore, time::Instant};

use super::{CallError, Connection, Introduction, Notices, Reply, Revocation};
use crate::{
    mcp::Outgoing,
    metrics::CallMetrics,
    server::{ServerName, Spec},
};

/// How old a list of tools may be before a call has it looked at again: a server that changes its
/// tools without saying so is noticed within a minute of use.
const LIST_AGE_MAX_MS: u64 = 60_000;

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

    /// Returns how many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.inner.connection.pending().count()
    }

    /// Takes note that the list of tools was just read.
    pub fn listed(&self) {
        self.inner.listed_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.inner.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Has the list looked at again if it is old. The first call that finds it old asks.
    fn look_again_if_old(&self) {
        let (now, listed) = (self.age_ms(), self.inner.listed_ms.load(Ordering::Relaxed));
        if now.saturating_sub(listed) > LIST_AGE_MAX_MS
            && self
                .inner
                .listed_ms
                .compare_exchange(listed, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.inner.connection.signals().tools_changed();
        }
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
        notices: Option<Notices>,
    ) -> Result<Reply, CallError> {
        let inner = &self.endpoint.inner;
        // The semaphore is never closed.
        let _permit = inner
            .permits
            .acquire()
            .await
            .map_err(|_| CallError::NotConnected)?;
        self.endpoint.look_again_if_old();
        inner.connection.request(request, notices).await
    }
}
