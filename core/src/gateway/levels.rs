use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{level::Level, session::Session};
use crate::{
    mcp::Outgoing,
    server::ServerName,
    upstream::Endpoint,
    view::{Snapshot, View},
};

/// How long a server may take to note a level.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How grave log messages must be: each client says so for itself, a server is told the most verbose
/// of those who listen to it, and each client hears what it asked for.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The sessions that have said so.
    heeding: Mutex<Vec<Arc<Session>>>,
    changed: Notify,
}

impl Levels {
    /// Begins with nobody. Must be called on a Tokio runtime.
    pub(super) fn new(view: View, stop: CancellationToken) -> Self {
        let levels = Self {
            inner: Arc::default(),
        };
        let telling = levels.clone();
        tokio::spawn(async move { stop.run_until_cancelled(telling.tell(view)).await });
        levels
    }

    /// Takes note that a session has said what it wants to hear.
    pub(super) fn heeds(&self, session: &Arc<Session>) {
        let mut heeding = self.heeding_now();
        if !heeding.iter().any(|other| other.number == session.number) {
            heeding.push(Arc::clone(session));
        }
        self.inner.changed.notify_one();
    }

    /// Forgets a session.
    pub(super) fn gone(&self, session: &Session) {
        if session.level().is_some() {
            self.heeding_now()
                .retain(|other| other.number != session.number);
            self.inner.changed.notify_one();
        }
    }

    /// Returns the sessions that want to hear a message of this gravity from `server`.
    pub(super) fn heeding(&self, server: &ServerName, level: Option<Level>) -> Vec<Arc<Session>> {
        let heeding = self.heeding_now();
        let wants = |session: &&Arc<Session>| {
            session.scope.holds(server) && level.is_none_or(|it| session.level() <= Some(it))
        };
        heeding.iter().filter(wants).cloned().collect()
    }

    fn heeding_now(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        let heeding = &self.inner.heeding;
        heeding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells servers what is wanted of them, whenever that changes or they are connected anew.
    async fn tell(self, view: View) {
        let mut told: BTreeMap<ServerName, (Endpoint, Level)> = BTreeMap::new();
        let mut telling = JoinSet::new();
        let mut revisions = view.revisions();
        loop {
            revisions.borrow_and_update();
            let wanted = view.read(|now| self.wanted(now));
            for (server, to) in &wanted {
                if told.get(server) != Some(to) {
                    telling.spawn(tell(to.0.clone(), to.1));
                }
            }
            told = wanted;
            let anybody = !self.heeding_now().is_empty();
            tokio::select! {
                () = self.inner.changed.notified() => {}
                Ok(()) = revisions.changed(), if anybody => {}
                Some(_) = telling.join_next() => {}
            }
        }
    }

    /// Returns what each server that is connected should send, where anybody listens.
    fn wanted(&self, now: &Snapshot) -> BTreeMap<ServerName, (Endpoint, Level)> {
        let heeding = self.heeding_now();
        if heeding.is_empty() {
            return BTreeMap::new();
        }
        let of_server = |(server, entry): (&ServerName, &Arc<crate::view::Entry>)| {
            let endpoint = entry.endpoint().filter(|_| entry.is_listed())?;
            if !endpoint.is_shared() || !endpoint.introduction().features.logging {
                return None;
            }
            let listeners = heeding.iter().filter(|session| session.scope.holds(server));
            let level = listeners.filter_map(|session| session.level()).min()?;
            Some((server.clone(), (endpoint.clone(), level)))
        };
        now.servers.iter().filter_map(of_server).collect()
    }
}

async fn tell(endpoint: Endpoint, level: Level) {
    let params = format!(r#"{{"level":"{}"}}"#, level.as_str());
    let request = Outgoing::new("logging/setLevel", &params);
    let lease = endpoint.lease();
    // A server that refuses, or does not answer, sends what it likes; each client still hears what
    // it asked for.
    let _ = timeout(ANSWER_TIMEOUT, lease.request(&request, None)).await;
}
