//! Where the guard's file is.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::process::SpawnError;

const NAME: &str = "narthex-guard";

/// Overrides where the file is taken from.
const VARIABLE: &str = "NARTHEX_GUARD";

/// Finds `narthex-guard`: where the environment says, or beside this program.
pub(super) fn find() -> Result<PathBuf, SpawnError> {
    if let Some(guard) = env::var_os(VARIABLE).filter(|guard| !guard.is_empty()) {
        let guard = PathBuf::from(guard);
        return if guard.is_file() {
            Ok(guard)
        } else {
            Err(missing(vec![guard]))
        };
    }
    let program = env::current_exe().unwrap_or_default();
    let beside = program.parent().unwrap_or(Path::new(""));
    let mut searched = vec![beside.join(NAME)];
    // Cargo puts the programs that run tests one folder below the others.
    if beside.ends_with("deps") {
        searched.extend(beside.parent().map(|folder| folder.join(NAME)));
    }
    match searched.iter().find(|guard| guard.is_file()) {
        Some(guard) => Ok(guard.clone()),
        None => Err(missing(searched)),
    }
}

fn missing(searched: Vec<PathBuf>) -> SpawnError {
    SpawnError::GuardMissing { searched }
}
