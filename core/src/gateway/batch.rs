//! Several messages in one request, as revision 2025-03-26 has them and no other.

use std::{ops::Range, sync::Arc};

use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bytes::Bytes;
use tokio::time::sleep;

use super::{
    Gateway,
    call::{STREAM_AFTER, Streams},
    post::{INVALID_REQUEST, PARSE_ERROR, Taken, malformed, takes_events, unknown_question},
    questions::Answered,
    recording::{Awaited, AwaitedAll},
    respond,
    session::{Scope, Session},
    tape::Tape,
};
use crate::{
    mcp::{Envelope, Kind, Refusal, Revision, Spliced, json},
    runtime::by_size,
};

/// Messages in one batch at most.
const MESSAGES_MAX: usize = 100;

/// What has become of the messages of a batch.
#[derive(Default)]
struct Batch {
    answers: Vec<Spliced>,
    awaited: AwaitedAll,
}

impl Gateway {
    /// Takes a batch. Each message is taken as if it had come alone: one that is no message, or is
    /// refused, costs the others nothing.
    pub(super) async fn batch(
        &self,
        headers: &HeaderMap,
        client: &str,
        scope: &Scope,
        body: Bytes,
    ) -> Response {
        let session = match self.session(headers, client, scope, b"null") {
            Ok(session) => session,
            Err(response) => return response,
        };
        let elements = by_size(body.len(), || elements(session.revision, &body));
        let elements = match elements {
            Ok(elements) => elements,
            Err(refusal) => return respond::refused(StatusCode::BAD_REQUEST, b"null", &refusal),
        };
        let streams = takes_events(headers);
        let tape = session.tapes.begin();
        let mut batch = Batch::default();
        for element in elements {
            let tape = streams.then_some(&tape);
            self.take_one(&session, body.slice(element), tape, &mut batch);
        }
        let told = async {
            if streams {
                tokio::select! {
                    () = tape.waiting() => {}
                    () = sleep(STREAM_AFTER) => {}
                }
            } else {
                std::future::pending::<()>().await;
            }
        };
        let mut told = std::pin::pin!(told);
        loop {
            tokio::select! {
                biased;
                // What came before an answer is told before it.
                () = &mut told => break,
                answer = batch.awaited.next() => match answer {
                    Some((_, answer)) => batch.answers.extend(answer),
                    None => return whole(batch.answers),
                },
            }
        }
        self.stream(session, &tape, batch.answers, batch.awaited)
    }

    fn take_one(
        &self,
        session: &Arc<Session>,
        message: Bytes,
        tape: Option<&Arc<Tape>>,
        batch: &mut Batch,
    ) {
        let envelope = match by_size(message.len(), || Envelope::parse(message)) {
            Ok(envelope) => envelope,
            Err(error) => {
                let refused = respond::refusal(b"null", &malformed(&error));
                return batch.answers.push(refused);
            }
        };
        let id = envelope.id();
        match envelope.kind() {
            Kind::Request if envelope.method() == "initialize" => {
                batch.answers.push(respond::refusal(&id, &initialize()));
            }
            Kind::Request => {
                let streams = tape.map_or(Streams::Never, Streams::On);
                match self.take(session, envelope, streams) {
                    Taken::Answered(answer) => batch.answers.push(answer),
                    Taken::Later(answer) => batch.awaited.push(Awaited {
                        id,
                        answer: Box::pin(async { Some(answer.await) }),
                    }),
                    Taken::Flying(flying) => batch.awaited.push(flying.awaited()),
                }
            }
            Kind::Notification => self.notified(session, &envelope),
            Kind::Result | Kind::Error => {
                if session.answered(&envelope) == Answered::Unknown {
                    let refused = respond::refusal(&id, &unknown_question());
                    batch.answers.push(refused);
                }
            }
        }
    }
}

/// Answers with all answers at once.
fn whole(answers: Vec<Spliced>) -> Response {
    if answers.is_empty() {
        return respond::accepted();
    }
    let mut pieces = Vec::with_capacity(answers.len() * 3 + 1);
    for (number, answer) in answers.into_iter().enumerate() {
        pieces.push(Bytes::from_static(if number == 0 { b"[" } else { b"," }));
        pieces.extend(answer.pieces);
    }
    pieces.push(Bytes::from_static(b"]"));
    respond::message(Spliced { pieces })
}

/// Returns where the messages of a batch stand, if a session may send one.
fn elements(revision: Revision, body: &[u8]) -> Result<Vec<Range<usize>>, Refusal> {
    if revision != Revision::V2025_03_26 {
        let message = format!("revision {revision} knows no batches");
        let remedy = "Send one JSON-RPC 2.0 message in each request.";
        return Err(Refusal::of_message(
            INVALID_REQUEST,
            "batch",
            message,
            remedy,
        ));
    }
    let broken = |message: String| {
        let remedy = "Send an array of JSON-RPC 2.0 messages.";
        Refusal::of_message(PARSE_ERROR, "parse_error", message, remedy)
    };
    let start = json::skip_space(body, 0);
    let elements = json::elements(body, start).map_err(|error| broken(error.to_string()))?;
    let bracket = elements.last().map_or(start + 1, |last| last.end);
    let end = json::skip_space(body, json::skip_space(body, bracket) + 1);
    if end != body.len() {
        return Err(broken(format!(
            "one array expected, more follows at byte {end}"
        )));
    }
    let wrong = match elements.len() {
        0 => "a batch has no messages".to_owned(),
        count if count > MESSAGES_MAX => {
            format!("a batch has {count} messages, and may have {MESSAGES_MAX}")
        }
        _ => return Ok(elements),
    };
    let remedy = "Send between 1 and 100 messages in a batch.";
    Err(Refusal::of_message(INVALID_REQUEST, "batch", wrong, remedy))
}

fn initialize() -> Refusal {
    Refusal::of_message(
        INVALID_REQUEST,
        "batch",
        "initialize must not stand in a batch",
        "Send it alone, and use the session that it begins.",
    )
}
