//! Where programs are found: what a shell does between a command's name and its file.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{SpawnError, platform};

pub(super) use platform::same_variable;

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
