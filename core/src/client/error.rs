use std::{io, net::SocketAddr, path::PathBuf};

use reqwest::StatusCode;

use crate::{api::wire::ProblemDetails, home::HomeError};

/// Why a core did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No core runs in this home folder.
    #[error("no core is running")]
    NoCore,
    /// Something of a person's is missing: an approval, another state (409), a right (403).
    #[error("{}", .0.detail)]
    Refused(Box<ProblemDetails>),
    /// There is nothing of this name.
    #[error("{}", .0.detail)]
    NotFound(Box<ProblemDetails>),
    /// No answer came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The core could not do it: what was sent was not valid, or something broke.
    #[error("{}", .0.detail)]
    Rejected(Box<ProblemDetails>),
    /// The home folder is not known.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The credential could not be read.
    #[error("cannot read the credential in {}", path.display())]
    Credential {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A credential is only ever sent to this machine.
    #[error("{0} is not on this machine's loopback")]
    NotLoopback(SocketAddr),
    /// What the core sent is not what this version understands.
    #[error("the core sent something that this version does not understand")]
    Malformed(#[source] serde_json::Error),
    /// The connection failed, or the answer made no sense.
    #[error("the connection to the core failed")]
    Transport(#[source] reqwest::Error),
}

impl ClientError {
    /// Sorts an answer that is not a success.
    pub(crate) fn of(details: Box<ProblemDetails>) -> Self {
        match StatusCode::from_u16(details.status) {
            Ok(StatusCode::CONFLICT | StatusCode::FORBIDDEN) => Self::Refused(details),
            Ok(StatusCode::NOT_FOUND) => Self::NotFound(details),
            Ok(StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT) => Self::TimedOut,
            Ok(_) | Err(_) => Self::Rejected(details),
        }
    }

    /// Returns what kind of error it is, for programs: a word such as `in-quarantine`.
    pub fn kind(&self) -> &str {
        match self {
            Self::NoCore => "no-core",
            Self::Refused(details) | Self::NotFound(details) | Self::Rejected(details) => {
                let kind = details.kind.as_str();
                kind.strip_prefix("urn:narthex:").unwrap_or(kind)
            }
            Self::TimedOut => "timed-out",
            Self::Home(_) => "no-home",
            Self::Credential { .. } => "no-credential",
            Self::NotLoopback(_) => "not-loopback",
            Self::Malformed(_) => "malformed",
            Self::Transport(_) => "connection-failed",
        }
    }

    /// Returns what a person can do about it.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::NoCore => Some("Start Narthex, or run `narthex serve`."),
            Self::Refused(details) | Self::NotFound(details) | Self::Rejected(details) => {
                Some(details.remedy.as_str()).filter(|remedy| !remedy.is_empty())
            }
            Self::TimedOut => Some("Look at the core's log, or try again."),
            Self::Home(_) => Some("Name a folder with --home."),
            Self::Credential { .. } => {
                Some("Run this as the person who runs Narthex, and with the same home folder.")
            }
            Self::NotLoopback(_) => Some("Listen on 127.0.0.1 or [::1]."),
            Self::Malformed(_) => Some("Use the `narthex` of the version that runs."),
            Self::Transport(_) => Some("Look whether the core still runs: `narthex status`."),
        }
    }
}

impl From<Box<ProblemDetails>> for ClientError {
    fn from(details: Box<ProblemDetails>) -> Self {
        Self::of(details)
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::NoCore
        } else {
            Self::Transport(error)
        }
    }
}
