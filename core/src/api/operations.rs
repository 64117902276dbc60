//! What can be asked of a core, whoever asks: REST and the handle in process call the same. An
//! operation takes what it needs, and returns what goes on the wire or the problem that does.

mod clients;
mod servers;
mod settings;

use axum::http::StatusCode;

use super::{Answer, Api, wire};
use crate::{config::EditError, supervisor::Order};

impl Api {
    /// Returns the core itself.
    pub fn status(&self) -> wire::Status {
        let now = self.view.snapshot();
        let (connected, wanted) = now.connected_of_wanted();
        wire::Status {
            instance: self.view.instance().to_owned(),
            revision: now.revision,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            address: self.facts.address.to_string(),
            home: self.facts.home.clone(),
            since: humantime::format_rfc3339_millis(self.facts.since).to_string(),
            paused: now.paused,
            clients: now.clients,
            connected,
            wanted,
            loosened: self.facts.loosened.clone(),
            problems: now.problems.to_vec(),
        }
    }

    /// Has the core end, for the desktop that asks. The home is free when it has ended.
    ///
    /// # Errors
    /// When a person started it: then it is theirs to end.
    pub fn hand_over(&self) -> Answer<()> {
        let Some(handed_over) = &self.handed_over else {
            return Err(wire::ProblemDetails::new(
                StatusCode::CONFLICT,
                "not-handed-over",
                "a person started this core, and it ends when they end it",
                "Use this one, or end it first.",
            ));
        };
        tracing::info!("asked to hand over to a desktop");
        handed_over.cancel();
        Ok(())
    }

    /// Has all servers rest (`true`), or go on as was wanted before.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn pause(&self, paused: bool) -> Answer<wire::Accepted> {
        Ok(self.supervisor.order(Order::Pause(paused)).await?)
    }
}

/// Does what waits for the disk aside.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EditError> + Send + 'static,
) -> Answer<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| {
        Err(EditError::Io {
            doing: "edit",
            path: Default::default(),
            source: std::io::Error::other(error),
        })
    });
    done.map_err(|error| wire::ProblemDetails::not_written(&error))
}
