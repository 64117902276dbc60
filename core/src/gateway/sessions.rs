use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::session::{Opening, Scope, Session, SessionId};
use crate::view::{Publisher, Subject};

/// Sessions kept at most. When there are more, the client that has most loses the one that it used
/// least recently.
pub(super) const SESSIONS_MAX: usize = 10_000;

/// How many sessions are looked at to find the one used least recently. Each was used since it was
/// looked at last, so that there are more only while hundreds are used between two beginnings.
const LOOKED_AT_MAX: usize = 64;

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
    begun: AtomicU64,
    born: Instant,
    /// When the last session ended, in milliseconds after `born`.
    ended_ms: AtomicU64,
    /// How many bytes are kept for all of them.
    kept: Arc<AtomicUsize>,
}

type Clients = HashMap<Arc<str>, OfClient>;

/// The sessions of one client.
#[derive(Debug, Default)]
struct OfClient {
    count: usize,
    /// By when they were used when they were last looked at, the longest ago first; some that have
    /// ended among them.
    by_use: BinaryHeap<Reverse<Used>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    used_ms: u64,
    number: u64,
    id: SessionId,
}

impl Used {
    fn of(session: &Session) -> Reverse<Self> {
        Reverse(Self {
            used_ms: session.used_ms(),
            number: session.number,
            id: session.id.clone(),
        })
    }
}

/// What became of the sessions when one began.
#[derive(Debug)]
pub(super) struct Begun {
    /// It.
    pub(super) session: Arc<Session>,
    /// One that made room for it.
    pub(super) gone: Option<Arc<Session>>,
}

impl Sessions {
    /// Begins with none.
    pub(super) fn new(publisher: Arc<Publisher>) -> Self {
        Self {
            all: ArcSwap::default(),
            clients: Mutex::default(),
            publisher,
            begun: AtomicU64::new(1),
            born: Instant::now(),
            ended_ms: AtomicU64::new(0),
            kept: Arc::default(),
        }
    }

    /// Begins a session; `None` if the system gives no random bytes.
    pub(super) fn begin(&self, opening: Opening) -> Option<Begun> {
        let scope = &opening.scope;
        let listed = self
            .publisher
            .view()
            .read(|now| Subject::ALL.map(|subject| scope.listed(subject, now)));
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let session = Session::new(number, opening, listed, self.born, &self.kept)?;
        let session = Arc::new(session);
        let gone = self.change(|all, clients| {
            let gone = (all.len() >= SESSIONS_MAX).then(|| make_room(all, clients));
            all.insert(session.id.clone(), Arc::clone(&session));
            let own = clients.entry(Arc::clone(&session.client)).or_default();
            own.count += 1;
            own.by_use.push(Used::of(&session));
            gone.flatten()
        });
        Some(Begun { session, gone })
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
        let used = all.values().map(|session| session.used_ms());
        let last = used.fold(self.ended_ms.load(Ordering::Relaxed), u64::max);
        Some(
            self.born
                .elapsed()
                .saturating_sub(Duration::from_millis(last)),
        )
    }

    /// Forgets a session.
    pub(super) fn forget(&self, session: &Session) {
        self.change(|all, clients| forget(all, clients, &session.id));
        self.ended_ms.store(session.now_ms(), Ordering::Relaxed);
    }

    /// Changes the sessions, and tells the view how many clients have one.
    fn change<R>(&self, change: impl FnOnce(&mut SessionMap, &mut Clients) -> R) -> R {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let before = clients.len();
        let mut all = SessionMap::clone(&self.all.load());
        let result = change(&mut all, &mut clients);
        self.all.store(Arc::new(all));
        if clients.len() != before {
            self.publisher.update(|draft| draft.clients(clients.len()));
        }
        result
    }
}

