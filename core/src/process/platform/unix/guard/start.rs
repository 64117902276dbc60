//! The start of a server by its guard.
//!
//! On Linux the guard lends the child its memory until the child has executed the program, as
//! `posix_spawn` does, which has no word for a child that dies with its parent. A fork would copy
//! the guard's page tables, and each page that either of them writes to, for nothing.

#[cfg(target_os = "linux")]
#[path = "start/lent.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "start/forked.rs"]
mod system;

use std::os::fd::OwnedFd;

use rustix::process::Pid;

use crate::process::command::Launch;

/// Starts the server, which is alone to hold its ends of the three streams. It leads a group of its
/// own, and where the system knows how, it ends with this process.
///
/// # Errors
/// With the system's number, when it does not execute the program.
pub(super) fn start(launch: Launch, streams: [OwnedFd; 3]) -> Result<Pid, i32> {
    system::start(launch, streams)
}
