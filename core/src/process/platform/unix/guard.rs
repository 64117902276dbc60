//! The whole of `narthex-guard`: starts one server, watches it and the core, and sees that nothing
//! of the one outlives the other.
//!
//! It has a single thread and sleeps in one `poll` without a timeout until the core says something
//! or a process ends. What it links is kept small: there is a guard for every server.

mod footprint;
mod wakeups;
mod watch;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, ExitCode, Stdio},
};

use rustix::{
    io::{Errno, fcntl_dupfd_cloexec},
    process::{Pid, getpid, setsid},
    stdio,
};

use self::{wakeups::Wakeups, watch::Watch};
use super::{
    kin,
    lifeline::{self, Report},
};
use crate::process::command::Launch;

/// Runs `narthex-guard`, whose standard input is the lifeline.
pub fn guard_main() -> ExitCode {
    let (lifeline, launch, streams) = match begin() {
        Ok(begun) => begun,
        Err(error) => {
            // Nobody may be listening, and there is nothing else to tell.
            let _ = writeln!(
                io::stderr(),
                "narthex-guard is started by Narthex and is of no use by itself: {error}"
            );
            return ExitCode::from(2);
        }
    };
    let wakeups = match Wakeups::install() {
        Ok(wakeups) => wakeups,
        Err(_) => return ExitCode::FAILURE,
    };
    match start(launch, streams) {
        Ok(server) => {
            report(&lifeline, Report::Spawned(server.as_raw_pid()));
            Watch::new(lifeline, wakeups, server).run();
        }
        Err(errno) => report(&lifeline, Report::ExecFailed(errno)),
    }
    ExitCode::SUCCESS
}

/// Receives the launch, and leaves the session of whoever started the core, so that no terminal's
/// signals reach the server.
fn begin() -> io::Result<(UnixStream, Launch, [OwnedFd; 3])> {
    close_inherited();
    let lifeline = UnixStream::from(fcntl_dupfd_cloexec(stdio::stdin(), 3)?);
    let (launch, streams) = lifeline::receive(&lifeline)?;
    lifeline.set_nonblocking(true)?;
    stdio::dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
    setsid()?;
    kin::adopt_orphans()?;
    Ok((lifeline, launch, streams))
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

/// Starts the server, which is alone to hold its ends of the three streams.
fn start(launch: Launch, streams: [OwnedFd; 3]) -> Result<Pid, i32> {
    let [stdin, stdout, stderr] = streams;
    let guard = getpid();
    let mut command = Command::new(launch.program);
    command
        .args(launch.args)
        .current_dir(launch.cwd)
        .env_clear()
        .envs(launch.env)
        .process_group(0)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    // SAFETY: the closure makes two system calls and allocates nothing, which is all that a child
    // may do between fork and exec.
    unsafe {
        command.pre_exec(move || Ok(kin::die_with_parent(guard)?));
    }
    let refused = |error: io::Error| error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
    let server = command.spawn().map_err(refused)?;
    // The guard reaps whatever ends below it, this child among them.
    i32::try_from(server.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(Errno::SRCH.raw_os_error())
}

/// Tells the core, if there still is one.
fn report(mut lifeline: &UnixStream, report: Report) {
    let _ = lifeline.write_all(&report.encode());
}
