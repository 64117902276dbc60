use std::{future::pending, pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time::Sleep};

use super::{flights::Boarded, session::Held};
use crate::{
    mcp::{Refusal, Spliced, refusal::Fault},
    server::ServerName,
};

/// A call under way, with all that its end can come from.
pub(super) struct Flying {
    /// The answer.
    pub(super) answer: Pin<Box<dyn Future<Output = Spliced> + Send>>,
    /// The progress.
    pub(super) notices: Option<mpsc::Receiver<Bytes>>,
    /// The time for the next progress or the answer.
    pub(super) deadline: Pin<Box<Sleep>>,
    /// How long that is.
    pub(super) patience: Duration,
    /// Whether the client cancels it.
    pub(super) boarded: Boarded<Held>,
    /// What is called, for the answer if the time runs out.
    pub(super) server: ServerName,
    /// The request's id, for that answer.
    pub(super) id: Bytes,
}

impl Flying {
    /// Gives the call up, and returns what the client is told.
    pub(super) fn time_out(&self) -> Bytes {
        self.boarded.time_out();
        timed_out(self.server.as_str(), self.patience).response(&self.id)
    }
}

/// Returns the next progress; forever pending where there will be none. Cancel-safe.
pub(super) async fn next_notice(notices: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match notices {
        Some(notices) => notices.recv().await,
        None => pending().await,
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
