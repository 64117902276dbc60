use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Server;

/// What a person can ask of one server without changing the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// That it runs.
    Connect,
    /// That it does not.
    Disconnect,
    /// That it ends and begins again.
    Restart,
    /// That it is held until it is approved again.
    Quarantine,
}

impl Command {
    /// Returns the word that stands in an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Restart => "restart",
            Self::Quarantine => "quarantine",
        }
    }
}

/// `POST /servers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct NewServer {
    /// Its name: the key in the file.
    pub name: String,
    /// The entry as it shall stand in the file.
    #[schema(value_type = Object)]
    pub entry: serde_json::Value,
}

/// The answer to a change of the file that leaves the server there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Written {
    /// The revision that shows it.
    pub revision: u64,
    /// The server as the view has it.
    pub server: Server,
}

/// The answer to a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct RemovedServer {
    /// The revision that no longer shows it.
    pub revision: u64,
}

/// The answer to a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Accepted {
    /// The command's id, which its events and log lines repeat.
    pub command: String,
    /// The revision that records it; of two commands the higher one is the last.
    pub revision: u64,
}

/// The answer to an approval that waits for the desktop's window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Pending {
    /// The command's id.
    pub command: String,
    /// What it waits for: `confirmation`.
    pub pending: String,
}

/// The answer to an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum Approved {
    /// It holds.
    Accepted(Accepted),
    /// It waits for a person at the desktop's window.
    Pending(Pending),
}

/// `POST /servers/{name}/approve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The launch that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub launch: Option<String>,
    /// The epoch of the catalog that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub epoch: Option<u64>,
    /// The explicit word for whatever it offers first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub offers: Option<Offers>,
}

/// The explicit word for what has not been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Offers {
    /// Whatever it offers first.
    FirstSeen,
}
