use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::flights::Boarded;
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
        let lives = self.boarded.flight().lives();
        if lives {
            self.extend();
        }
        lives
    }

    /// Takes the answer back where something came before it that was not seen yet, and returns that.
    pub(super) fn still_ahead(&mut self, answer: Spliced) -> Result<Bytes, Spliced> {
        let Some(notice) = self.boarded.flight().waiting() else {
            return Err(answer);
        };
        self.answer = Box::pin(std::future::ready(answer));
        Ok(notice)
    }

    /// Gives it its time anew.
    pub(super) fn extend(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + self.patience);
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
