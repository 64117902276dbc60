//! macOS and the rest: process groups only. A daemon that left its group is not ours to find.

use rustix::{
    io,
    process::{Pid, Signal, kill_process_group, test_kill_process_group},
};

/// Nothing collects orphans here.
pub(in super::super) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// Returns at once: a guard that closes its lifeline ends next.
pub(in super::super) async fn ended(_process: Pid) {
    std::future::ready(()).await;
}

/// Sends `signal` to the group that `server` leads.
pub(in super::super) fn signal_descendants(server: Pid, signal: Signal) {
    // It fails when nobody is left, which is what is wanted.
    let _ = kill_process_group(server, signal);
}

/// Whether the group that `server` led has members, when we have no children any more.
pub(in super::super) fn any_left(server: Pid) -> bool {
    test_kill_process_group(server).is_ok()
}

/// Kills what a killed guard has left behind.
pub(in super::super) fn kill_abandoned(_guard: Pid, server: Option<Pid>) {
    if let Some(server) = server {
        signal_descendants(server, Signal::KILL);
    }
}
