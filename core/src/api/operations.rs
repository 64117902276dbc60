//! What can be asked of a core, whoever asks: REST and the handle in process call the same. An
//! operation takes what it needs, and returns what goes on the wire or the problem that does.

mod clients;
mod servers;

use super::{Answer, Api, wire};
use crate::supervisor::Order;

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

    /// Has all servers rest (`true`), or go on as was wanted before.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn pause(&self, paused: bool) -> Answer<wire::Accepted> {
        Ok(self.supervisor.order(Order::Pause(paused)).await?)
    }
}
