use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Audience, CallError, Caller, Connection, Connector, Link, Revocation, introduction};
use crate::{
    mcp::Outgoing,
    metrics::MessageMetrics,
    server::{Cause, Renewals, ServerName, Spec, logs::Log},
};

/// How long a client's own connection is kept without a call: long enough for a person to read an
/// answer and go on, short enough that a forgotten window costs no process for the day.
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);

/// Connections of clients' own to one server. Each may be a process.
const PLACES_MAX: usize = 64;

/// The client for whom a connection is opened.
#[derive(Debug)]
pub struct Patron {
    /// Where everything goes that the server says on it.
    pub caller: Arc<dyn Caller>,
    /// The `params` of `initialize`, as JSON: what the client said of itself.
    pub initialize: String,
    /// The level of log messages that the client wants, if it has said so.
    pub level: Option<&'static str>,
}

/// What opening a connection takes.
pub struct Opener {
    /// What opens it.
    pub connector: Arc<dyn Connector>,
    /// The server.
    pub server: ServerName,
    /// The entry by which it is reached.
    pub spec: Arc<Spec>,
    /// Its log.
    pub log: Log,
    /// Who hears what it says by itself.
    pub audience: Audience,
    /// Where what it says in vain is counted.
    pub messages: MessageMetrics,
}

/// The connections of clients' own to one server: opened when they are first used, ended when they
/// are idle, with their session, and with the connection by which the server is watched. The actor
/// that hands it out closes it.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    opener: Opener,
    places: Mutex<HashMap<u64, Arc<Place>>>,
    /// What sessions follow: a connection is not idle meanwhile, and one that is opened anew asks
    /// for it anew.
    followed: Mutex<HashMap<u64, BTreeSet<String>>>,
    revoked: OnceLock<Revocation>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One session's connection.
struct Place {
    session: u64,
    opened: watch::Receiver<Option<Result<Connection, CallError>>>,
    /// Requests under way.
    uses: AtomicUsize,
    freed: Notify,
    /// Cancelled when the session has ended.
    over: CancellationToken,
}

/// A use of a client's own connection; it is not idle while there is one.
pub(super) struct Used {
    place: Arc<Place>,
}

