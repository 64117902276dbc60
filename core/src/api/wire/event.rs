use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Server};

/// What is told to those who follow a core. As a server-sent event of `GET /events` the name and the
/// data stand apart, under the id `{instance}-{revision}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(rename = "Envelope"))]
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
    /// An approval that waited for a person will not come.
    Declined(Declined),
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
            Self::Declined(declined) => declined.revision,
            Self::Gap(gap) => gap.revision,
        }
    }
}

/// See [`Event::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Hello {
    /// Names this run of the core.
    pub instance: String,
    /// The revision of the view.
    pub revision: u64,
}

/// See [`Event::Server`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ServerChanged {
    /// The revision.
    pub revision: u64,
    /// The command that caused it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub command: Option<String>,
    /// The whole object.
    pub server: Server,
}

/// See [`Event::Removed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ServerRemoved {
    /// The revision.
    pub revision: u64,
    /// The server's name.
    pub name: String,
}

/// See [`Event::Core`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct CoreChanged {
    /// The revision.
    pub revision: u64,
    /// The command that caused it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub command: Option<String>,
    /// Whether all servers are paused.
    pub paused: bool,
    /// How many clients have a session.
    pub clients: usize,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
}

/// See [`Event::Declined`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Declined {
    /// The revision.
    pub revision: u64,
    /// The command that asked for it.
    pub command: String,
    /// The server's name.
    pub name: String,
    /// Why not.
    pub why: WhyDeclined,
}

/// Why an approval that waited for a person will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum WhyDeclined {
    /// The person said no.
    AnsweredNo,
    /// The person said yes to something that is there no longer.
    MovedOn,
    /// The person did not answer.
    NotAnswered,
}

/// See [`Event::Gap`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Gap {
    /// The revision of the view.
    pub revision: u64,
}
