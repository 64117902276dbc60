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
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Gateway,
    flights::Ahead,
    flying::Flying,
    respond,
    session::{Scope, Session},
};
use crate::{
    mcp::sse::message_event,
    view::{Subject, View},
};

/// How often a stream without events says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

const COMMENT: Bytes = Bytes::from_static(b": alive\n\n");

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
    loop {
        tokio::select! {
            biased;
            // What came before the answer is told before it.
            ahead = flying.boarded.flight().ahead() => return match ahead {
                Ahead::Notice(notice) => Some(CallEvent::More(message_event(&notice).into())),
                Ahead::Cancelled => None,
            },
            answer = &mut flying.answer => return Some(match flying.still_ahead(answer) {
                Ok(notice) => CallEvent::More(message_event(&notice).into()),
                Err(answer) => CallEvent::Last(message_event(&answer.pieces.concat()).into()),
            }),
            () = &mut flying.deadline => {
                if !flying.goes_on() {
                    let refusal = message_event(&flying.time_out());
                    return Some(CallEvent::Last(refusal.into()));
                }
            }
            () = tokio::time::sleep(KEEP_ALIVE) => return Some(CallEvent::More(COMMENT)),
        }
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
    /// Opens the stream on which a client hears what is said within no call of its own.
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
        let number = session.opened();
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
            if let Some(changed) = self.list_changed() {
                return Some(message_event(changed).into());
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                message = self.session.told(self.number) => {
                    return Some(message_event(&message?).into());
                }
                changed = timeout(KEEP_ALIVE, self.revisions.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(COMMENT),
                },
            }
        }
    }

    /// Returns what tells of the next list that has changed.
    fn list_changed(&self) -> Option<&'static [u8]> {
        let changed = |subject: &Subject| {
            let listed = self
                .view
                .read(|now| self.session.scope.listed(*subject, now));
            let known = &self.session.listed[*subject as usize];
            known.swap(listed, Ordering::Relaxed) != listed
        };
        let subject = Subject::ALL.into_iter().find(changed)?;
        Some(match subject {
            Subject::Tools => br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
            Subject::Prompts => {
                br#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#
            }
            Subject::Resources => {
                br#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#
            }
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.session.closed(self.number);
    }
}
