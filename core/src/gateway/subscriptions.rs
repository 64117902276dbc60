use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    reach::{self, Reached},
    session::Session,
};
use crate::{
    mcp::{Outgoing, Refusal},
    server::ServerName,
    upstream::{CallError, Endpoint, Reply},
    view::View,
};

/// How long a server may take for a subscription: it notes a name.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Who follows which resource of one server. Read by whoever reads the server's messages.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    by_uri: ArcSwap<BTreeMap<String, Vec<Subscriber>>>,
}

/// A session, and what it calls the resource (quotes and all).
type Subscriber = (Arc<Session>, Bytes);

impl Subscribers {
    /// Returns who follows `uri`.
    pub(super) fn of(&self, uri: &str) -> Vec<Subscriber> {
        self.by_uri.load().get(uri).cloned().unwrap_or_default()
    }
}

/// What a [`Keeper`] is asked for.
pub(super) enum Wish {
    /// Subscribe, or end that.
    Follow {
        session: Arc<Session>,
        uri: String,
        spelled: Bytes,
        request: Outgoing,
        on: bool,
        done: oneshot::Sender<Result<Option<Reply>, Refusal>>,
    },
    /// A session has ended.
    Gone(u64),
}

/// Keeps the subscriptions at one server: asked for by the first who follows a resource, ended with
/// the last, and asked for anew when the server was connected anew. One wish after the other, so
/// that two clients who come and go at once leave what they say.
pub(super) struct Keeper {
    view: View,
    server: ServerName,
    subscribers: Arc<Subscribers>,
    /// Where the subscriptions were made.
    made_at: Option<Endpoint>,
}

enum Wakeup {
    Wish(Wish),
    Connected(Endpoint),
}

impl Keeper {
    pub(super) const fn new(view: View, server: ServerName, subscribers: Arc<Subscribers>) -> Self {
        Self {
            view,
            server,
            subscribers,
            made_at: None,
        }
    }

    /// Works until nobody can ask any more.
    pub(super) async fn run(mut self, mut wishes: mpsc::UnboundedReceiver<Wish>) {
        loop {
            let wakeup = tokio::select! {
                biased;
                wish = wishes.recv() => match wish {
                    Some(wish) => Wakeup::Wish(wish),
                    None => return,
                },
                endpoint = self.connected_anew() => Wakeup::Connected(endpoint),
            };
            match wakeup {
                Wakeup::Wish(Wish::Follow {
                    session,
                    uri,
                    spelled,
                    request,
                    on,
                    mut done,
                }) => {
                    let asked = async {
                        if on {
                            let of = Arc::clone(&session);
                            self.subscribe(of, &uri, spelled, &request).await
                        } else {
                            self.unsubscribe(&session, &uri, &request).await
                        }
                    };
                    let answer = tokio::select! {
                        biased;
                        () = session.ended() => None,
                        answer = asked => Some(answer),
                        () = done.closed() => None,
                    };
                    if answer.is_none() || session.has_ended() {
                        // Nobody waits for it: the server is told so, and whoever comes next is not
                        // kept waiting.
                        self.leave(&uri, session.number);
                    }
                    if let Some(answer) = answer {
                        // A client that goes from here on is told of by its session.
                        let _ = done.send(answer);
                    }
                }
                Wakeup::Wish(Wish::Gone(number)) => self.forget(number).await,
                Wakeup::Connected(endpoint) => self.subscribe_anew(endpoint).await,
            }
        }
    }

    async fn subscribe(
        &mut self,
        session: Arc<Session>,
        uri: &str,
        spelled: Bytes,
        request: &Outgoing,
    ) -> Result<Option<Reply>, Refusal> {
        let first = self.of(uri).is_empty();
        // First here, so that an update which follows at once finds somebody.
        self.change(uri, |all| {
            if !all.iter().any(|(other, _)| other.number == session.number) {
                session.subscriptions.fetch_add(1, Ordering::Relaxed);
                all.push((Arc::clone(&session), spelled));
            }
        });
        if !first {
            return Ok(None);
        }
        let answer = self.ask(request).await;
        if !answer.as_ref().is_ok_and(|reply| reply.is_result) {
            self.leave(uri, session.number);
        }
        answer.map(Some)
    }

