use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::flights::Boarded;
use crate::{
    mcp::{Refusal, Spliced, refusal::Fault},
    server::ServerName,
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
        timed_out(self.server.as_str(), self.patience).response(&self.id)
    }
}

fn timed_out(server: &str, patience: Duration) -> Refusal {
    let message = format!(
        "server `{server}` gave no answer and no progress within {}",
        humantime::format_duration(patience)
    );
    let remedy = "Give its calls more time with \"callTimeout\" in its entry.";
    Refusal::of_server("timed_out", Fault::Server, server, message, remedy).retry_unsafe()
}
