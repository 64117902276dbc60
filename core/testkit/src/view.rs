//! What REST and the events say of servers, in the words of the interface.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A server, as every surface shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// What holds for it.
    pub condition: String,
    /// The same in a sentence.
    pub sentence: String,
    /// The one thing that would help.
    pub action: Option<String>,
    /// How it is reached.
    pub transport: Option<String>,
    /// `kind`, and what is true in it.
    pub phase: Value,
    /// `connected` or `disconnected`.
    pub wish: String,
    /// What went wrong.
    pub error: Option<ServerError>,
    /// What would run.
    pub launch: Option<Launch>,
    /// The number of its catalog.
    pub epoch: Option<u64>,
    /// What it offers, counted.
    pub tools: ToolCounts,
    /// Since when the condition holds.
    pub since: String,
}

/// What went wrong with a server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ServerError {
    /// For programs.
    pub kind: String,
    /// For people.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// What would run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Launch {
    /// Names exactly this.
    pub id: String,
    /// Whether a person has approved it.
    pub approved: bool,
    /// Everything else that is shown of it.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// How many tools a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ToolCounts {
    /// Seen by clients.
    pub offered: usize,
    /// Held.
    pub held: usize,
}

impl Server {
    /// Returns whether its condition is `condition`.
    pub fn is(&self, condition: &str) -> bool {
        self.condition == condition
    }

    /// Returns whether it is in quarantine with `action` as the one thing that would help.
    pub fn awaits(&self, action: &str) -> bool {
        self.is("in_quarantine") && self.action.as_deref() == Some(action)
    }

    /// Returns the kind of its error, or nothing.
    pub fn error_kind(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.kind)
    }

    /// Returns the id of its launch.
    ///
    /// # Panics
    /// When it has none.
    pub fn launch_id(&self) -> &str {
        let launch = self.launch.as_ref();
        &launch.unwrap_or_else(|| panic!("{self:?} has a launch")).id
    }
}
