use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Environment, SpawnError, lookup};
use crate::server::Secret;

/// What is to be started: one program with its arguments, as a person configured it.
#[derive(Debug, Clone)]
pub struct Command {
    /// A name to look up in `PATH`, or a path; a relative one starts at the working folder.
    pub program: String,
    /// Its arguments, each passed as it stands.
    pub args: Vec<String>,
    /// The working folder; `None` is the person's home folder.
    pub cwd: Option<PathBuf>,
    /// Variables beside those every child gets. An own `PATH` is also where the program is looked
    /// up.
    pub env: BTreeMap<String, Secret>,
}

/// A command with everything found and decided: what the system is asked to start.
pub(super) struct Launch {
    /// The absolute path of the program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<OsString>,
    /// The absolute path of the working folder.
    pub(super) cwd: PathBuf,
    /// Its whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
}

impl Command {
    /// Returns the program that would be started.
    ///
    /// # Errors
    /// When it or the working folder cannot be found or used.
    pub fn find(&self, environment: &Environment) -> Result<PathBuf, SpawnError> {
        Ok(self.launch(environment)?.program)
    }

    /// Looks up the program and the working folder.
    pub(super) fn launch(&self, environment: &Environment) -> Result<Launch, SpawnError> {
        let cwd = self.working_folder()?;
        let env = environment.for_child(
            self.env
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let path = env
            .iter()
            .find(|(name, _)| lookup::same_variable(name, "PATH".as_ref()));
        let program = lookup::find(&self.program, path.map(|(_, path)| path.as_os_str()), &cwd)?;
        Ok(Launch {
            program,
            args: self.args.iter().map(OsString::from).collect(),
            cwd,
            env,
        })
    }

    fn working_folder(&self) -> Result<PathBuf, SpawnError> {
        let wanted = match &self.cwd {
            Some(folder) => folder.clone(),
            None => env::home_dir().unwrap_or_else(|| PathBuf::from("/")),
        };
        match usable_folder(&wanted) {
            Ok(folder) => Ok(folder),
            Err(source) => Err(SpawnError::WorkingFolder {
                path: wanted,
                source,
            }),
        }
    }
}

fn usable_folder(folder: &Path) -> io::Result<PathBuf> {
    let folder = std::path::absolute(folder)?;
    if fs::metadata(&folder)?.is_dir() {
        Ok(folder)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}
