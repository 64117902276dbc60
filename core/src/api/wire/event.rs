use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Server};

/// What is told to those who follow a core. As a server-sent event of `GET /events` the name and the
/// data stand apart, under the id `{instance}-{revision}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The first event of a subscriber that does not resume.
    Hello(Hello),
    /// A server as it is at this revision.
    Server(Box<ServerChanged>),
    /// A server that is there no longer.
    Removed(ServerRemoved),
    /// What is true of all.
    Core(CoreChanged),
    /// Something was missed; fetch.
    Gap(Gap),
}

impl Event {
    /// Returns its revision.
    pub const fn revision(&self) -> u64 {
        match self {
            Self::Hello(hello) => hello.revision,
            Self::Server(changed) => changed.revision,
            Self::Removed(removed) => removed.revision,
            Self::Core(changed) => changed.revision,
            Self::Gap(gap) => gap.revision,
        }
    }
}

/// See [`Event::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hello {
    /// Names this run of the core.
    pub instance: String,
    /// The revision of the view.
    pub revision: u64,
}

/// See [`Event::Server`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerChanged {
    /// The revision.
    pub revision: u64,
    /// The command that caused it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The whole object.
    pub server: Server,
}

/// See [`Event::Removed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerRemoved {
    /// The revision.
    pub revision: u64,
    /// The server's name.
    pub name: String,
}

/// See [`Event::Core`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoreChanged {
    /// The revision.
    pub revision: u64,
    /// The command that caused it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Whether all servers are paused.
    pub paused: bool,
    /// How many clients have a session.
    pub clients: usize,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
}

/// See [`Event::Gap`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// The revision of the view.
    pub revision: u64,
}
