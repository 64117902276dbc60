use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;

use super::{
    session::Session,
    tape::{RESUME_WITHIN, Tape},
};
use crate::mcp::{Refusal, Spliced, refusal::Fault};

/// A request that is not answered yet.
pub(super) struct Awaited {
    /// Its id, as it is spelled.
    pub(super) id: Bytes,
    /// Its answer; nothing if the client no longer waits for it.
    pub(super) answer: BoxFuture<'static, Option<Spliced>>,
}

/// Requests that are answered in whatever order their answers come.
#[derive(Default)]
pub(super) struct AwaitedAll {
    ids: Vec<Bytes>,
    answers: FuturesUnordered<BoxFuture<'static, (Bytes, Option<Spliced>)>>,
}

impl AwaitedAll {
    /// Adds one.
    pub(super) fn push(&mut self, awaited: Awaited) {
        let Awaited { id, answer } = awaited;
        self.ids.push(id.clone());
        let answer = async move { (id, answer.await) };
        self.answers.push(Box::pin(answer));
    }

    /// Returns the id of the next one answered, and its answer; `None` after the last. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<(Bytes, Option<Spliced>)> {
        let answered = self.answers.next().await?;
        if let Some(at) = self.ids.iter().position(|other| *other == answered.0) {
            self.ids.swap_remove(at);
        }
        Some(answered)
    }
}

/// Puts answers on a reply stream. A connection that breaks ends nothing: it goes on as long as its
/// client may come back, and what was said is kept as long after the end.
pub(super) struct Recording {
    tape: Arc<Tape>,
    session: Arc<Session>,
    stop: CancellationToken,
}

impl Recording {
    /// Begins to keep a reply stream for its client.
    pub(super) fn new(tape: Arc<Tape>, session: Arc<Session>, stop: CancellationToken) -> Self {
        session.tapes.add(&tape);
        session.tapes.trim();
        Self {
            tape,
            session,
            stop,
        }
    }

    /// Waits for all answers, and then as long as the client may come back for them. What is still
    /// under way when it can no longer come is cancelled.
    pub(super) async fn run(self, mut awaited: AwaitedAll) {
        loop {
            tokio::select! {
                biased;
                answer = awaited.next() => match answer {
                    None => break,
                    Some((id, Some(answer))) => {
                        self.tape.say(answer, |bytes| not_kept(bytes).response(&id));
                    }
                    Some((_, None)) => {}
                },
                () = self.tape.deserted() => {
                    // Who comes later still is told what became of it.
                    self.tape.keep_on();
                    for id in &awaited.ids {
                        let told = not_resumed().response(id);
                        self.tape.say(Spliced { pieces: vec![told.clone()] }, |_| told);
                    }
                    break;
                }
            }
        }
        drop(awaited);
        self.tape.end();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.tape.deserted() => {}
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Also where its task has panicked: nobody waits for nothing.
        self.tape.end();
        self.session.tapes.remove(&self.tape);
    }
}

fn not_resumed() -> Refusal {
    let message = format!(
        "the connection of the answer's stream broke, and the client did not come back to it within {}: the request was cancelled",
        humantime::format_duration(RESUME_WITHIN)
    );
    let remedy = "Check what the request did before you repeat it; come back to a stream with Last-Event-ID.";
    Refusal::of_message(-32000, "not_resumed", message, remedy).retry_unsafe()
}

fn not_kept(bytes: usize) -> Refusal {
    let message = format!(
        "the answer came while no connection was there to take it, and its {bytes} bytes were more than there is room for"
    );
    let remedy = "Check what the request did before you repeat it; ask for less at once.";
    let mut refusal = Refusal::of_message(-32000, "not_kept", message, remedy).retry_unsafe();
    refusal.fault = Fault::Narthex;
    refusal
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, time::sleep};

    use super::*;
    use crate::gateway::tape::Said;

    /// A request that a test answers.
    fn awaited(id: &'static [u8]) -> (oneshot::Sender<&'static [u8]>, Awaited) {
        let (answer, answered) = oneshot::channel::<&[u8]>();
        let awaited = Awaited {
            id: Bytes::from_static(id),
            answer: Box::pin(async {
                let answer = answered.await.ok()?;
                Some(Spliced {
                    pieces: vec![Bytes::from_static(answer)],
                })
            }),
        };
        (answer, awaited)
    }

    fn recorded(
        session: &Arc<Session>,
        all: Vec<Awaited>,
    ) -> (Arc<Tape>, tokio::task::JoinHandle<()>) {
        let tape = session.tapes.begin();
        let mut awaited = AwaitedAll::default();
        for one in all {
            awaited.push(one);
        }
        let stop = CancellationToken::new();
        let recording = Recording::new(Arc::clone(&tape), Arc::clone(session), stop);
        (tape, tokio::spawn(recording.run(awaited)))
    }

    async fn texts(tape: &Arc<Tape>, after: u64) -> Vec<String> {
        let mut reading = tape.attach(Some(after)).unwrap();
        let mut texts = Vec::new();
        while let Some(said) = reading.next().await {
            let Said::Message(_, message) = said else {
                panic!("{said:?}");
            };
            texts.push(String::from_utf8(message.pieces.concat()).unwrap());
        }
        texts
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_without_a_connection_and_ends_when_nobody_comes_back() {
        let session = Session::of_test();
        let ((first, one), (mut second, two)) = (awaited(b"1"), awaited(b"2"));
        let (tape, running) = recorded(&session, vec![one, two]);
        drop(tape.attach(None).unwrap());
        sleep(RESUME_WITHIN / 2).await;
        first.send(b"answer").unwrap();
        second.closed().await;

        // What was not answered by then is cancelled, and who comes late is told so.
        let heard = texts(&tape, 0).await;
        assert_eq!(heard[0], "answer");
        assert!(
            heard[1].contains(r#""id":2,"#) && heard[1].contains("not_resumed"),
            "{heard:?}"
        );
        assert!(session.tapes.find(tape.number()).is_some());
        running.await.unwrap();
        assert!(session.tapes.find(tape.number()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_ends_takes_it_along() {
        let session = Session::of_test();
        let (mut answer, one) = awaited(b"1");
        let (tape, running) = recorded(&session, vec![one]);
        let mut reading = tape.attach(None).unwrap();
        session.end();
        answer.closed().await;
        running.await.unwrap();
        assert!(reading.next().await.is_none());
    }
}
