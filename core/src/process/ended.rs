use std::{fmt, io, path::PathBuf};

use super::SpawnError;

/// How a server's process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It never began: the system refused to execute the program.
    ExecFailed {
        /// The program, as it was looked up.
        program: PathBuf,
        /// The system's reason.
        errno: i32,
    },
    /// Its guard was killed, and it with its guard.
    GuardLost,
}

impl Ended {
    /// What a killed process reports, for one whose report cannot be waited for.
    pub(super) const KILLED: Self = Self::Signal(9);

    /// Returns the error that this is when the program never began, for its word and its remedy.
    pub fn as_spawn_error(&self) -> Option<SpawnError> {
        match self {
            Self::ExecFailed { program, errno } => Some(SpawnError::Exec {
                program: program.clone(),
                source: io::Error::from_raw_os_error(*errno),
            }),
            Self::Code(_) | Self::Signal(_) | Self::GuardLost => None,
        }
    }

    /// Whether it ended of its own will and without complaint.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Code(code) => *code == 0,
            Self::Signal(_) | Self::ExecFailed { .. } | Self::GuardLost => false,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "was ended by {name}"),
                None => write!(f, "was ended by signal {signal}"),
            },
            Self::ExecFailed { program, errno } => write!(
                f,
                "`{}` could not be executed: {}",
                program.display(),
                io::Error::from_raw_os_error(*errno)
            ),
            Self::GuardLost => f.write_str("ended because its guard was lost"),
        }
    }
}

/// Names the signals whose numbers are the same on every Unix.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}
