//! The whole of `narthex-guard`. Started by a core, it is the core's warden: it forks a guard for
//! each server that the core wants to start. A guard starts one server, watches it and the core,
//! and sees that nothing of the one outlives the other.
//!
//! Each has a single thread and sleeps until the core says something; a guard's one `poll` without
//! a timeout hears of the end of a process too. What they link is kept small: there is a guard for
//! every server.

mod footprint;
mod start;
mod wakeups;
mod watch;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::ExitCode,
};

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{getpid, setsid},
    stdio,
};

use self::{start::start, wakeups::Wakeups, watch::Watch};
use super::{
    kin,
    lifeline::{self, Report},
};
use crate::process::command::Launch;

/// Runs `narthex-guard`, whose standard input is the warden's socket.
pub fn guard_main() -> ExitCode {
    let core = match begin() {
        Ok(core) => core,
        Err(error) => return useless(&error),
    };
    loop {
        let lifeline = match lifeline::take_over(&core) {
            Ok(Some(lifeline)) => lifeline,
            // The core is gone, and every guard has heard of it by itself.
            Ok(None) => return ExitCode::SUCCESS,
            Err(error) => return useless(&error),
        };
        // SAFETY: this process has a single thread, so that its copy is whole.
        match unsafe { libc::fork() } {
            0 => {
                drop(core);
                return guard(lifeline);
            }
            -1 => refuse(&lifeline, &io::Error::last_os_error()),
            _ => {}
        }
    }
}

/// Tells whoever started the program by hand. Nobody may be listening, and there is nothing else
/// to tell.
fn useless(error: &io::Error) -> ExitCode {
    let _ = writeln!(
        io::stderr(),
        "narthex-guard is started by Narthex and is of no use by itself: {error}"
    );
    ExitCode::from(2)
}

/// Takes the warden's socket from standard input, and leaves the session of whoever started the
/// core, so that no terminal's signals reach it.
fn begin() -> io::Result<UnixStream> {
    close_inherited();
    let core = UnixStream::from(fcntl_dupfd_cloexec(stdio::stdin(), 3)?);
    stdio::dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
    // A group leader cannot leave, and has a session or a group of its own already.
    let _ = setsid();
    // SAFETY: no handler is set; the system reaps the guards that end. Each of them handles the
    // signal anew, before it has a child.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
    }
    Ok(core)
}

/// Is the guard that `lifeline` belongs to.
fn guard(lifeline: UnixStream) -> ExitCode {
    report(&lifeline, Report::Forked(getpid().as_raw_pid()));
    let Ok((launch, streams, wakeups)) = hear(&lifeline) else {
        return ExitCode::FAILURE;
    };
    let lifeline = match start(launch, streams) {
        Ok(server) => {
            report(&lifeline, Report::Spawned(server.as_raw_pid()));
            Watch::new(lifeline, wakeups, server).run()
        }
        Err(errno) => {
            report(&lifeline, Report::ExecFailed(errno));
            Some(lifeline)
        }
    };
    if let Some(lifeline) = lifeline {
        report(&lifeline, Report::Gone);
    }
    ExitCode::SUCCESS
}

/// Receives the launch and prepares for what comes of it.
fn hear(lifeline: &UnixStream) -> io::Result<(Launch, [OwnedFd; 3], Wakeups)> {
    let (launch, streams) = lifeline::receive(lifeline)?;
    lifeline.set_nonblocking(true)?;
    setsid()?;
    kin::adopt_orphans()?;
    Ok((launch, streams, Wakeups::install()?))
}

/// Tells the core that there is no guard for this lifeline.
fn refuse(lifeline: &UnixStream, error: &io::Error) {
    let errno = error.raw_os_error().unwrap_or_default();
    report(lifeline, Report::ExecFailed(errno));
    report(lifeline, Report::Gone);
}

/// Closes every descriptor but the standard ones. Libraries of a desktop, and whoever started it,
/// leave some open that were meant for no other program; a server should neither read them nor
/// keep them from ending.
fn close_inherited() {
    let Ok(open) = fs::read_dir("/dev/fd") else {
        return;
    };
    let open: Vec<i32> = open
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // SAFETY: nothing of this program has opened a descriptor yet. The one through which the
        // folder was read is closed already, which makes this call fail and do no harm.
        unsafe {
            libc::close(descriptor);
        }
    }
}

/// Tells the core, if there still is one.
fn report(mut lifeline: &UnixStream, report: Report) {
    let _ = lifeline.write_all(&report.encode());
}
