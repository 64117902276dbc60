//! The types that cross a wire: REST, events and the desktop carry the same ones. They are apart
//! from the types the core thinks in, so that a change inside does not change what scripts read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What holds for a server, in one word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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
}

/// The one thing that would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
        last_line: Option<String>,
    },
    /// Up.
    Connected {
        /// Since when (RFC 3339, UTC).
        since: String,
        /// What the server says it is called, and its version.
        #[serde(skip_serializing_if = "Option::is_none")]
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
pub struct Implementation {
    /// Its name. Written by the server.
    pub name: String,
    /// Its version. Written by the server.
    pub version: String,
}

/// Why a server rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// That it runs.
    Connected,
    /// That it does not.
    Disconnected,
}

/// What went wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerError {
    /// The kind of error, for programs, such as `command_not_found`.
    pub kind: String,
    /// What happened, for people.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Where in the file, for an entry that is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Problem>,
    /// The last lines of the server's standard error, oldest first. Written by the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

/// What would run, with values masked. References to the environment are shown as they stand in the
/// file; the id names what they stand for too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Launch {
    /// Names exactly what would run; an approval names it.
    pub id: String,
    /// Whether a person has approved exactly this.
    pub approved: bool,
    /// The program, for a child process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its working folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The variables added to its environment; the values are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The address, for a server over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The headers sent to it; the values are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// How many tools of a server clients see, and how many are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolCounts {
    /// In clients' lists: none of a server that is disconnected, paused, off or in quarantine.
    pub offered: usize,
    /// Held until a person has approved them: all, in quarantine.
    pub held: usize,
}

/// One server, the same object for every surface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// `GET /servers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
pub struct OneServer {
    /// Names this run of the core.
    pub instance: String,
    /// The revision of the view.
    pub revision: u64,
    /// The server.
    pub server: Server,
}

/// Whether clients see a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionState {
    /// Clients see it.
    Offered,
    /// It is new: no person has seen it.
    New,
    /// It differs from what a person approved.
    Changed,
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tool {
    /// Its name. Written by the server.
    pub name: String,
    /// The name clients see at `/mcp`.
    pub offered_as: String,
    /// Whether clients see it.
    pub state: DefinitionState,
    /// The definition as the server gave it.
    #[schema(value_type = Object)]
    pub definition: serde_json::Value,
}

/// `GET /servers/{name}/tools`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolList {
    /// The revision of the view.
    pub revision: u64,
    /// The tools, in the server's order.
    pub tools: Vec<Tool>,
    /// The prompts, in the server's order.
    #[serde(default)]
    pub prompts: Vec<Tool>,
    /// The templates of resources, in the server's order; each is named by its template.
    #[serde(default)]
    pub templates: Vec<Tool>,
    /// The server's instructions, if it gave any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Instructions>,
}

/// A server's instructions, with what a person's review made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instructions {
    /// Whether clients see them.
    pub state: DefinitionState,
    /// What they say. Written by the server.
    pub definition: String,
}

/// Where a log line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// A line on the server's standard output that is not a message.
    Stdout,
    /// A line on its standard error.
    Stderr,
    /// A line of the core about it.
    Core,
}

/// A line of a server's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// Where from.
    pub stream: LogStream,
    /// The text, without its newline.
    pub line: String,
}

/// `GET /servers/{name}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// The last lines, oldest first.
    pub lines: Vec<LogLine>,
}

/// `POST /servers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewServer {
    /// Its name: the key in the file.
    pub name: String,
    /// The entry as it shall stand in the file.
    #[schema(value_type = Object)]
    pub entry: serde_json::Value,
}

/// The answer to a change of the file that leaves the server there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// The revision that shows it.
    pub revision: u64,
    /// The server as the view has it.
    pub server: Server,
}

/// The answer to a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedServer {
    /// The revision that no longer shows it.
    pub revision: u64,
}

/// The answer to a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The command's id, which its events and log lines repeat.
    pub command: String,
    /// The revision that records it; of two commands the higher one is the last.
    pub revision: u64,
}

/// The answer to an approval that waits for the desktop's window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// The command's id.
    pub command: String,
    /// What it waits for: `confirmation`.
    pub pending: String,
}

/// `POST /servers/{name}/approve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The launch that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// The epoch of the catalog that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The explicit word for whatever it offers first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers: Option<Offers>,
}

/// The explicit word for what has not been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Offers {
    /// Whatever it offers first.
    FirstSeen,
}

/// Something in the file that cannot be used, or a notice about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; null where there is none.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The server concerned, if one is.
    pub server: Option<String>,
    /// The field concerned, such as `args[2]`.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// An event of `GET /events`. Its SSE name is the variant's, its id `{instance}-{revision}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
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

/// An error outside MCP (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// A name for the kind of problem, such as `urn:narthex:not-approved`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// The fields of the request concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// `POST /clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewClient {
    /// What the client shall be called.
    pub name: String,
}

/// The answer to a new client: the only time its token is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientToken {
    /// What the client is called.
    pub name: String,
    /// The credential: `narthex_client_…`.
    pub token: String,
}

/// A client that may speak MCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Client {
    /// What it is called.
    pub name: String,
    /// When it was added (RFC 3339, UTC).
    pub added: String,
}

/// `GET /clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientList {
    /// The clients, by name.
    pub clients: Vec<Client>,
}

/// `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
