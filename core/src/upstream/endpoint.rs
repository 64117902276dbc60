use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use bytes::Bytes;

use super::{
    Busy, CallError, Caller, Connection, Introduction, Patron, Pool, Reply, Revocation, Turn,
    Turns, oddities::Oddity, pool::Used,
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

/// Stands for Narthex itself among the sessions, whose numbers begin at one.
const OWN_SESSION: u64 = 0;

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
    /// The session of the connection whose lists were reviewed.
    renewals: u64,
    introduction: Introduction,
    spec: Arc<Spec>,
    /// A place for each call that may be in flight.
    turns: Turns,
    /// The places for calls to all servers together.
    all: Arc<Turns>,
    /// Why no call goes through any more, and who is told of it while it waits.
    revoked: OnceLock<Revocation>,
    end: CancellationToken,
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

/// A place among the calls in flight at a server, and among those at all of them.
#[derive(Debug)]
pub struct Place<'a> {
    _own: Turn<'a>,
    _all: Turn<'a>,
}

impl Endpoint {
    /// Publishes a connection that has introduced itself. `all`: the places for calls to all servers
    /// together.
    pub fn new(
        server: ServerName,
        connection: Connection,
        introduction: Introduction,
        spec: Arc<Spec>,
        metrics: CallMetrics,
        pool: Option<Pool>,
        all: Arc<Turns>,
    ) -> Self {
        let turns = Turns::new(spec.max_concurrent);
        let listed_ms = AtomicU64::new(0);
        let born = Instant::now();
        Self {
            inner: Arc::new(Inner {
                server,
                renewals: connection.renewals(),
                connection,
                introduction,
                spec,
                turns,
                all,
                revoked: OnceLock::new(),
                end: CancellationToken::new(),
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
        let connection = &self.inner.connection;
        (self.is_shared() && connection.has_ended()) || connection.pending().closed().is_some()
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

    /// Returns how many bytes have come of a message that has not ended, on the connection of a
    /// session: what one is told by whose request there is no answer. The server is marked by it.
    pub fn unfinished(&self, session: u64) -> Option<usize> {
        let own = self.own(session);
        let connection = own.as_ref().unwrap_or(&self.inner.connection);
        let bytes = Some(connection.pending().unfinished()).filter(|bytes| *bytes > 0)?;
        let what =
            format_args!("it is still in the middle of a message of which {bytes} bytes have come");
        connection
            .signals()
            .oddities()
            .note(Oddity::Unfinished, what);
        Some(bytes)
    }

    /// Returns what the server said of itself.
    pub fn introduction(&self) -> &Introduction {
        &self.inner.introduction
    }

    /// Returns how many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.inner.turns.taken()
    }

    /// Refuses every call from here on and ends those in flight and those that wait.
    pub fn revoke(&self, why: Revocation) {
        // A later reason adds nothing for those who were told the first.
        let _ = self.inner.revoked.set(why);
        self.inner
            .connection
            .pending()
            .close(CallError::Revoked(why));
        if let Some(pool) = &self.inner.pool {
            pool.revoke(why);
        }
        self.inner.end.cancel();
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

    /// Whether what is sent on it reaches the server, as far as is known.
    pub fn is_open(&self) -> bool {
        self.connection().pending().closed().is_none()
    }

    fn connection(&self) -> &Connection {
        let own = self.own.as_ref().map(|(_, connection)| connection);
        own.unwrap_or(&self.endpoint.inner.connection)
    }

    /// Takes a place among the calls in flight, in turn with other sessions' calls. Dropping the
    /// future leaves the queue.
    ///
    /// # Errors
    /// When there is none by `deadline`, or no room to wait for one, or the server was taken away
    /// meanwhile. The server never saw the call.
    pub async fn place(&self, session: u64, deadline: Instant) -> Result<Place<'_>, CallError> {
        let inner = &self.endpoint.inner;
        // A place at the server first: those who wait for a slow one hold up nobody else.
        let own = match inner.turns.take() {
            Some(turn) => turn,
            // On the heap, since hardly any call comes by here.
            None => {
                let whys = [Busy::ServerFull, Busy::ServerLate];
                Box::pin(self.wait(&inner.turns, session, deadline, whys)).await?
            }
        };
        let all = match inner.all.take() {
            Some(turn) => turn,
            None => {
                let whys = [Busy::AllFull, Busy::AllLate];
                Box::pin(self.wait(&inner.all, session, deadline, whys)).await?
            }
        };
        Ok(Place {
            _own: own,
            _all: all,
        })
    }

    async fn wait<'a>(
        &self,
        turns: &'a Turns,
        session: u64,
        deadline: Instant,
        [full, late]: [Busy; 2],
    ) -> Result<Turn<'a>, CallError> {
        let inner = &self.endpoint.inner;
        let _waits = inner.metrics.waits();
        let turn = async {
            let waiting = turns.wait(session).map_err(|_| full)?;
            let turn = timeout_at(deadline, waiting).await.map_err(|_| late)?;
            turn.map_err(|_| full)
        };
        let why = tokio::select! {
            biased;
            () = inner.end.cancelled() => {
                let why = inner.revoked.get().copied();
                return Err(why.map_or(CallError::NotConnected, CallError::Revoked));
            }
            turn = turn => match turn {
                Ok(turn) => return Ok(turn),
                Err(why) => why,
            },
        };
        inner.metrics.shed();
        Err(CallError::Busy {
            why,
            retry_after: turns.estimate(inner.metrics.mean()),
        })
    }

    /// Sends a request and returns its answer, once there is a place for it, for which it waits as
    /// long as a call may take. Dropping the future cancels the request at the server.
    ///
    /// # Errors
    /// When there is no answer; the error tells whether the server can have acted.
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let session = caller.as_ref().map_or(OWN_SESSION, |it| it.session());
        let deadline = Instant::now() + self.spec().call_timeout;
        let place = self.place(session, deadline).await?;
        self.send(&place, request, caller).await
    }

    /// Like [`Self::request`], in a place that was taken before.
    ///
    /// # Errors
    /// See there.
    pub async fn send(
        &self,
        _: &Place<'_>,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let inner = &self.endpoint.inner;
        if self.own.is_none() && inner.connection.renewals() != inner.renewals {
            // Another session may offer something else under the same name.
            return Err(CallError::SessionExpired);
        }
        self.connection().request(request, caller).await
    }
}
