use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// What holds for a server, in one word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It answers.
    Connected,
    /// It is being started or reached.
    Connecting,
    /// It was lost or did not start; another attempt is planned.
    Retrying,
    /// It was given up.
    Failed,
    /// It wants a person to sign in.
    SignInNeeded,
    /// It rests until it is called.
    Asleep,
    /// A person disconnected it.
    Disconnected,
    /// `enabled: false` in the file.
    Off,
    /// A person has yet to let it in.
    InQuarantine,
    /// All servers are paused.
    Paused,
    /// Its entry in the file cannot be used.
    NotValid,
    /// It is ending for good.
    Closing,
}

impl Condition {
    /// Every condition, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Connected,
        Self::Connecting,
        Self::Retrying,
        Self::Failed,
        Self::SignInNeeded,
        Self::Asleep,
        Self::Disconnected,
        Self::Off,
        Self::InQuarantine,
        Self::Paused,
        Self::NotValid,
        Self::Closing,
    ];

    /// Returns what people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connected => "Connected",
            Self::Connecting => "Connecting",
            Self::Retrying => "Retrying",
            Self::Failed => "Failed",
            Self::SignInNeeded => "Sign-in needed",
            Self::Asleep => "Asleep",
            Self::Disconnected => "Disconnected",
            Self::Off => "Off",
            Self::InQuarantine => "In quarantine",
            Self::Paused => "Paused",
            Self::NotValid => "Not valid",
            Self::Closing => "Closing",
        }
    }

    /// Whether a server of this condition counts among those that a person wants connected:
    /// approved, not off, not disconnected. A pause hides what was wished, but does not change it.
    pub fn is_wanted(self, wish: Wish) -> bool {
        match self {
            Self::Connected
            | Self::Connecting
            | Self::Retrying
            | Self::Failed
            | Self::SignInNeeded
            | Self::Asleep => true,
            Self::Paused => wish == Wish::Connected,
            Self::Disconnected
            | Self::Off
            | Self::InQuarantine
            | Self::NotValid
            | Self::Closing => false,
        }
    }
}

/// The one thing that would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Approve the launch.
    Approve,
    /// Review what it offers.
    Review,
    /// Connect it.
    Connect,
    /// Try again what was given up.
    TryAgain,
    /// Sign in.
    SignIn,
    /// Resume all servers.
    Resume,
    /// Look at the entry in the file.
    ShowInConfig,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TransportKind {
    /// A child process.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE.
    Sse,
}

/// Where the machine is in a server's lifecycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Phase {
    /// At rest.
    Idle {
        /// Why it rests.
        why: IdleReason,
    },
    /// On the way up.
    Connecting {
        /// Which attempt in a row this is, from 1.
        attempt: u32,
        /// How far it has come.
        stage: Stage,
        /// When the attempt began (RFC 3339, UTC).
        since: String,
        /// The last line of the server's standard error: what a download that takes long is at.
        /// Written by the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional))]
        last_line: Option<String>,
    },
    /// Up.
    Connected {
        /// Since when (RFC 3339, UTC).
        since: String,
        /// What the server says it is called, and its version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional))]
        implementation: Option<Implementation>,
        /// The protocol revision agreed on.
        protocol: String,
    },
    /// On the way down.
    Disconnecting,
    /// Lost, or not come up.
    Error {
        /// How many attempts in a row have failed.
        attempt: u32,
        /// When the next attempt is (RFC 3339, UTC); null when it was given up.
        retry_at: Option<String>,
        /// Whether no further attempt is planned.
        gave_up: bool,
    },
    /// Ended for good.
    Stopped,
}

/// A program's own name and version, as it gave them in `initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Implementation {
    /// Its name. Written by the server.
    pub name: String,
    /// Its version. Written by the server.
    pub version: String,
}

/// Why a server rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum IdleReason {
    /// `enabled: false` in the file.
    Off,
    /// A person has yet to approve its launch, or put it in quarantine.
    Quarantined,
    /// A person disconnected it.
    Disconnected,
    /// All servers are paused.
    Paused,
    /// It rests until it is called.
    Asleep,
}

/// How far an attempt to connect has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The process is being started, or the address reached.
    Starting,
    /// `initialize` was sent.
    Initializing,
    /// What it offers is being listed.
    Listing,
}

/// What a person wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// That it runs.
    Connected,
    /// That it does not.
    Disconnected,
}

/// What went wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ServerError {
    /// The kind of error, for programs, such as `command_not_found`.
    pub kind: String,
    /// What happened, for people.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Where in the file, for an entry that is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub at: Option<Problem>,
    /// The last lines of the server's standard error, oldest first. Written by the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

/// What would run, with values masked. References to the environment are shown as they stand in the
/// file; the id names what they stand for too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Launch {
    /// Names exactly what would run; an approval names it.
    pub id: String,
    /// Whether a person has approved exactly this.
    pub approved: bool,
    /// The program, for a child process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub cwd: Option<String>,
    /// The variables added to its environment; the values are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The address, for a server over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub url: Option<String>,
    /// The headers sent to it; the values are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// How many tools of a server clients see, and how many are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ToolCounts {
    /// In clients' lists: none of a server that is disconnected, paused, off or in quarantine.
    pub offered: usize,
    /// Held until a person has approved them: all, in quarantine.
    pub held: usize,
}

/// One server, the same object for every surface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Server {
    /// Its name: the key in the file.
    pub name: String,
    /// What holds for it.
    pub condition: Condition,
    /// The same in a sentence.
    pub sentence: String,
    /// The one thing that would help, or null.
    pub action: Option<Action>,
    /// How it is reached; null when the entry is not valid.
    pub transport: Option<TransportKind>,
    /// Where the machine is.
    pub phase: Phase,
    /// What a person wants of it.
    pub wish: Wish,
    /// What went wrong, or null.
    pub error: Option<ServerError>,
    /// What would run; null when the entry is not valid.
    pub launch: Option<Launch>,
    /// Grows by one with every change of what it offers; null before a first catalog.
    pub epoch: Option<u64>,
    /// How many tools clients see.
    pub tools: ToolCounts,
    /// Since when the condition holds (RFC 3339, UTC).
    pub since: String,
}

impl Server {
    /// Whether a person wants it connected; see [`Condition::is_wanted`].
    pub fn is_wanted(&self) -> bool {
        self.condition.is_wanted(self.wish)
    }
}

/// `GET /servers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ServerList {
    /// Names this run of the core.
    pub instance: String,
    /// The revision of the view.
    pub revision: u64,
    /// The servers, by name.
    pub servers: Vec<Server>,
}

/// `GET /servers/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct OneServer {
    /// Names this run of the core.
    pub instance: String,
    /// The revision of the view.
    pub revision: u64,
    /// The server.
    pub server: Server,
}
