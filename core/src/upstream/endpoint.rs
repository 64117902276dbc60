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

use bytes::Bytes;

use super::{
    CallError, Caller, Connection, Introduction, Patron, Pool, Reply, Revocation, pool::Used,
};
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
    /// The connections of clients' own, where each has one.
    pool: Option<Pool>,
}

/// A session's hold on a connection of an endpoint. All leases of a shared endpoint are of the one
/// connection.
#[derive(Debug)]
pub struct Lease {
    endpoint: Endpoint,
    own: Option<(Used, Connection)>,
}

impl Endpoint {
    /// Publishes a connection that has introduced itself.
    pub fn new(
        server: ServerName,
        connection: Connection,
        introduction: Introduction,
        spec: Arc<Spec>,
        metrics: CallMetrics,
        pool: Option<Pool>,
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
                pool,
            }),
        }
    }

    /// Takes a lease on the connection by which the server is watched, which clients share unless
    /// each has its own.
    pub fn lease(&self) -> Lease {
        Lease {
            endpoint: self.clone(),
            own: None,
        }
    }

    /// Takes a lease on the connection of a session: the shared one, or one of its own, which is
    /// opened for `patron` if there is none.
    ///
    /// # Errors
    /// When none can be opened.
    pub async fn lease_for(
        &self,
        session: u64,
        patron: impl FnOnce() -> Patron,
    ) -> Result<Lease, CallError> {
        let own = match &self.inner.pool {
            Some(pool) => Some(pool.take(patron, session).await?),
            None => None,
        };
        Ok(Lease {
            endpoint: self.clone(),
            own,
        })
    }

    /// Whether clients share one connection.
    pub fn is_shared(&self) -> bool {
        self.inner.pool.is_none()
    }

    /// Whether a connection of it that turned out to be no more means that it is no more itself.
    pub fn is_over(&self) -> bool {
        self.is_shared() || self.inner.connection.pending().closed().is_some()
    }

    /// Returns the connections of clients' own, where each has one.
    pub fn pool(&self) -> Option<&Pool> {
        self.inner.pool.as_ref()
    }

    /// Takes note that a session with a connection of its own follows a resource, or does so no
    /// longer.
    pub fn follows(&self, session: u64, uri: &str, on: bool) {
        if let Some(pool) = &self.inner.pool {
            pool.follows(session, uri, on);
        }
    }

    /// Returns how many resources a session with a connection of its own follows.
    pub fn followed(&self, session: u64) -> usize {
        self.inner
            .pool
            .as_ref()
            .map_or(0, |pool| pool.followed(session))
    }

    /// Sends a client's notification on, where the session has a connection of its own.
    pub fn tell(&self, session: u64, message: &Bytes) {
        if let Some(connection) = self.own(session) {
            let message = message.to_vec();
            // A server that does not read, or has ended, goes without it.
            tokio::spawn(async move { connection.send(message).await });
        }
    }

    /// Tells the server how grave log messages must be, where the session has a connection of its
    /// own.
    pub fn tell_level(&self, session: u64, level: &str) {
        if let Some(connection) = self.own(session) {
            let params = format!(r#"{{"level":"{level}"}}"#);
            // A server that refuses sends what it likes; the client still hears what it asked for.
            tokio::spawn(async move {
                let request = Outgoing::new("logging/setLevel", &params);
                timeout(LOOK_MAX, connection.request(&request, None)).await
            });
        }
    }

    /// Ends the connection of a session that has ended.
    pub fn forget(&self, session: u64) {
        if let Some(pool) = &self.inner.pool {
            pool.forget(session);
        }
    }

    fn own(&self, session: u64) -> Option<Connection> {
        self.inner.pool.as_ref()?.of(session)
    }

    /// Returns what the server said of itself.
    pub fn introduction(&self) -> &Introduction {
        &self.inner.introduction
    }

    /// Returns how many calls are in flight.
    pub fn in_flight(&self) -> usize {
        let free = self.inner.permits.available_permits();
        self.inner.spec.max_concurrent.saturating_sub(free)
    }

    /// Refuses every call from here on and ends those in flight.
    pub fn revoke(&self, why: Revocation) {
        self.inner
            .connection
            .pending()
            .close(CallError::Revoked(why));
        if let Some(pool) = &self.inner.pool {
            pool.revoke(why);
        }
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
        let own = self.own.as_ref().map(|(_, connection)| connection);
        let connection = own.unwrap_or(&inner.connection);
        connection.request(request, caller).await
    }
}
