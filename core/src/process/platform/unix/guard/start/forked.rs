use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, Stdio},
};

use rustix::{io::Errno, process::Pid};

use crate::process::command::Launch;

/// See [`super::start`].
pub(super) fn start(launch: Launch, streams: [OwnedFd; 3]) -> Result<Pid, i32> {
    let [stdin, stdout, stderr] = streams;
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
    let refused = |error: io::Error| error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
    let server = command.spawn().map_err(refused)?;
    // The guard reaps whatever ends below it, this child among them.
    i32::try_from(server.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(Errno::SRCH.raw_os_error())
}
