use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Gateway,
    flying::{Flying, next_notice},
    respond,
    session::{Scope, Session},
};
use crate::{mcp::sse::message_event, view::View};

/// How often a stream without events says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

const COMMENT: Bytes = Bytes::from_static(b": alive\n\n");

const LIST_CHANGED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

fn response(events: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Answers with a stream of no events: the client has cancelled and waits for none.
pub(super) fn nothing() -> Response {
    response(stream::empty())
}

/// Answers a call with a stream: its progress, and then its answer.
pub(super) fn events(flying: Flying, first: Option<Bytes>) -> Response {
    let first = first.map_or(COMMENT, |notice| message_event(&notice).into());
    let rest = stream::unfold(Some(flying), async |state| {
        let mut flying = state?;
        let event = next_event(&mut flying).await?;
        Some(match event {
            CallEvent::More(event) => (Ok(event), Some(flying)),
            CallEvent::Last(event) => (Ok(event), None),
        })
    });
    response(futures_util::StreamExt::chain(
        stream::iter([Ok(first)]),
        rest,
    ))
}

enum CallEvent {
    More(Bytes),
    Last(Bytes),
}

async fn next_event(flying: &mut Flying) -> Option<CallEvent> {
    let patience = flying.patience;
    tokio::select! {
        biased;
        // Progress that came before the answer is told before it.
        Some(notice) = next_notice(&mut flying.notices) => {
            flying.deadline.as_mut().reset(Instant::now() + patience);
            Some(CallEvent::More(message_event(&notice).into()))
        }
        answer = &mut flying.answer => Some(CallEvent::Last(message_event(&answer.pieces.concat()).into())),
        () = flying.boarded.cancelled() => None,
        () = &mut flying.deadline => Some(CallEvent::Last(message_event(&flying.time_out()).into())),
        () = tokio::time::sleep(KEEP_ALIVE) => Some(CallEvent::More(COMMENT)),
    }
}

/// What a client's own stream is made of.
struct Listening {
    view: View,
    session: Arc<Session>,
    number: u64,
    revisions: watch::Receiver<u64>,
    stop: CancellationToken,
}

impl Gateway {
    /// Opens the stream on which a client hears that its list of tools has changed.
    pub(super) fn get(&self, client: &str, scope: &Scope, request: &Request) -> Response {
        let id = request
            .headers()
            .get("mcp-session-id")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let Some(session) = self.sessions.find(id, client, scope) else {
            return respond::no_session(b"null");
        };
        // The latest stream is the one that hears; one before it ends.
        let number = session.streams.fetch_add(1, Ordering::Relaxed) + 1;
        let revisions = self.view.revisions();
        let listening = Listening {
            view: self.view.clone(),
            session,
            number,
            revisions,
            stop: self.stop.clone(),
        };
        let heard = stream::unfold(listening, async |mut listening| {
            let event = listening.next().await?;
            Some((Ok(event), listening))
        });
        response(futures_util::StreamExt::chain(
            stream::iter([Ok(COMMENT)]),
            heard,
        ))
    }
}

impl Listening {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.revisions.borrow_and_update();
            if self.session.streams.load(Ordering::Relaxed) != self.number {
                return None;
            }
            let listed = self.view.read(|now| self.session.scope.listed(now));
            if self.session.listed.swap(listed, Ordering::Relaxed) != listed {
                return Some(message_event(LIST_CHANGED).into());
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                changed = timeout(KEEP_ALIVE, self.revisions.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(COMMENT),
                },
            }
        }
    }
}
