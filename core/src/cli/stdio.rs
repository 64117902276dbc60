//! `narthex stdio`: the bridge for clients that only start processes. Lines of standard input are
//! posted to `/mcp`, and what comes back becomes lines of standard output; in between nothing is
//! changed.
//!
//! Where no core runs, one is brought up ([`reach`]). The session of a client outlives the core:
//! when there is another one, the bridge begins a session there with the client's own `initialize`,
//! asks for what the client had asked for, and goes on.

mod desktop;
mod detached;
mod envelope;
mod hints;
mod link;
mod long;
mod pipes;
mod questions;
mod reach;
mod standing;
mod trouble;

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::task::{AbortHandle, JoinSet};

use super::{Context, Exit, Failure};
use crate::app::EndSignal;
use envelope::{Envelope, Kind};
use link::Link;
use pipes::Line;

/// How long calls in flight may still be answered once the client has closed its end. Clients kill
/// what has not ended after two seconds.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The longest name of a client, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Runs the command: until standard input ends, or a signal says so.
pub(super) async fn run(context: &Context, client: Option<String>) -> Result<Exit, Failure> {
    let client = client.map(named).transpose()?;
    let mut lines = pipes::input();
    let (output, written) = pipes::output();
    let link = Arc::new(Link::new(context.home.clone(), client, output)?);
    let mut carried = Carried::default();
    let preparing = Arc::clone(&link);
    carried
        .tasks
        .spawn(async move { preparing.prepare().await });
    let mut told = pin!(EndSignal::listen()?.wait());
    let patience = loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = link.closed() => break Duration::ZERO,
            () = &mut told => break Duration::ZERO,
            // What has ended is taken out, so that a long session does not collect it.
            Some(_) = carried.tasks.join_next() => continue,
        };
        let Some(line) = line else { break LAST_ANSWERS };
        take(&link, &mut carried, line).await;
    };
    carried.end(patience).await;
    link.end().await;
    let exit = link.exit();
    drop(link);
    // The writer ends when it has written what it was given, or when nobody reads any more.
    let _ = tokio::time::timeout(LAST_ANSWERS, written).await;
    Ok(exit)
}

/// Does what a line wants.
async fn take(link: &Arc<Link>, carried: &mut Carried, line: Line) {
    let read = match line {
        Line::Short(line) => Envelope::read(line),
        Line::Long { bytes, id } => Err(envelope::too_long(bytes, &id)),
    };
    let envelope = match read {
        Ok(envelope) => envelope,
        Err(refusal) => return link.say(refusal).await,
    };
    match envelope.kind {
        // What comes behind these may rely on them: they keep their order.
        Kind::Initialize => link.initialize(&envelope).await,
        Kind::Initialized => {
            link.tell(&envelope).await;
            link.listen();
        }
        Kind::Cancelled => {
            link.tell(&envelope).await;
            // The core may have heard of it before the call that it takes back.
            carried.cancel(envelope.cancels());
        }
        Kind::Notice | Kind::Answer => link.tell(&envelope).await,
        Kind::Request | Kind::Batch => {
            carried.carry(Arc::clone(link), envelope);
            // Lets it be sent before what the next line may say about it.
            tokio::task::yield_now().await;
        }
    }
}

/// The requests that are being carried.
#[derive(Debug, Default)]
struct Carried {
    tasks: JoinSet<()>,
    by_id: HashMap<Bytes, AbortHandle>,
}

impl Carried {
    fn carry(&mut self, link: Arc<Link>, envelope: Envelope) {
        let ids = envelope.ids().to_vec();
        let task = self.tasks.spawn(async move { link.carry(&envelope).await });
        if self.by_id.len() > 2 * self.tasks.len() {
            self.by_id.retain(|_, task| !task.is_finished());
        }
        for id in ids {
            self.by_id.insert(id, task.clone());
        }
    }

    fn cancel(&mut self, id: Option<&[u8]>) {
        if let Some(task) = id.and_then(|id| self.by_id.remove(id)) {
            task.abort();
        }
    }

    /// Waits for the last answers; what is not answered by then is cancelled.
    async fn end(&mut self, patience: Duration) {
        let answered = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, answered).await;
        self.tasks.shutdown().await;
    }
}

/// Returns a name that people can read and a header can hold.
fn named(name: String) -> Result<String, Failure> {
    let fits = (1..=NAME_CHARS_MAX).contains(&name.len());
    if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(name);
    }
    let detail = "a client's name has 1 to 64 letters, digits and signs of ASCII, without spaces";
    Err(Failure::new(Exit::Usage, detail).remedy("Use a name such as claude-desktop."))
}

#[cfg(test)]
mod tests;