impl Pool {
    /// Makes a pool without a connection. Must be called on a Tokio runtime.
    pub fn new(opener: Opener) -> Self {
        Self {
            inner: Arc::new(Inner {
                opener,
                places: Mutex::default(),
                followed: Mutex::default(),
                revoked: OnceLock::new(),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Takes the connection of a client, opened if it has none.
    pub(super) async fn take(
        &self,
        patron: impl FnOnce() -> Patron,
        session: u64,
    ) -> Result<(Used, Connection), CallError> {
        let used = self.inner.take(session, patron)?;
        let mut opened = used.place.opened.clone();
        // One whose session has expired is opened again under the same place.
        let usable = |opened: &Option<Result<Connection, CallError>>| match opened {
            Some(Ok(connection)) => !connection.signals().has_expired(),
            Some(Err(_)) => true,
            None => false,
        };
        let connection = opened.wait_for(usable).await;
        match connection.ok().and_then(|opened| opened.clone()) {
            Some(Ok(connection)) => Ok((used, connection)),
            Some(Err(error)) => Err(error),
            None => Err(CallError::NotConnected),
        }
    }

    /// Returns the connection of a session, if it has one.
    pub(super) fn of(&self, session: u64) -> Option<Connection> {
        let place = self.inner.places().get(&session).cloned()?;
        let opened = place.opened.borrow();
        opened.as_ref()?.as_ref().ok().cloned()
    }

    /// Takes note that a session follows a resource, or does so no longer.
    pub(super) fn follows(&self, session: u64, uri: &str, on: bool) {
        let mut followed = self.inner.followed();
        if on {
            let of_session = followed.entry(session).or_default();
            of_session.insert(uri.to_owned());
        } else if let Some(of_session) = followed.get_mut(&session) {
            of_session.remove(uri);
            if of_session.is_empty() {
                followed.remove(&session);
            }
        }
    }

    /// Returns how many resources a session follows.
    pub(super) fn followed(&self, session: u64) -> usize {
        self.inner.followed().get(&session).map_or(0, BTreeSet::len)
    }

    /// Ends the connection of a session that has ended.
    pub(super) fn forget(&self, session: u64) {
        self.inner.followed().remove(&session);
        if let Some(place) = self.inner.places().get(&session) {
            place.over.cancel();
        }
    }

    /// Refuses every call from here on and ends those in flight.
    pub(super) fn revoke(&self, why: Revocation) {
        // A later reason adds nothing for those who were told the first.
        let _ = self.inner.revoked.set(why);
        let places: Vec<_> = self.inner.places().values().cloned().collect();
        for place in places {
            if let Some(Ok(connection)) = &*place.opened.borrow() {
                connection.pending().close(CallError::Revoked(why));
            }
        }
    }

    /// Ends every connection, and returns when all that they started is gone.
    pub async fn close(self) {
        self.revoke(Revocation::Disconnected);
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("server", &self.inner.opener.server)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn places(&self) -> MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<u64, BTreeSet<String>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_used(&self, place: &Place) -> bool {
        place.uses.load(Ordering::Acquire) > 0 || self.followed().contains_key(&place.session)
    }

    /// Finds the place of a session, or makes one; it is in use from here on.
    fn take(
        self: &Arc<Self>,
        session: u64,
        patron: impl FnOnce() -> Patron,
    ) -> Result<Used, CallError> {
        let mut places = self.places();
        if let Some(why) = self.revoked.get() {
            return Err(CallError::Revoked(*why));
        }
        if let Some(place) = places.get(&session).filter(|place| place.is_open()) {
            return Ok(Used::new(place));
        }
        if places.len() >= PLACES_MAX {
            return Err(CallError::NotOpened(format!(
                "{PLACES_MAX} clients have connections of their own"
            )));
        }
        let (tell, opened) = watch::channel(None);
        let place = Arc::new(Place {
            session,
            opened,
            uses: AtomicUsize::new(0),
            freed: Notify::new(),
            over: CancellationToken::new(),
        });
        places.insert(session, Arc::clone(&place));
        let used = Used::new(&place);
        let keeping = Arc::clone(self).keep(place, patron(), tell);
        self.tasks.spawn(keeping);
        Ok(used)
    }

    /// Opens a session's connection, and ends it when its time has come.
    async fn keep(
        self: Arc<Self>,
        place: Arc<Place>,
        patron: Patron,
        tell: watch::Sender<Option<Result<Connection, CallError>>>,
    ) {
        let opening = self.open(&patron, place.session);
        let mut link = match self.stop.run_until_cancelled(opening).await {
            Some(Ok(link)) => link,
            Some(Err(cause)) => {
                self.opener.log.core(&cause.message);
                self.remove(&place);
                tell.send_replace(Some(Err(CallError::NotOpened(cause.message))));
                return;
            }
            None => return self.remove(&place),
        };
        let signals = Arc::clone(link.connection.signals());
        let mut renewals = Renewals::default();
        loop {
            tell.send_replace(Some(Ok(link.connection.clone())));
            tokio::select! {
                cause = link.ended() => self.opener.log.core(&cause.message),
                () = self.stop.cancelled() => {}
                () = place.over.cancelled() => {}
                () = self.idle(&place) => {}
                () = signals.expired() => {
                    if !renewals.spend(Instant::now()) {
                        self.opener.log.core(&introduction::forgetful().message);
                        link.connection.pending().close(CallError::ServerEnded);
                        break;
                    }
                    // Whoever takes it meanwhile waits.
                    tell.send_replace(None);
                    link.connection.begin_anew();
                    let beginning = self.begin(&link.connection, &patron, place.session);
                    match self.stop.run_until_cancelled(beginning).await {
                        Some(Ok(())) => {
                            signals.renewed();
                            continue;
                        }
                        Some(Err(cause)) => {
                            self.opener.log.core(&cause.message);
                            tell.send_replace(Some(Err(CallError::NotOpened(cause.message))));
                        }
                        None => {}
                    }
                    link.connection.pending().close(CallError::ServerEnded);
                }
            }
            break;
        }
        self.remove(&place);
        link.close().await;
    }

    async fn open(&self, patron: &Patron, session: u64) -> Result<Link, Cause> {
        let Opener {
            connector,
            server,
            spec,
            log,
            audience,
            messages,
        } = &self.opener;
        let link = connector.open(spec, log).await?;
        let signals = link.connection.signals();
        signals.marked_in(log.clone(), messages.clone());
        signals.listened_by(server.clone(), audience.clone());
        signals.owned_by(Arc::clone(&patron.caller));
        match self.begin(&link.connection, patron, session).await {
            Ok(()) => Ok(link),
            Err(cause) => {
                link.close().await;
                Err(cause)
            }
        }
    }

    /// Begins a session at the server on a connection.
    async fn begin(
        &self,
        connection: &Connection,
        patron: &Patron,
        session: u64,
    ) -> Result<(), Cause> {
        let deadline = self.opener.spec.init_timeout.unwrap_or(Spec::INIT_TIMEOUT);
        let followed = self.followed().get(&session).cloned().unwrap_or_default();
        let begun = timeout(deadline, begin(connection, patron, followed)).await;
        begun.unwrap_or_else(|_| Err(introduction::too_slow(deadline)))
    }

    /// Returns when nobody has used a place for long; it is taken away then.
    async fn idle(&self, place: &Arc<Place>) {
        loop {
            let freed = place.freed.notified();
            tokio::select! {
                biased;
                // Its time begins with the last use.
                () = freed => {}
                () = sleep(IDLE_MAX) => {
                    let mut places = self.places();
                    // Under the lock nobody begins to use it.
                    if !self.is_used(place) {
                        places.remove(&place.session);
                        return;
                    }
                }
            }
        }
    }

    fn remove(&self, place: &Arc<Place>) {
        let mut places = self.places();
        if places
            .get(&place.session)
            .is_some_and(|it| Arc::ptr_eq(it, place))
        {
            places.remove(&place.session);
        }
    }
}

async fn begin(
    connection: &Connection,
    patron: &Patron,
    followed: BTreeSet<String>,
) -> Result<(), Cause> {
    let introduction = introduction::initialize(connection, &patron.initialize).await?;
    connection.listen();
    if let Some(level) = patron.level.filter(|_| introduction.features.logging) {
        let params = format!(r#"{{"level":"{level}"}}"#);
        let request = Outgoing::new("logging/setLevel", &params);
        // A server that refuses sends what it likes.
        let _ = connection.request(&request, None).await;
    }
    for uri in followed {
        let uri = serde_json::to_string(&uri).expect("a text encodes");
        let request = Outgoing::new("resources/subscribe", &format!(r#"{{"uri":{uri}}}"#));
        // One that is gone is not followed.
        let _ = connection.request(&request, None).await;
    }
    Ok(())
}

impl Place {
    /// Whether it is on its way to being of use, or is of use.
    fn is_open(&self) -> bool {
        let ended = match &*self.opened.borrow() {
            Some(Ok(connection)) => {
                connection.pending().closed().is_some() || connection.signals().has_ended()
            }
            Some(Err(_)) => true,
            None => false,
        };
        !ended && !self.over.is_cancelled()
    }

    fn free(&self) {
        self.uses.fetch_sub(1, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

impl Used {
    fn new(place: &Arc<Place>) -> Self {
        place.uses.fetch_add(1, Ordering::AcqRel);
        Self {
            place: Arc::clone(place),
        }
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.place.free();
    }
}

impl fmt::Debug for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Used").field(&self.place.session).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, ops::Range};

    use bytes::Bytes;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    use super::*;
    use crate::{
        mcp::Envelope,
        metrics::Metrics,
        server::Transport,
        upstream::{Opening, Question, StdioConnection},
    };

    #[derive(Debug)]
    struct Nobody;

    impl Caller for Nobody {
        fn session(&self) -> u64 {
            0
        }
        fn progress(&self, _: &Bytes, _: Range<usize>) {}
        fn heard(&self, _: &Envelope) {}
        fn asked(self: Arc<Self>, _: Question) {}
        fn cancellation(&self) -> Option<Envelope> {
            None
        }
        fn withdrawn(&self, _: u64, _: &[u8], _: &Envelope) {}
    }

    /// Opens connections to tasks that answer everything with the same result.
    struct Agreeable {
        opened: AtomicUsize,
        ended: Arc<AtomicUsize>,
    }

    impl Connector for Agreeable {
        fn open<'a>(&'a self, _: &'a Spec, log: &'a Log) -> Opening<'a> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let ended = Arc::clone(&self.ended);
            Box::pin(async move {
                let (stdin, input) = tokio::io::duplex(1024);
                let (mut output, stdout) = tokio::io::duplex(1024);
                let server = tokio::spawn(async move {
                    let mut lines = BufReader::new(input).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let message = Envelope::parse(Bytes::from(line)).unwrap();
                        let Some(id) = message.id_number() else {
                            continue;
                        };
                        let answer = format!(
                            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"protocolVersion\":\"2025-11-25\"}}}}\n"
                        );
                        output.write_all(answer.as_bytes()).await.unwrap();
                    }
                    ended.fetch_add(1, Ordering::Relaxed);
                });
                let connection =
                    StdioConnection::start(stdin, stdout, tokio::io::empty(), 8, log.clone());
                let connection = Connection::Stdio(Arc::new(connection));
                Ok(Link::to_task(connection, server, log))
            })
        }
    }

    fn pool() -> (Pool, Arc<Agreeable>) {
        let connector = Arc::new(Agreeable {
            opened: AtomicUsize::new(0),
            ended: Arc::default(),
        });
        let transport = Transport::Stdio {
            command: "x".to_owned(),
            args: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
        };
        let pool = Pool::new(Opener {
            connector: Arc::clone(&connector) as Arc<dyn Connector>,
            server: ServerName::new("s").unwrap(),
            spec: Arc::new(Spec::new(transport)),
            log: Log::default(),
            audience: Audience::default(),
            messages: Metrics::new().messages("s"),
        });
        (pool, connector)
    }

    fn patron() -> Patron {
        Patron {
            caller: Arc::new(Nobody),
            initialize: "{}".to_owned(),
            level: None,
        }
    }

    async fn ended(connector: &Agreeable, count: usize) -> Duration {
        let since = Instant::now();
        while connector.ended.load(Ordering::Relaxed) < count {
            sleep(Duration::from_secs(1)).await;
        }
        since.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_nobody_uses_ends_and_the_next_use_opens_another() {
        let (pool, connector) = pool();
        let (used, _) = pool.take(patron, 1).await.unwrap();
        drop(pool.take(patron, 1).await.unwrap());
        sleep(2 * IDLE_MAX).await;
        assert_eq!(connector.ended.load(Ordering::Relaxed), 0, "in use");

        drop(used);
        let waited = ended(&connector, 1).await;
        assert!(waited >= IDLE_MAX && waited < IDLE_MAX * 2, "{waited:?}");

        drop(pool.take(patron, 1).await.unwrap());
        assert_eq!(connector.opened.load(Ordering::Relaxed), 2);
        pool.close().await;
        assert_eq!(connector.ended.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_something_is_followed_is_not_idle() {
        let (pool, connector) = pool();
        drop(pool.take(patron, 1).await.unwrap());
        pool.follows(1, "a://b", true);
        sleep(3 * IDLE_MAX).await;
        assert_eq!(connector.ended.load(Ordering::Relaxed), 0);
        pool.follows(1, "a://b", false);
        pool.follows(1, "never", false);
        ended(&connector, 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_refuses_once_it_was_revoked() {
        let (pool, _) = pool();
        for session in 0..PLACES_MAX as u64 {
            drop(pool.take(patron, session).await.unwrap());
        }
        let one_more = pool.take(patron, 4711).await;
        assert!(matches!(one_more, Err(CallError::NotOpened(_))));
        assert!(pool.take(patron, 0).await.is_ok());

        pool.revoke(Revocation::Quarantined);
        let revoked = CallError::Revoked(Revocation::Quarantined);
        assert_eq!(pool.take(patron, 0).await.unwrap_err(), revoked);
        pool.close().await;
    }
}
