//! What the page follows, handed to it through channels until either is gone.

use futures_util::StreamExt as _;
use narthex_core::{
    api::wire::{Event, LogEvent},
    client::{Client, LogEvents},
};
use serde::Serialize;
use tauri::ipc::Channel;

/// What the page is told while it follows the core.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Told {
    /// An event of the core.
    Core(Event),
    /// Something about the way to it.
    Way(Way),
}

/// See [`Told::Way`].
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub(crate) enum Way {
    /// The core, which is another process, cannot be reached. The next event says that it can.
    Lost {
        /// Why.
        message: String,
    },
}

/// Hands the core's events to the page.
pub(crate) async fn events(client: Client, channel: Channel<Told>) {
    let mut events = client.events();
    while let Some(event) = events.next().await {
        let told = match event {
            Ok(event) => Told::Core(event),
            Err(error) => Told::Way(Way::Lost {
                message: error.to_string(),
            }),
        };
        if channel.send(told).is_err() {
            return;
        }
    }
}

/// Hands a server's log to the page.
pub(crate) async fn log(mut log: LogEvents, channel: Channel<LogEvent>) {
    while let Some(event) = log.next().await {
        let is_heard = event
            .inspect_err(|error| tracing::debug!(%error, "log no longer followed"))
            .is_ok_and(|event| channel.send(event).is_ok());
        if !is_heard {
            return;
        }
    }
}
