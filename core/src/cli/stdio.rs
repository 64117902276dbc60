//! `narthex stdio`: the bridge for clients that only start processes. Lines of standard input are
//! posted to `/mcp`, and what comes back becomes lines of standard output; in between nothing is
//! read that need not be.
//!
//! The session of a client outlives the core: when the core was restarted, the bridge begins
//! another one with the client's own `initialize` and goes on.

mod envelope;
mod link;
mod pipes;
mod reach;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{Context, Exit, Failure};
use envelope::{Envelope, Kind};
use link::Link;

/// How long calls in flight may still be answered once the client has closed its end. Clients kill
/// what has not ended after two seconds.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Runs the command: until standard input ends.
pub(super) async fn run(context: &Context, client: Option<String>) -> Result<Exit, Failure> {
    let mut lines = pipes::input();
    let (output, written) = pipes::output();
    let link = Link::attach(context.home.clone(), client, output).await?;
    let link = Arc::new(link);
    let mut in_flight = JoinSet::new();
    let mut terminated = pin!(terminated());
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = link.closed() => None,
            () = &mut terminated => None,
            // What has ended is taken out, so that a long session does not collect it.
            Some(_) = in_flight.join_next() => continue,
        };
        let Some(line) = line else { break };
        let envelope = match Envelope::read(&line) {
            Ok(envelope) => envelope,
            Err(refusal) => {
                link.say(refusal).await;
                continue;
            }
        };
        match envelope.kind {
            // What comes behind these may rely on them: they keep their order.
            Kind::Initialize => link.initialize(line, &envelope).await,
            Kind::Initialized => {
                link.carry(line, &envelope).await;
                link.listen().await;
            }
            Kind::Other => link.carry(line, &envelope).await,
            Kind::Request => {
                let link = Arc::clone(&link);
                in_flight.spawn(async move { link.carry(line, &envelope).await });
                // Lets it be sent before what the next line may say about it.
                tokio::task::yield_now().await;
            }
        }
    }
    let answered = async { while in_flight.join_next().await.is_some() {} };
    // What is not answered by then is cancelled with the session.
    let _ = tokio::time::timeout(LAST_ANSWERS, answered).await;
    in_flight.shutdown().await;
    link.end().await;
    drop(link);
    // The writer ends when it has written what it was given, or when nobody reads any more.
    let _ = tokio::time::timeout(LAST_ANSWERS, written).await;
    Ok(Exit::Done)
}

/// Returns when the client wants us to end and says so by a signal.
#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        // Then the signal ends us, as it ends every program.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

#[cfg(test)]
mod tests;
