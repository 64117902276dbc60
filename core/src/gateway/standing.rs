use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    level::Level,
    levels::Levels,
    session::Session,
    subscriptions::{Keeper, Subscribers, Wish},
};
use crate::{
    mcp::{Envelope, Outgoing, Refusal, json, refusal::Fault, splice},
    server::ServerName,
    upstream::{Hears, Reply},
    view::View,
};

/// Resources that one session may subscribe to.
pub(super) const SUBSCRIPTIONS_MAX: usize = 1000;

/// What clients want to hear beyond their own calls: which resources they follow, and how grave a
/// log message must be. It outlives the connections of the servers.
#[derive(Debug)]
pub(super) struct Standing {
    view: View,
    stop: CancellationToken,
    keepers: Mutex<BTreeMap<ServerName, Kept>>,
    levels: Levels,
}

#[derive(Debug)]
struct Kept {
    /// Bounded by the requests of clients in flight, and by their sessions.
    wishes: mpsc::UnboundedSender<Wish>,
    subscribers: Arc<Subscribers>,
}

impl Standing {
    /// Begins with nobody. Must be called on a Tokio runtime.
    pub(super) fn new(view: View, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            levels: Levels::new(view.clone(), stop.clone()),
            view,
            stop,
            keepers: Mutex::default(),
        })
    }

    /// Subscribes a session to a resource, or ends that; returns the server's own answer where it
    /// was asked. `uri` is what the server calls it, `spelled` what the client does.
    pub(super) async fn follow(
        &self,
        session: &Arc<Session>,
        server: &ServerName,
        uri: String,
        spelled: Bytes,
        request: Outgoing,
        on: bool,
    ) -> Result<Option<Reply>, Refusal> {
        if on && session.subscriptions.load(Ordering::Relaxed) >= SUBSCRIPTIONS_MAX {
            return Err(too_many());
        }
        let (done, answer) = oneshot::channel();
        let wish = Wish::Follow {
            session: Arc::clone(session),
            uri,
            spelled,
            request,
            on,
            done,
        };
        // Of a keeper that has ended the core has too.
        let _ = self.keeper(server).send(wish);
        answer.await.unwrap_or_else(|_| {
            let (name, message) = (server.as_str(), "Narthex is ending".to_owned());
            let fault = Fault::Narthex;
            Err(Refusal::of_server(
                "closing",
                fault,
                name,
                message,
                "Try again later.",
            ))
        })
    }

    /// Takes note of how grave a log message must be for a session.
    pub(super) fn set_level(&self, session: &Arc<Session>, level: Level) {
        session.set_level(level);
        self.levels.heeds(session);
    }

    /// Forgets a session.
    pub(super) fn gone(&self, session: &Session) {
        self.levels.gone(session);
        if session.subscriptions.load(Ordering::Relaxed) > 0 {
            for kept in self.keepers().values() {
                // As above.
                let _ = kept.wishes.send(Wish::Gone(session.number));
            }
        }
    }

    fn keeper(&self, server: &ServerName) -> mpsc::UnboundedSender<Wish> {
        let mut keepers = self.keepers();
        let kept = keepers.entry(server.clone()).or_insert_with(|| {
            let (wishes, inbox) = mpsc::unbounded_channel();
            let subscribers = Arc::<Subscribers>::default();
            let keeper = Keeper::new(self.view.clone(), server.clone(), Arc::clone(&subscribers));
            let stop = self.stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(keeper.run(inbox)).await });
            Kept {
                wishes,
                subscribers,
            }
        });
        kept.wishes.clone()
    }

    fn keepers(&self) -> MutexGuard<'_, BTreeMap<ServerName, Kept>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who follow it that a resource was updated, each under the URI it knows.
    fn updated(&self, server: &ServerName, message: &Envelope) {
        let Ok(Some(range)) = message.field("uri") else {
            return;
        };
        let Some(uri) = json::decode(&message.bytes()[range.clone()]) else {
            return;
        };
        let subscribers = self
            .keepers()
            .get(server)
            .map(|it| Arc::clone(&it.subscribers));
        for (session, spelled) in subscribers.iter().flat_map(|all| all.of(&uri)) {
            // A client that does not read its own stream misses what it has no room for.
            session.mention(splice(message.bytes(), &[(range.clone(), &spelled)]).into());
        }
    }
}

impl Hears for Standing {
    fn heard(&self, server: &ServerName, message: &Envelope) {
        match message.method() {
            "notifications/resources/updated" => self.updated(server, message),
            "notifications/message" => {
                let level = Level::of(message);
                for session in self.levels.heeding(server, level) {
                    session.mention(message.bytes().clone());
                }
            }
            // Whose elicitation is complete the server does not say; its id says so to one alone.
            _ => tracing::debug!(%server, "notification for nobody passed over"),
        }
    }
}

/// Refuses a subscription beyond what one session may have.
pub(super) fn too_many() -> Refusal {
    Refusal::of_message(
        -32000,
        "too_many_subscriptions",
        format!("a session may subscribe to {SUBSCRIPTIONS_MAX} resources"),
        "Unsubscribe from some first.",
    )
}
