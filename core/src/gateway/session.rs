use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::flights::Flights;
use crate::{
    server::ServerName,
    view::{Publisher, Snapshot},
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
    /// Returns a number that changes whenever the session's list of tools does.
    pub(super) fn listed(&self, snapshot: &Snapshot) -> u64 {
        match self {
            Self::All => snapshot.offers.generation,
            Self::Server(server) => snapshot
                .server(server.as_str())
                .filter(|entry| entry.is_listed())
                .and_then(|entry| entry.catalog.as_ref())
                .map_or(0, |catalog| Arc::as_ptr(catalog) as u64),
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
    pub(super) client: Arc<str>,
    pub(super) scope: Scope,
    flights: Flights,
    /// Milliseconds after `born` of the last request.
    used_ms: AtomicU64,
    born: Instant,
    /// The list that the client has, or was told to fetch (see [`Scope::listed`]).
    pub(super) listed: AtomicU64,
    /// Which of its streams is the latest.
    pub(super) streams: AtomicU64,
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
}

impl AsRef<Flights> for Session {
    fn as_ref(&self) -> &Flights {
        &self.flights
    }
}

/// A session held by a request, whose flights are the session's.
#[derive(Debug, Clone)]
pub(super) struct Held(pub(super) Arc<Session>);

impl AsRef<Flights> for Held {
    fn as_ref(&self) -> &Flights {
        &self.0.flights
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
}

/// How many sessions each client has.
type Clients = HashMap<Arc<str>, usize>;

impl Sessions {
    pub(super) fn new(publisher: Arc<Publisher>) -> Self {
        Self {
            all: ArcSwap::default(),
            clients: Mutex::default(),
            publisher,
        }
    }

    /// Begins a session; `None` if the system gives no random bytes.
    pub(super) fn begin(&self, client: Arc<str>, scope: Scope) -> Option<Arc<Session>> {
        let listed = self.publisher.view().read(|now| scope.listed(now));
        let session = Arc::new(Session {
            id: SessionId::new()?,
            client,
            scope,
            flights: Flights::default(),
            used_ms: AtomicU64::new(0),
            born: Instant::now(),
            listed: AtomicU64::new(listed),
            streams: AtomicU64::new(0),
        });
        self.change(|all, clients| {
            if all.len() >= SESSIONS_MAX {
                make_room(all, clients);
            }
            all.insert(session.id.clone(), Arc::clone(&session));
            *clients.entry(Arc::clone(&session.client)).or_default() += 1;
        });
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

    /// Ends a session.
    pub(super) fn end(&self, session: &Session) {
        self.change(|all, clients| forget(all, clients, &session.id));
        session.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes the sessions, and tells the view how many clients have one.
    fn change(&self, change: impl FnOnce(&mut SessionMap, &mut Clients)) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = SessionMap::clone(&self.all.load());
        change(&mut all, &mut clients);
        self.all.store(Arc::new(all));
        self.publisher.update(|draft| draft.clients(clients.len()));
    }
}

fn forget(all: &mut SessionMap, clients: &mut Clients, id: &SessionId) {
    let Some(session) = all.remove(id) else {
        return;
    };
    if let Some(count) = clients.get_mut(&session.client) {
        *count -= 1;
        if *count == 0 {
            clients.remove(&session.client);
        }
    }
}

/// Forgets the sessions that nobody has used for long; if there are none, the one used least
/// recently.
fn make_room(all: &mut SessionMap, clients: &mut Clients) {
    let idle = all.values().filter(|session| session.idle() >= IDLE_MAX);
    let mut idle: Vec<SessionId> = idle.map(|session| session.id.clone()).collect();
    if idle.is_empty() {
        let oldest = all.values().max_by_key(|session| session.idle());
        idle.extend(oldest.map(|session| session.id.clone()));
    }
    for id in &idle {
        forget(all, clients, id);
    }
}
