//! Unix: every server is the child of a guard.

mod guard;
mod guard_file;
mod kin;
mod lifeline;
mod login;
mod tree;
mod warden;

use std::{
    ffi::OsStr,
    iter,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use crate::process::SpawnError;

pub use guard::guard_main;
pub(in crate::process) use login::login_path;
pub(in crate::process) use tree::{Guard, Tree};
pub(in crate::process) use warden::Standby;

/// Returns the guard that servers are started under.
pub(in crate::process) fn guard() -> Option<Result<PathBuf, SpawnError>> {
    Some(guard_file::find())
}

/// Returns the files that `path` may mean as a program.
pub(in crate::process) fn candidates(path: &Path) -> impl Iterator<Item = PathBuf> {
    iter::once(path.to_owned())
}

/// Whether we may execute the file.
pub(in crate::process) fn is_executable(file: &Path) -> bool {
    access(file, Access::EXEC_OK).is_ok()
}

/// Whether two names mean the same variable of the environment.
pub(in crate::process) fn same_variable(one: &OsStr, other: &OsStr) -> bool {
    one == other
}