fn forget(all: &mut SessionMap, clients: &mut Clients, id: &SessionId) -> Option<Arc<Session>> {
    let session = all.remove(id)?;
    if let Some(own) = clients.get_mut(&session.client) {
        own.count -= 1;
        if own.count == 0 {
            clients.remove(&session.client);
        } else if own.by_use.len() > 2 * own.count + LOOKED_AT_MAX {
            // Most of it has ended.
            own.by_use
                .retain(|Reverse(used)| all.contains_key(&used.id));
        }
    }
    Some(session)
}

/// Forgets the session used least recently of the client that has most.
fn make_room(all: &mut SessionMap, clients: &mut Clients) -> Option<Arc<Session>> {
    let most = clients.values_mut().max_by_key(|own| own.count)?;
    let mut looked_at = Vec::new();
    while let Some(Reverse(used)) = most.by_use.pop() {
        let Some(session) = all.get(&used.id) else {
            continue;
        };
        let now = Used::of(session);
        if now.0 == used {
            looked_at.push(now);
            break;
        }
        looked_at.push(now);
        if looked_at.len() >= LOOKED_AT_MAX {
            break;
        }
    }
    // The greatest of the reversed ones was used longest ago.
    let oldest = looked_at.iter().max().map(|Reverse(used)| used.id.clone());
    most.by_use.extend(looked_at);
    forget(all, clients, &oldest?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gateway::capabilities::Capabilities, mcp::Revision, metrics::Metrics};

    fn sessions() -> Sessions {
        let publisher = Publisher::new("test".into(), Metrics::new().view());
        Sessions::new(Arc::new(publisher))
    }

    fn begin(sessions: &Sessions, client: &str) -> Begun {
        let opening = Opening {
            client: client.into(),
            scope: Scope::All,
            revision: Revision::LATEST,
            capabilities: Capabilities::default(),
            hello: "{}".into(),
        };
        sessions.begin(opening).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_with_most_loses_the_session_it_used_least_recently() {
        let sessions = sessions();
        let quiet = begin(&sessions, "quiet").session;
        let mut loud = Vec::new();
        for _ in 1..SESSIONS_MAX {
            loud.push(begin(&sessions, "loud").session);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = &loud[0];
        assert!(
            sessions
                .find(used.id.as_str(), "loud", &Scope::All)
                .is_some()
        );

        for next in &loud[1..100] {
            let gone = begin(&sessions, "loud").gone.unwrap();
            assert_eq!(gone.number, next.number);
        }

        for (client, session) in [("quiet", &quiet), ("loud", used)] {
            let found = sessions.find(session.id.as_str(), client, &Scope::All);
            assert!(found.is_some(), "{client}");
        }
        assert_eq!(sessions.all.load().len(), SESSIONS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn it_rests_from_the_last_use_or_end_on() {
        const MINUTE: Duration = Duration::from_secs(60);
        let sessions = sessions();
        let minutes = || {
            sessions
                .rest()
                .map(|rest| (rest.as_secs_f64() / 60.0).round())
        };
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!(minutes(), Some(5.0), "since it began");

        let session = begin(&sessions, "a").session;
        tokio::time::sleep(2 * MINUTE).await;
        assert_eq!(minutes(), Some(2.0), "a session alone is no use");
        let found = sessions.find(session.id.as_str(), "a", &Scope::All);
        assert!(found.is_some());
        assert_eq!(minutes(), Some(0.0));

        tokio::time::sleep(3 * MINUTE).await;
        sessions.forget(&session);
        tokio::time::sleep(MINUTE).await;
        assert_eq!(minutes(), Some(1.0), "since its end");
    }

    #[tokio::test]
    async fn what_has_ended_is_not_kept_in_mind() {
        let sessions = sessions();
        let stays = begin(&sessions, "a").session;
        for _ in 0..1000 {
            let session = begin(&sessions, "a").session;
            sessions.forget(&session);
        }
        let clients = sessions.clients.lock().unwrap();
        assert!(clients["a"].by_use.len() <= 2 + LOOKED_AT_MAX);
        drop(clients);
        sessions.forget(&stays);
        assert!(sessions.clients.lock().unwrap().is_empty());
    }
}
