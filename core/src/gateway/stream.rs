use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Gateway,
    recording::{AwaitedAll, Recording},
    respond,
    session::{Scope, Session},
    tape::{Over, Reading, Resuming, Said, Tape},
    tapes::{OWN, RETRY},
};
use crate::{
    mcp::{
        Refusal, Spliced,
        sse::{message_event, priming_event},
    },
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

/// Returns what a connection gets first, so that it is known to be there.
fn first(reading: &Reading, is_new: bool) -> Bytes {
    let primed = is_new && reading.tape().resuming() == Resuming::Primed;
    let id = primed.then(|| reading.id(reading.at())).flatten();
    id.map_or(COMMENT, |id| priming_event(&id, RETRY.as_millis()).into())
}

fn event(reading: &Reading, said: Said) -> Bytes {
    let (number, pieces) = match said {
        Said::Message(number, message) => (number, message.pieces),
        Said::Missed(number, missed) => (number, vec![events_missed(missed)]),
    };
    message_event(reading.id(number).as_deref(), &pieces).into()
}

/// Tells a client that events of its stream are kept no longer: in the form of a log message, which
/// is what the protocol has for it.
fn events_missed(missed: u64) -> Bytes {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"warning","logger":"narthex","data":{{"kind":"events_missed","missed":{missed}}}}}}}"#
    )
    .into()
}

/// Answers with what is said on a reply stream.
fn heard(reading: Reading, session: Arc<Session>, is_new: bool) -> Response {
    let first = first(&reading, is_new);
    let rest = stream::unfold(Heard { reading, session }, async |mut heard| {
        let event = heard.next().await?;
        Some((Ok(event), heard))
    });
    response(futures_util::StreamExt::chain(
        stream::iter([Ok(first)]),
        rest,
    ))
}

/// A connection on a reply stream.
struct Heard {
    reading: Reading,
    session: Arc<Session>,
}

impl Heard {
    async fn next(&mut self) -> Option<Bytes> {
        match timeout(KEEP_ALIVE, self.reading.next()).await {
            Ok(said) => Some(event(&self.reading, said?)),
            Err(_) => {
                self.reading.tape().forget_old();
                Some(COMMENT)
            }
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        // It is one more that may be come back to.
        self.reading.leave();
        self.session.tapes.trim();
    }
}

/// What a client's own stream is made of.
struct Listening {
    view: View,
    session: Arc<Session>,
    reading: Reading,
    revisions: watch::Receiver<u64>,
    stop: CancellationToken,
}

impl Gateway {
    /// Answers requests with a stream: the answers there are, what is said because of the others,
    /// and their answers.
    pub(super) fn stream(
        &self,
        session: Arc<Session>,
        tape: &Arc<Tape>,
        answers: Vec<Spliced>,
        awaited: AwaitedAll,
    ) -> Response {
        let Ok(reading) = tape.attach(None) else {
            // The session has ended meanwhile.
            return nothing();
        };
        for answer in answers {
            // A connection is there to take it.
            tape.say(answer, |_| Bytes::new());
        }
        let stop = self.stop.clone();
        let recording = Recording::new(Arc::clone(tape), Arc::clone(&session), stop);
        tokio::spawn(recording.run(awaited));
        heard(reading, session, true)
    }

    /// Opens the stream on which a client hears what is said within no call of its own, or has it
    /// come back to a stream whose connection broke.
    pub(super) fn get(&self, client: &str, scope: &Scope, request: &Request) -> Response {
        let session = match self.session(request.headers(), client, scope, b"null") {
            Ok(session) => session,
            Err(response) => return response,
        };
        let after = match last_event_id(request.headers()) {
            LastEvent::None => None,
            LastEvent::Of(stream, event) => Some((stream, event)),
            LastEvent::Foreign => return over(Over::Unknown),
        };
        match after {
            Some((number, after)) if number != OWN => {
                let reading = session.tapes.find(number).ok_or(Over::Unknown);
                match reading.and_then(|tape| tape.attach(Some(after))) {
                    Ok(reading) => heard(reading, session, false),
                    Err(why) => over(why),
                }
            }
            after => match session.tapes.own().attach(after.map(|(_, event)| event)) {
                Ok(reading) => self.listen(session, reading, after.is_none()),
                Err(why) => over(why),
            },
        }
    }

    fn listen(&self, session: Arc<Session>, reading: Reading, is_new: bool) -> Response {
        let first = first(&reading, is_new);
        let listening = Listening {
            view: self.view.clone(),
            session,
            reading,
            revisions: self.view.revisions(),
            stop: self.stop.clone(),
        };
        let heard = stream::unfold(listening, async |mut listening| {
            let event = listening.next().await?;
            Some((Ok(event), listening))
        });
        response(futures_util::StreamExt::chain(
            stream::iter([Ok(first)]),
            heard,
        ))
    }
}

/// What a client says that it heard last.
enum LastEvent {
    None,
    /// The stream and the event on it.
    Of(u64, u64),
    /// Nothing that was ever said here.
    Foreign,
}

fn last_event_id(headers: &HeaderMap) -> LastEvent {
    let Some(value) = headers.get("last-event-id").filter(|id| !id.is_empty()) else {
        return LastEvent::None;
    };
    let parsed = value.to_str().ok().and_then(|id| {
        let (stream, event) = id.split_once('-')?;
        Some((stream.parse().ok()?, event.parse().ok()?))
    });
    parsed.map_or(LastEvent::Foreign, |(stream, event)| {
        LastEvent::Of(stream, event)
    })
}

/// Says that nothing follows the event that a client heard last.
fn over(why: Over) -> Response {
    let (kind, message) = match why {
        Over::Unknown => (
            "unknown_event",
            "no stream of this session has the event that Last-Event-ID names, or it is no longer kept",
        ),
        Over::Ended => (
            "stream_ended",
            "the stream has ended after the event that Last-Event-ID names",
        ),
    };
    let remedy =
        "Open a stream without Last-Event-ID. Check what a request did before you repeat it.";
    let refusal = Refusal::of_message(-32600, kind, message, remedy).retry_unsafe();
    respond::refused(StatusCode::BAD_REQUEST, b"null", &refusal)
}

impl Listening {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.revisions.borrow_and_update();
            let waits = self.reading.tape().has_waiting();
            if !waits && let Some(changed) = self.list_changed() {
                self.reading.tape().push(Bytes::from_static(changed));
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                said = self.reading.next() => return Some(event(&self.reading, said?)),
                changed = timeout(KEEP_ALIVE, self.revisions.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => {
                        self.reading.tape().forget_old();
                        return Some(COMMENT);
                    }
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
        self.reading.leave();
        self.reading.tape().expire();
        self.session.touch();
    }
}
