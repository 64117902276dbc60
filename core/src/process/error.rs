use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a server's process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No program of this name is where programs are looked for.
    #[error("command `{command}` not found; searched {}", listed(searched))]
    CommandNotFound {
        /// The command, as it was written.
        command: String,
        /// The folders of `PATH`, in order; for a command that is a path, that one path.
        searched: Vec<PathBuf>,
    },
    /// There is such a file, but it may not be executed.
    #[error("`{}` is not an executable program", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The server's working folder cannot be used.
    #[error("working folder `{}` cannot be used", path.display())]
    WorkingFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `narthex-guard`, a part of this program, is missing.
    #[error("`narthex-guard` not found; searched {}", listed(searched))]
    GuardMissing {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// `narthex-guard` is there but does not do its work.
    #[error("failed to start `{}`", path.display())]
    Guard {
        /// The guard that was tried.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The system refused to execute the program.
    #[error("failed to execute `{}`", program.display())]
    Exec {
        /// The program, as it was looked up.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The pipes to the server could not be made.
    #[error("failed to make the pipes to the server")]
    Io {
        /// The system's reason.
        source: io::Error,
    },
}

impl SpawnError {
    /// Returns the word for this error that stays the same across releases.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CommandNotFound { .. } => "command_not_found",
            Self::NotExecutable { .. } => "not_executable",
            Self::WorkingFolder { .. } => "working_folder",
            Self::GuardMissing { .. } => "guard_missing",
            Self::Guard { .. } => "guard_failed",
            Self::Exec { .. } => "exec_failed",
            Self::Io { .. } => "io",
        }
    }

    /// Returns what a person can do about it, as a sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::CommandNotFound { command, .. } if command.starts_with('~') => format!(
                "Write the full path of the program; `~` in `{command}` is not replaced, as no shell is involved."
            ),
            Self::CommandNotFound { command, .. } if command.contains(char::is_whitespace) => {
                "Put the program alone into `command` and each of its arguments into `args`."
                    .to_owned()
            }
            Self::CommandNotFound { command, .. } => format!(
                "Install `{command}`, or write its full path (`which {command}` in a terminal shows it) as `command`."
            ),
            Self::NotExecutable { path } => {
                format!("Make it executable (`chmod +x {}`), or run it through its interpreter.", path.display())
            }
            Self::WorkingFolder { path, .. } => {
                format!("Create `{}`, or change `cwd`.", path.display())
            }
            Self::GuardMissing { .. } | Self::Guard { .. } => {
                "Install Narthex again: a part of it is missing or does not fit the rest.".to_owned()
            }
            Self::Exec { .. } => {
                "Check that the program is made for this machine and that the interpreter named in its first line is installed."
                    .to_owned()
            }
            Self::Io { .. } => "Close something: the system has run out of files or processes.".to_owned(),
        }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "nothing: PATH is empty".to_owned();
    }
    let paths: Vec<_> = paths
        .iter()
        .map(|path| Path::display(path).to_string())
        .collect();
    paths.join(", ")
}
