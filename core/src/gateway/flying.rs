use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::time::Sleep;

use super::{flights::Boarded, recording::Awaited};
use crate::{
    mcp::{Refusal, Spliced, refusal::Fault},
    server::ServerName,
    view::View,
};

/// A call under way, with all that its end can come from.
pub(super) struct Flying {
    /// The answer.
    pub(super) answer: Pin<Box<dyn Future<Output = Spliced> + Send>>,
    /// The time for the next progress or the answer.
    pub(super) deadline: Pin<Box<Sleep>>,
    /// How long that is.
    pub(super) patience: Duration,
    /// Whether the client cancels it.
    pub(super) boarded: Boarded,
    /// What is called, for the answer if the time runs out.
    pub(super) server: ServerName,
    /// The request's id, for that answer.
    pub(super) id: Bytes,
    /// Where the server is found then.
    pub(super) view: View,
}

impl Flying {
    /// Whether it goes on though its time has run out: something happened meanwhile.
    pub(super) fn goes_on(&mut self) -> bool {
        let until = self.boarded.flight().lives_until(self.patience);
        if let Some(until) = until {
            self.deadline.as_mut().reset(until);
        }
        until.is_some()
    }

    /// Takes the answer back where something came before it that was not seen yet; else returns it.
    pub(super) fn unless_first(&mut self, answer: Spliced) -> Option<Spliced> {
        if !self.boarded.flight().has_waiting() {
            return Some(answer);
        }
        self.answer = Box::pin(std::future::ready(answer));
        None
    }

    /// Returns the answer, or what the client is told when the time has run out; nothing if the
    /// client no longer waits.
    async fn landed(mut self) -> Option<Spliced> {
        loop {
            tokio::select! {
                biased;
                () = self.boarded.flight().cancelled() => return None,
                answer = &mut self.answer => return Some(answer),
                () = &mut self.deadline => {
                    if !self.goes_on() {
                        return Some(Spliced { pieces: vec![self.time_out()] });
                    }
                }
            }
        }
    }

    /// Gives it all its time, of which only the `first` part was set.
    pub(super) fn take_all_time(&mut self, first: Duration) {
        if self.patience > first {
            let until = self.deadline.deadline() + (self.patience - first);
            self.deadline.as_mut().reset(until);
        }
    }

    /// Returns what is awaited of it.
    pub(super) fn awaited(self) -> Awaited {
        Awaited {
            id: self.id.clone(),
            answer: Box::pin(self.landed()),
        }
    }

    /// Gives the call up, and returns what the client is told.
    pub(super) fn time_out(&self) -> Bytes {
        self.boarded.time_out();
        let server = self.server.as_str();
        let unfinished = self.view.read(|now| {
            let endpoint = now.server(server).and_then(|entry| entry.endpoint())?;
            endpoint.unfinished(self.boarded.flight().session().number)
        });
        timed_out(server, self.patience, unfinished).response(&self.id)
    }
}

/// Says that there was no answer in time; `unfinished` bytes came of a message that did not end.
fn timed_out(server: &str, patience: Duration, unfinished: Option<usize>) -> Refusal {
    let patience = humantime::format_duration(patience);
    let (message, remedy) = match unfinished {
        None => (
            format!("server `{server}` gave no answer and no progress within {patience}"),
            "Give its calls more time with \"callTimeout\" in its entry.",
        ),
        Some(bytes) => (
            format!(
                "server `{server}` gave no answer within {patience}: it is still in the middle of a message of which {bytes} bytes have come"
            ),
            "Restart it, and look at its log: what it says next belongs to that message.",
        ),
    };
    Refusal::of_server("timed_out", Fault::Server, server, message, remedy).retry_unsafe()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        gateway::session::Session, mcp::Envelope, metrics::Metrics, upstream::Caller as _,
        view::Publisher,
    };

    const PATIENCE: Duration = Duration::from_secs(120);

    /// A call that is never answered.
    fn flying(session: &Arc<Session>, token: Option<&'static [u8]>, streams: bool) -> Flying {
        let token = token.map(Bytes::from_static);
        let id = Bytes::from_static(b"1");
        let boarded = Boarded::new(Arc::clone(session), id.clone(), token, streams, None);
        let publisher = Publisher::new("test".into(), Metrics::new().view());
        Flying {
            answer: Box::pin(std::future::pending()),
            deadline: Box::pin(sleep(PATIENCE)),
            patience: PATIENCE,
            boarded,
            server: "alpha".parse().unwrap(),
            id,
            view: publisher.view().clone(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_that_arrives_gives_it_its_time_anew_whoever_asked_for_it() {
        let session = Session::of_test();
        for streams in [false, true] {
            for token in [None, Some(&b"7"[..])] {
                let flying = flying(&session, token, streams);
                let flight = Arc::clone(flying.boarded.flight());
                let landed = tokio::spawn(flying.landed());
                for _ in 0..3 {
                    sleep(PATIENCE * 3 / 4).await;
                    flight.progress(&Bytes::from_static(b"{7}"), 1..2);
                }
                let last = Instant::now();
                let answer = landed.await.unwrap().unwrap().pieces.concat();
                let answer = String::from_utf8(answer).unwrap();
                assert!(answer.contains("timed_out"), "{answer}");
                assert_eq!(last.elapsed(), PATIENCE, "{streams} {token:?}");
                let told = streams && token.is_some();
                assert_eq!(flight.has_waiting(), told, "only who asked is told");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_progress_its_time_is_its_own() {
        let session = Session::of_test();
        let began = Instant::now();
        let answer = flying(&session, None, true).landed().await;
        assert!(answer.is_some());
        assert_eq!(began.elapsed(), PATIENCE);
        // Of which a stream that begins early takes nothing away.
        let (first, began) = (PATIENCE / 10, Instant::now());
        let mut early = flying(&session, None, true);
        early.deadline = Box::pin(sleep(first));
        sleep(first / 2).await;
        early.take_all_time(first);
        assert!(early.landed().await.is_some());
        assert_eq!(began.elapsed(), PATIENCE);
        // What is cancelled is not answered.
        let flying = flying(&session, None, true);
        let cancelled = br#"{"method":"notifications/cancelled","params":{"requestId":1}}"#;
        let cancelled = Envelope::parse(Bytes::from_static(cancelled)).unwrap();
        session.cancel(b"1", &cancelled);
        assert!(flying.landed().await.is_none());
    }
}
