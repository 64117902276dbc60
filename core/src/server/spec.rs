use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use url::Url;

use super::Secret;

/// What a person configured for one server, checked and with its references to the environment
/// resolved. Two equal specs need no restart between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// How the server is reached.
    pub transport: Transport,
    /// The texts of the transport that refer to the environment, as they stand in the file.
    pub written: Written,
    /// `enabled` of the entry; `false` is shown as "Off".
    pub enabled: bool,
    /// `quarantined` of the entry; `true` keeps it from running whatever was approved.
    pub quarantined: bool,
    /// `initTimeout` of the entry. `None`: the default, which is longer for a launch that has
    /// never connected.
    pub init_timeout: Option<Duration>,
    /// How long a call may go without an answer or progress.
    pub call_timeout: Duration,
    /// How many calls may be in flight at once.
    pub max_concurrent: usize,
    /// Whether clients share one connection.
    pub session: SessionMode,
}

impl Spec {
    /// The default of `callTimeout`.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(120);
    /// The default of `maxConcurrent`.
    pub const MAX_CONCURRENT: usize = 64;
    /// The default of `initTimeout` for a launch that has connected before.
    pub const INIT_TIMEOUT: Duration = Duration::from_secs(60);
    /// The default of `initTimeout` for a launch that has never connected: the first start of an
    /// `npx` or `uvx` entry downloads packages.
    pub const INIT_TIMEOUT_FIRST: Duration = Duration::from_secs(300);

    /// Returns a spec for `transport` with every default of the configuration's reference.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            written: Written::default(),
            enabled: true,
            quarantined: false,
            init_timeout: None,
            call_timeout: Self::CALL_TIMEOUT,
            max_concurrent: Self::MAX_CONCURRENT,
            session: SessionMode::Shared,
        }
    }
}

impl Spec {
    /// Returns the spec with the older of the HTTP transports.
    pub fn over_sse(&self) -> Self {
        let mut older = self.clone();
        if let Transport::Http { flavor, .. } = &mut older.transport {
            *flavor = HttpFlavor::Sse;
        }
        older
    }

    /// Whether a server that runs by `before` must be started anew to run by this one. Deadlines
    /// are looked up when they are needed.
    pub fn wants_new_start_after(&self, before: &Self) -> bool {
        self.transport != before.transport
            || self.max_concurrent != before.max_concurrent
            || self.session != before.session
    }
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A child process that speaks MCP over its standard input and output.
    Stdio {
        /// The program, as written: a name to look up in `PATH`, or a path.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// The working folder; `None` is the person's home folder.
        cwd: Option<PathBuf>,
        /// Variables added to the environment every child gets.
        env: BTreeMap<String, Value>,
    },
    /// An address that speaks MCP over HTTP.
    Http {
        /// The address.
        url: Url,
        /// Headers sent with every request.
        headers: BTreeMap<String, Value>,
        /// Which of the HTTP transports.
        flavor: HttpFlavor,
    },
}

/// Texts that hold references to the environment, as they stand in the file: what people are shown,
/// since what a reference stands for may be a secret. What runs, and what an approval names, is the
/// resolved text. A text without a reference is not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The command.
    pub command: Option<String>,
    /// Arguments, by their place.
    pub args: BTreeMap<usize, String>,
    /// The working folder.
    pub cwd: Option<String>,
    /// The address.
    pub url: Option<String>,
}

/// A value that may hold a secret: a variable of the environment or a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text as it stands in the file, with `${env:NAME}` unresolved. What a person approves is
    /// this reference, so that a rotated secret does not ask again.
    pub written: Secret,
    /// The text with every reference resolved: what is sent.
    pub resolved: Secret,
}

/// Which of the HTTP transports a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFlavor {
    /// Streamable HTTP, or the older HTTP+SSE if the server turns out to speak only that.
    Auto,
    /// Streamable HTTP.
    Streamable,
    /// HTTP+SSE, the transport of 2024-11-05.
    Sse,
}

/// Whether clients share one connection to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMode {
    /// All clients share one connection.
    Shared,
    /// Each client's session has a connection of its own.
    PerClient,
}
