use std::{
    io,
    path::Path,
    process::{Command as StdCommand, Stdio},
};

use tokio::process::{Child, Command};

/// A program that outlives us: in a session of its own, in the home's folder, with none of our
/// pipes. If it ends first, the runtime reaps it.
pub(super) fn start(
    program: &Path,
    args: &[&str],
    home: Option<&Path>,
    folder: &Path,
    stdout: Stdio,
) -> io::Result<Child> {
    let mut command = StdCommand::new(program);
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null());
    if let Some(home) = home {
        command.arg("--home").arg(home);
    }
    spawn(command)
}

#[cfg(unix)]
fn spawn(mut command: StdCommand) -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: `setsid` is a single system call, which may be made between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    Command::from(command).spawn()
}

#[cfg(windows)]
fn spawn(command: StdCommand) -> io::Result<Child> {
    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    const CREATE_BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
    let mut command = Command::from(command);
    let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    // A job of the client's would end it with the client; not every job lets go.
    let free = command.creation_flags(flags | CREATE_BREAKAWAY_FROM_JOB);
    free.spawn()
        .or_else(|_| command.creation_flags(flags).spawn())
}