    async fn unsubscribe(
        &mut self,
        session: &Session,
        uri: &str,
        request: &Outgoing,
    ) -> Result<Option<Reply>, Refusal> {
        let followed = !self.of(uri).is_empty();
        self.leave(uri, session.number);
        if followed && self.of(uri).is_empty() {
            return self.ask(request).await.map(Some);
        }
        Ok(None)
    }

    async fn forget(&mut self, number: u64) {
        let all = self.subscribers.by_uri.load_full();
        for (uri, _) in all
            .iter()
            .filter(|(_, all)| all.iter().any(|(session, _)| session.number == number))
        {
            self.leave(uri, number);
            if self.of(uri).is_empty() {
                // A server that is not there has forgotten by itself.
                let _ = self.ask(&request("resources/unsubscribe", uri)).await;
            }
        }
    }

    async fn subscribe_anew(&mut self, endpoint: Endpoint) {
        for uri in self.subscribers.by_uri.load_full().keys() {
            let request = request("resources/subscribe", uri);
            let asked = endpoint.lease();
            if timeout(ANSWER_TIMEOUT, asked.request(&request, None))
                .await
                .is_err()
            {
                tracing::warn!(server = %self.server, "subscription not made anew: no answer in time");
            }
        }
        // At the end: where the client that caused it goes meanwhile, it is begun again.
        self.made_at = Some(endpoint);
    }

    /// Waits until the server is connected anew while somebody follows something. Cancel-safe.
    async fn connected_anew(&self) -> Endpoint {
        if self.subscribers.by_uri.load().is_empty() {
            return std::future::pending().await;
        }
        let anew = self.view.wait_for(|now| {
            let endpoint = now.server(self.server.as_str())?.endpoint()?;
            (self.made_at.as_ref() != Some(endpoint)).then(|| endpoint.clone())
        });
        anew.await
    }

    /// Asks the server, where it is or comes to be connected.
    async fn ask(&mut self, request: &Outgoing) -> Result<Reply, Refusal> {
        let (view, server) = (self.view.clone(), self.server.clone());
        let look = Reached {
            view: &view,
            server: &server,
            definition: None,
        };
        let mut gone = None;
        loop {
            let endpoint = look.endpoint(gone.as_ref()).await?;
            if self.made_at.as_ref() != Some(&endpoint) {
                if self.subscribers.by_uri.load().len() > 1 {
                    // What others follow there comes with it.
                    self.subscribe_anew(endpoint.clone()).await;
                }
                self.made_at = Some(endpoint.clone());
            }
            let lease = endpoint.lease();
            let asked = timeout(ANSWER_TIMEOUT, lease.request(request, None)).await;
            match asked.unwrap_or(Err(CallError::TimedOut)) {
                Ok(reply) => return Ok(reply),
                Err(
                    CallError::NotConnected
                    | CallError::Unreachable
                    | CallError::SessionExpired
                    | CallError::ServerEnded,
                ) => gone = Some(endpoint),
                Err(error) => return Err(reach::refusal(server.as_str(), &error, true)),
            }
        }
    }

    fn of(&self, uri: &str) -> Vec<Subscriber> {
        self.subscribers.of(uri)
    }

    fn leave(&self, uri: &str, number: u64) {
        self.change(uri, |all| {
            all.retain(|(session, _)| {
                let stays = session.number != number;
                if !stays {
                    session.subscriptions.fetch_sub(1, Ordering::Relaxed);
                }
                stays
            });
        });
    }

    fn change(&self, uri: &str, change: impl FnOnce(&mut Vec<Subscriber>)) {
        let mut by_uri = BTreeMap::clone(&self.subscribers.by_uri.load());
        let all = by_uri.entry(uri.to_owned()).or_default();
        change(all);
        if all.is_empty() {
            by_uri.remove(uri);
        }
        self.subscribers.by_uri.store(Arc::new(by_uri));
    }
}

fn request(method: &str, uri: &str) -> Outgoing {
    let uri = serde_json::to_string(uri).expect("a text encodes");
    Outgoing::new(method, &format!(r#"{{"uri":{uri}}}"#))
}
