use std::{env, io, path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    cli::{Exit, Failure, call},
    client::{ClientError, mcp::Endpoint},
    home::Home,
};

/// How long a core may take until it listens. It does so before any server is started.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the lock is looked at while a core starts. The folder may not exist yet, so there is
/// nothing to watch; it happens once in the life of a core.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The code of a core that found the folder held: another was faster.
const HELD: i32 = 3;

/// Finds the core, and starts one where none runs. Of two that race, one wins, and both attach
/// to it.
pub(super) async fn core(
    home: Option<PathBuf>,
    client: Option<String>,
) -> Result<Endpoint, Failure> {
    let place = Home::locate(home.clone()).map_err(ClientError::Home)?;
    let mut started: Option<Child> = None;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match call::endpoint(&place, None, client.clone()) {
            Ok(endpoint) => return Ok(endpoint),
            Err(ClientError::NoCore) => {}
            Err(error) => return Err(error.into()),
        }
        match &mut started {
            None => started = Some(start(home.clone())?),
            Some(child) => match child.try_wait()?.map(|status| status.code()) {
                None | Some(Some(HELD)) => {}
                Some(code) => {
                    let code = code.map_or("a signal".to_owned(), |code| code.to_string());
                    return Err(Failure::new(
                        Exit::NoCore,
                        format!("the core ended at its start ({code})"),
                    )
                    .remedy("See why: narthex serve"));
                }
            },
        }
        if Instant::now() >= deadline {
            return Err(
                Failure::new(Exit::TimedOut, "the core did not come up in time")
                    .remedy("See why: narthex serve"),
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Starts a core that outlives us, for other clients, until nobody uses it: in a session of its own,
/// with none of our pipes. If it ends first, the runtime reaps it.
fn start(home: Option<PathBuf>) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["serve", "--until-unused"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(home) = home {
        command.arg("--home").arg(home);
    }
    detach(&mut command);
    command.spawn()
}

#[cfg(unix)]
fn detach(command: &mut Command) {
    // SAFETY: `setsid` is a single system call, which may be made between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
}

#[cfg(windows)]
fn detach(command: &mut Command) {
    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}
