use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Status {
    /// Names this run of the core.
    pub instance: String,
    /// The revision of the view.
    pub revision: u64,
    /// The core's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Where it listens: `127.0.0.1:7410`.
    pub address: String,
    /// The folder it holds.
    pub home: String,
    /// Since when it runs (RFC 3339, UTC).
    pub since: String,
    /// Whether all servers are paused.
    pub paused: bool,
    /// How many clients have a session.
    pub clients: usize,
    /// How many servers are connected.
    pub connected: usize,
    /// How many are wanted: approved, not off, not disconnected.
    pub wanted: usize,
    /// What is loosened for this run: `trust_config`, `no_client_auth`.
    pub loosened: Vec<String>,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
}
