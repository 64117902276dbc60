//! Where programs are found: what a shell does between a command's name and its file.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::{SpawnError, platform};

pub(super) use platform::same_variable;

/// Overrides where `narthex-guard` is taken from.
const GUARD_VARIABLE: &str = "NARTHEX_GUARD";

/// Finds the program that `command` means: a name in one of the folders of `path`, or a path,
/// which starts at `cwd` if it is relative.
///
/// As in a shell, a file that may not be executed does not end the search, but is what is told if
/// nothing better is found. An empty folder in `path` is skipped: it would mean the working folder,
/// and is always a slip.
pub(super) fn find(command: &str, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, SpawnError> {
    let folders: Vec<PathBuf> = if is_path(command) {
        vec![cwd.to_owned()]
    } else {
        env::split_paths(path.unwrap_or_default())
            .filter(|folder| !folder.as_os_str().is_empty())
            .map(|folder| cwd.join(folder))
            .collect()
    };
    let mut not_executable = None;
    if !command.is_empty() {
        for folder in &folders {
            for candidate in platform::candidates(&folder.join(command)) {
                match candidate.metadata() {
                    Ok(metadata) if metadata.is_file() => {}
                    Ok(_) | Err(_) => continue,
                }
                if platform::is_executable(&candidate) {
                    return Ok(candidate);
                }
                not_executable.get_or_insert(candidate);
            }
        }
    }
    match not_executable {
        Some(path) => Err(SpawnError::NotExecutable { path }),
        None => Err(SpawnError::CommandNotFound {
            command: command.to_owned(),
            searched: if is_path(command) {
                vec![cwd.join(command)]
            } else {
                folders
            },
        }),
    }
}

fn is_path(command: &str) -> bool {
    command.chars().any(std::path::is_separator)
}

/// Finds `narthex-guard`: where the environment says, or beside this program.
pub(super) fn find_guard() -> Result<PathBuf, SpawnError> {
    if let Some(guard) = env::var_os(GUARD_VARIABLE).filter(|guard| !guard.is_empty()) {
        let guard = PathBuf::from(guard);
        return if guard.is_file() {
            Ok(guard)
        } else {
            Err(missing(vec![guard]))
        };
    }
    let program = env::current_exe().unwrap_or_default();
    let beside = program.parent().unwrap_or(Path::new(""));
    let name = OsString::from(format!("narthex-guard{}", env::consts::EXE_SUFFIX));
    let mut searched = vec![beside.join(&name)];
    // Cargo puts the programs that run tests one folder below the others.
    if beside.ends_with("deps") {
        searched.extend(beside.parent().map(|folder| folder.join(&name)));
    }
    match searched.iter().find(|guard| guard.is_file()) {
        Some(guard) => Ok(guard.clone()),
        None => Err(missing(searched)),
    }
}

fn missing(searched: Vec<PathBuf>) -> SpawnError {
    SpawnError::GuardMissing { searched }
}
