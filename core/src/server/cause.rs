use std::{fmt, time::Duration};

/// Why a server is not connected: typed, in words for people, with what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The kind, for programs.
    pub kind: CauseKind,
    /// What happened. Holds no text written by the server.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The last lines of the server's standard error, oldest first. Written by the server.
    pub last_lines: Vec<String>,
    /// After what time it may be tried again, where the server says so.
    pub retry_after: Option<Duration>,
}

/// The kind of a [`Cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CauseKind {
    /// No such program.
    CommandNotFound,
    /// The program could not be started.
    SpawnFailed,
    /// The process ended.
    Exited,
    /// The connection ended.
    ConnectionLost,
    /// The address forgets its sessions, more often than they are renewed for.
    SessionExpired,
    /// No answer to `initialize`, or to the first lists, in time.
    InitTimeout,
    /// What it answered is not MCP.
    InvalidReply,
    /// It speaks no revision that we do.
    UnsupportedRevision,
    /// It answered `initialize` with an error.
    InitializeRefused,
    /// Nothing listens at the address, or it cannot be reached.
    Unreachable,
    /// The address shows a certificate that is not trusted.
    Untrusted,
    /// The address sends elsewhere.
    Redirected,
    /// The address answers with something that is no MCP endpoint, such as a web page.
    NotMcp,
    /// The address answers with an HTTP error.
    HttpStatus,
    /// It wants a person to sign in.
    SignInNeeded,
    /// A line or event is longer than allowed.
    MessageTooLong,
    /// An error of ours.
    Internal,
}

impl CauseKind {
    /// Returns the word that REST and metrics carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommandNotFound => "command_not_found",
            Self::SpawnFailed => "spawn_failed",
            Self::Exited => "exited",
            Self::ConnectionLost => "connection_lost",
            Self::SessionExpired => "session_expired",
            Self::InitTimeout => "init_timeout",
            Self::InvalidReply => "invalid_reply",
            Self::UnsupportedRevision => "unsupported_revision",
            Self::InitializeRefused => "initialize_refused",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "certificate_not_trusted",
            Self::Redirected => "redirected",
            Self::NotMcp => "not_mcp",
            Self::HttpStatus => "http_status",
            Self::SignInNeeded => "sign_in_needed",
            Self::MessageTooLong => "message_too_long",
            Self::Internal => "internal",
        }
    }

    /// Whether another attempt can only end the same way, until a person does something.
    pub const fn is_final(self) -> bool {
        match self {
            Self::CommandNotFound
            | Self::SpawnFailed
            | Self::UnsupportedRevision
            | Self::Redirected
            | Self::NotMcp
            | Self::SignInNeeded => true,
            Self::Exited
            | Self::ConnectionLost
            | Self::SessionExpired
            | Self::InitTimeout
            | Self::InvalidReply
            | Self::InitializeRefused
            | Self::Unreachable
            | Self::Untrusted
            | Self::HttpStatus
            | Self::MessageTooLong
            | Self::Internal => false,
        }
    }
}

impl Cause {
    /// Makes a cause without lines of the server's.
    pub fn new(kind: CauseKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: remedy.into(),
            last_lines: Vec::new(),
            retry_after: None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
