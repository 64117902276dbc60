use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{
    capabilities::Capabilities, flights::Flights, level::Level, outbox::Outbox,
    questions::Questions, standing::Standing,
};
use crate::{
    mcp::Envelope,
    server::ServerName,
    view::{Publisher, Snapshot, Subject},
};

/// Sessions kept at most. A client that opens more loses those it used least recently.
const SESSIONS_MAX: usize = 10_000;

/// A session without a request for this long is forgotten when another begins: clients come and go
/// without a word.
const IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a session is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All servers, at `/mcp`.
    All,
    /// One server, at `/mcp/s/{server}`.
    Server(ServerName),
}

impl Scope {
    /// Returns a number that changes whenever the session's list of `subject` does.
    pub(super) fn listed(&self, subject: Subject, snapshot: &Snapshot) -> u64 {
        match self {
            Self::All => snapshot.offers.generation(subject),
            Self::Server(server) => {
                let entry = snapshot.server(server.as_str());
                subject.fingerprint(entry.map(AsRef::as_ref))
            }
        }
    }

    /// Whether what `server` says may concern the session.
    pub(super) fn holds(&self, server: &ServerName) -> bool {
        match self {
            Self::All => true,
            Self::Server(own) => own == server,
        }
    }
}

/// The id of a session: 128 random bits, in hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionId(Arc<str>);

impl SessionId {
    fn new() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
        ))
    }

    /// Returns the id as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who knows the whole id and a credential can speak for the session.
        write!(f, "{}…", &self.0[..6])
    }
}

/// A client's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// Tells it from others in this run.
    pub(super) number: u64,
    pub(super) client: Arc<str>,
    pub(super) scope: Scope,
    pub(super) capabilities: Capabilities,
    /// What the client said of itself, as `params` of an `initialize` in its name.
    pub(super) hello: Box<str>,
    pub(super) flights: Flights,
    pub(super) questions: Questions,
    /// What waits for the client's own stream.
    out: Outbox,
    spoken: Notify,
    /// Milliseconds after `born` of the last request.
    used_ms: AtomicU64,
    born: Instant,
    /// The lists that the client has, or was told to fetch (see [`Scope::listed`]).
    pub(super) listed: [AtomicU64; 3],
    /// Which of its streams is the latest.
    pub(super) streams: AtomicU64,
    /// Whether the latest is open.
    listening: AtomicBool,
    /// How grave a log message must be; 0 where the client has said nothing.
    level: AtomicU8,
    /// How many resources it has subscribed to.
    pub(super) subscriptions: AtomicUsize,
}

impl Session {
    fn idle(&self) -> Duration {
        self.born
            .elapsed()
            .saturating_sub(Duration::from_millis(self.used_ms.load(Ordering::Relaxed)))
    }

    fn touch(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used_ms.store(now, Ordering::Relaxed);
    }

    /// Cancels the request whose id is spelled `id`.
    pub(super) fn cancel(&self, id: &[u8]) {
        self.flights.cancel(id);
    }

    /// Puts a message on the client's own stream; `false` where it has none, or has no room.
    pub(super) fn tell(&self, message: Bytes) -> bool {
        let taken = self.listens() && self.out.push(message);
        self.spoken.notify_waiters();
        taken
    }

    /// Returns the next message for the client's stream `number`; nothing once another is the
    /// latest. Cancel-safe.
    pub(super) async fn told(&self, number: u64) -> Option<Bytes> {
        loop {
            let mut spoken = std::pin::pin!(self.spoken.notified());
            // From here on it is woken by whatever comes.
            spoken.as_mut().enable();
            if self.streams.load(Ordering::Acquire) != number {
                return None;
            }
            if let Some(message) = self.out.pop() {
                return Some(message);
            }
            spoken.await;
        }
    }

    /// Whether the client listens on a stream of its own.
    pub(super) fn listens(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }

    /// Takes note that the client opens a stream, and returns its number: the latest one hears.
    pub(super) fn opened(&self) -> u64 {
        let number = self.streams.fetch_add(1, Ordering::AcqRel) + 1;
        self.listening.store(true, Ordering::Release);
        self.spoken.notify_waiters();
        number
    }

    /// Takes note that the stream `number` has ended.
    pub(super) fn closed(&self, number: u64) {
        if self.streams.load(Ordering::Acquire) == number {
            self.listening.store(false, Ordering::Release);
            self.touch();
        }
    }

    /// Whether the client is there: it listens, or waits for an answer.
    fn is_in_use(&self) -> bool {
        self.listens() || self.flights.any().is_some()
    }

    /// Returns how grave a log message must be, where the client has said so.
    pub(super) fn level(&self) -> Option<Level> {
        Level::of_number(self.level.load(Ordering::Relaxed))
    }

    /// Whether a log message is grave enough for the client.
    pub(super) fn heeds(&self, message: &Envelope) -> bool {
        let grave = |level| Level::of(message).is_none_or(|own| own >= level);
        self.level().is_none_or(grave)
    }

