//! What each system does in its own way: holding a tree of processes, recognising a program,
//! asking the login shell. Both sides offer the same functions, and this is the only place that
//! chooses.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::guard_main;
#[cfg(unix)]
pub(super) use unix::{
    Guard, Standby, Tree, candidates, guard, is_executable, login_path, same_variable,
};

#[cfg(windows)]
pub use windows::guard_main;
#[cfg(windows)]
pub(super) use windows::{
    Guard, Standby, Tree, candidates, guard, is_executable, login_path, same_variable,
};
