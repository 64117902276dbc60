//! What the core says without being asked, from one session to the next.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use reqwest::StatusCode;
use reqwest_eventsource::{Error, Event, EventSource, retry::Never};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{Absent, At, Link};
use crate::{
    cli::stdio::{standing::Wish, trouble::text},
    client::{mcp::one_line, retry::Retry},
    mcp,
};

/// How long a session may take to begin that nobody has asked for: meanwhile a request waits for it.
const FOLLOWING: Duration = Duration::from_secs(1);

/// How many wishes are asked for at once.
const WISHES_AT_ONCE: usize = 8;

/// Why there is nothing more to hear.
enum Silence {
    /// The stream has broken; the session may be there still.
    Lost,
    /// The session is gone.
    Gone,
    /// This session has no such stream.
    None,
}

impl Link {
    /// Begins to hear, if it has not begun, until [`Link::end`].
    pub(in crate::cli::stdio) fn listen(self: &Arc<Self>) {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        if follower.is_none() {
            let (link, now) = (Arc::clone(self), self.at.subscribe());
            let task = tokio::spawn(async move { link.follow(now).await });
            *follower = Some(AbortOnDropHandle::new(task));
        }
    }

    async fn follow(&self, mut now: watch::Receiver<Option<Arc<At>>>) {
        let (mut retry, mut heard) = (Retry::default(), Place::default());
        let first = now.borrow().as_ref().map_or(0, |at| at.number);
        loop {
            let Some(at) = now.borrow_and_update().clone() else {
                if now.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if heard.session != at.number {
                heard = Place {
                    session: at.number,
                    last: String::new(),
                    is_restored: at.number == first,
                };
            }
            let silence = tokio::select! {
                silence = self.hear_all(&at, &mut heard, &mut retry) => silence,
                _ = now.changed() => continue,
            };
            let next = async {
                match silence {
                    Silence::None => std::future::pending().await,
                    Silence::Gone => self.follow_to_next(at.number).await,
                    Silence::Lost => {
                        retry.lost();
                        retry.due().await;
                        // Nobody starts one for this alone: a person may have ended it.
                        self.reach.wait().await;
                        if !at.endpoint.is_ready().await {
                            self.follow_to_next(at.number).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = next => {}
                _ = now.changed() => {}
            }
        }
    }

    /// Begins another session where a core runs.
    async fn follow_to_next(&self, number: u64) {
        // Not held while nobody is there: a request of the client's starts one.
        self.reach.wait().await;
        let deadline = Instant::now() + FOLLOWING;
        if let Err(trouble) = self.renew(number, Absent::Wait, deadline).await {
            tracing::debug!(?trouble, "no session to follow");
            self.reach.pause().await;
        }
    }

    /// Says what the core says, until it says no more.
    async fn hear_all(&self, at: &At, heard: &mut Place, retry: &mut Retry) -> Silence {
        let mut request = at.endpoint.listen(&at.session);
        if !heard.last.is_empty() {
            request = request.header("Last-Event-ID", &heard.last);
        }
        let Ok(mut source) = EventSource::new(request) else {
            return Silence::None;
        };
        source.set_retry_policy(Box::new(Never));
        // What a session before this one had asked for, and then what was not there yet.
        let (missing, mut wanted) = mpsc::unbounded_channel();
        let hearing = async {
            while let Some(event) = source.next().await {
                match event {
                    Ok(Event::Open) => {
                        retry.connected();
                        if !std::mem::replace(&mut heard.is_restored, true) {
                            let _ = missing.send(self.standing.wishes());
                        }
                    }
                    Ok(Event::Message(message)) => {
                        heard.last = message.id;
                        let Some(line) = one_line(message.data) else {
                            continue;
                        };
                        self.hear(&line, at);
                        if line.contains("notifications/resources/list_changed") {
                            let _ = missing.send(self.standing.missing());
                        }
                        self.say(line).await;
                    }
                    Err(error) => return silence(&error),
                }
            }
            Silence::Lost
        };
        let restoring = async {
            while let Some(wishes) = wanted.recv().await {
                self.restore(at, wishes).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            silence = hearing => silence,
            silence = restoring => silence,
        }
    }

    /// Asks a new session for what the one before it was asked for. Of a resource that is followed
    /// again the client is told, since nobody knows what happened to it in between.
    async fn restore(&self, at: &At, wishes: Vec<Wish>) {
        let asked = stream::iter(wishes).for_each_concurrent(WISHES_AT_ONCE, async |wish| {
            let answer = at.ask(wish.method, &text(&wish.params), &|_| {}).await;
            let answer = answer.and_then(|answer| mcp::Envelope::parse(answer.into()).ok());
            let is_granted = answer.is_some_and(|answer| answer.kind() == mcp::Kind::Result);
            if let Some((uri, spelled)) = wish.uri {
                self.standing.came_out(&uri, is_granted);
                if is_granted {
                    let uri = text(&spelled);
                    self.say(format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":{uri}}}}}"#
                    ))
                    .await;
                }
            }
        });
        asked.await;
    }
}

/// How far the stream was heard.
#[derive(Debug, Default)]
struct Place {
    session: u64,
    /// The id of the last event; empty before one has come.
    last: String,
    /// Whether the session was asked for what the one before it was.
    is_restored: bool,
}

fn silence(error: &Error) -> Silence {
    match error {
        Error::InvalidStatusCode(StatusCode::NOT_FOUND, _) => Silence::Gone,
        Error::InvalidStatusCode(status, _) if !status.is_server_error() => Silence::None,
        Error::InvalidContentType(..) => Silence::None,
        Error::InvalidStatusCode(..)
        | Error::StreamEnded
        | Error::Transport(_)
        | Error::Utf8(_)
        | Error::Parser(_)
        | Error::InvalidLastEventId(_) => Silence::Lost,
    }
}