    /// Takes note of how grave a log message must be.
    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }
}

type SessionMap = imbl::GenericHashMap<
    SessionId,
    Arc<Session>,
    foldhash::fast::RandomState,
    imbl::shared_ptr::DefaultSharedPtr,
>;

/// All sessions. Looked up on every request without a lock; the lock is for their beginning and end.
#[derive(Debug)]
pub(super) struct Sessions {
    all: ArcSwap<SessionMap>,
    clients: Mutex<Clients>,
    publisher: Arc<Publisher>,
    standing: Arc<Standing>,
    begun: AtomicU64,
    /// When the last session ended, at first when the core began.
    ended: Mutex<Instant>,
}

/// How many sessions each client has.
type Clients = HashMap<Arc<str>, usize>;

impl Sessions {
    pub(super) fn new(publisher: Arc<Publisher>, standing: Arc<Standing>) -> Self {
        Self {
            all: ArcSwap::default(),
            clients: Mutex::default(),
            publisher,
            standing,
            begun: AtomicU64::new(1),
            ended: Mutex::new(Instant::now()),
        }
    }

    /// Begins a session; `None` if the system gives no random bytes.
    pub(super) fn begin(
        &self,
        client: Arc<str>,
        scope: Scope,
        capabilities: Capabilities,
        hello: Box<str>,
    ) -> Option<Arc<Session>> {
        let listed = self
            .publisher
            .view()
            .read(|now| Subject::ALL.map(|subject| AtomicU64::new(scope.listed(subject, now))));
        let session = Arc::new(Session {
            id: SessionId::new()?,
            number: self.begun.fetch_add(1, Ordering::Relaxed),
            client,
            scope,
            capabilities,
            hello,
            flights: Flights::default(),
            questions: Questions::default(),
            out: Outbox::default(),
            spoken: Notify::new(),
            used_ms: AtomicU64::new(0),
            born: Instant::now(),
            listed,
            streams: AtomicU64::new(0),
            listening: AtomicBool::new(false),
            level: AtomicU8::new(0),
            subscriptions: AtomicUsize::new(0),
        });
        let forgotten = self.change(|all, clients| {
            let forgotten = if all.len() >= SESSIONS_MAX {
                make_room(all, clients)
            } else {
                Vec::new()
            };
            all.insert(session.id.clone(), Arc::clone(&session));
            *clients.entry(Arc::clone(&session.client)).or_default() += 1;
            forgotten
        });
        for session in forgotten {
            self.standing.gone(&session);
        }
        Some(session)
    }

    /// Returns the session `id`, if it is of this client and scope.
    pub(super) fn find(&self, id: &str, client: &str, scope: &Scope) -> Option<Arc<Session>> {
        let all = self.all.load();
        let session = all
            .get(id)
            .filter(|it| &*it.client == client && it.scope == *scope)?;
        session.touch();
        Some(Arc::clone(session))
    }

    /// Returns for how long no session has been in use; `None` while one is.
    pub(super) fn rest(&self) -> Option<Duration> {
        let all = self.all.load();
        if all.values().any(|session| session.is_in_use()) {
            return None;
        }
        let since_end = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = all.values().map(|session| session.idle());
        Some(rests.fold(since_end.elapsed(), Duration::min))
    }

    /// Ends a session.
    pub(super) fn end(&self, session: &Session) {
        self.change(|all, clients| forget(all, clients, &session.id));
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.standing.gone(session);
        session.streams.fetch_add(1, Ordering::AcqRel);
        session.spoken.notify_waiters();
    }

    /// Changes the sessions, and tells the view how many clients have one.
    fn change<R>(&self, change: impl FnOnce(&mut SessionMap, &mut Clients) -> R) -> R {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = SessionMap::clone(&self.all.load());
        let result = change(&mut all, &mut clients);
        self.all.store(Arc::new(all));
        self.publisher.update(|draft| draft.clients(clients.len()));
        result
    }
}

fn forget(all: &mut SessionMap, clients: &mut Clients, id: &SessionId) -> Option<Arc<Session>> {
    let session = all.remove(id)?;
    if let Some(count) = clients.get_mut(&session.client) {
        *count -= 1;
        if *count == 0 {
            clients.remove(&session.client);
        }
    }
    Some(session)
}

/// Forgets the sessions that nobody has used for long; if there are none, the one used least
/// recently.
fn make_room(all: &mut SessionMap, clients: &mut Clients) -> Vec<Arc<Session>> {
    let idle = all.values().filter(|session| session.idle() >= IDLE_MAX);
    let mut idle: Vec<SessionId> = idle.map(|session| session.id.clone()).collect();
    if idle.is_empty() {
        let oldest = all.values().max_by_key(|session| session.idle());
        idle.extend(oldest.map(|session| session.id.clone()));
    }
    idle.iter()
        .filter_map(|id| forget(all, clients, id))
        .collect()
}
