//! Windows: every server runs in a job object that ends all its members when its last handle is
//! closed, by us or by the death of the core. No guard is needed.

mod job;

use std::{
    convert::Infallible,
    env,
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};
use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, CREATE_SUSPENDED};

use self::job::Job;
use super::super::{Ended, Environment, Pipes, SpawnError, command::Launch};

/// How often the job is asked whether it is empty while a server is being ended. The system tells
/// it only through a completion port, which is much for the few milliseconds that this takes.
const GONE_CHECK: Duration = Duration::from_millis(10);

/// The extensions of programs where `PATHEXT` is not set.
const EXTENSIONS: &str = ".COM;.EXE;.BAT;.CMD";

/// A server and everything it started, held by a job.
#[derive(Debug)]
pub(in crate::process) struct Tree {
    server: Child,
    id: Option<u32>,
    job: Job,
}

impl Tree {
    /// Starts the server inside a new job.
    pub(in crate::process) fn spawn(
        _guard: Guard,
        launch: Launch,
    ) -> Result<(Self, Pipes), SpawnError> {
        let job = Job::new().map_err(|source| SpawnError::Io { source })?;
        let spawned = Command::new(&launch.program)
            .args(&launch.args)
            .current_dir(&launch.cwd)
            .env_clear()
            .envs(launch.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Suspended, so that nothing it starts comes before the job.
            .creation_flags(CREATE_NO_WINDOW | CREATE_SUSPENDED)
            .kill_on_drop(true)
            .spawn();
        let mut server = match spawned {
            Ok(server) => server,
            Err(source) => {
                return Err(SpawnError::Exec {
                    program: launch.program,
                    source,
                });
            }
        };
        job.take_in(&server)
            .map_err(|source| SpawnError::Io { source })?;
        let streams = (
            server.stdin.take(),
            server.stdout.take(),
            server.stderr.take(),
        );
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(SpawnError::Io {
                source: io::ErrorKind::BrokenPipe.into(),
            });
        };
        let id = server.id();
        Ok((
            Self { server, id, job },
            Pipes {
                stdin,
                stdout,
                stderr,
            },
        ))
    }

    /// Returns the server's process id.
    pub(in crate::process) fn id(&self) -> Option<u32> {
        self.id
    }

    /// Returns the process id: a server that was spawned has started.
    pub(in crate::process) async fn started(&mut self) -> Result<u32, Ended> {
        match self.id {
            Some(id) => Ok(id),
            None => Err(self.ended().await),
        }
    }

    /// Waits for the server's end. Cancel-safe.
    pub(in crate::process) async fn ended(&mut self) -> Ended {
        match self.server.wait().await {
            Ok(status) => {
                // What it left behind ends with it, as it does under a guard.
                self.job.terminate();
                Ended::Code(status.code().unwrap_or_default())
            }
            Err(_) => Ended::GuardLost,
        }
    }

    /// Waits until the job has no members. Cancel-safe.
    pub(in crate::process) async fn gone(&mut self) {
        while !self.job.is_empty() {
            tokio::time::sleep(GONE_CHECK).await;
        }
    }

    /// Does nothing: a program without a window cannot be asked to end here.
    #[expect(clippy::unused_async, reason = "the other systems wait here")]
    pub(in crate::process) async fn terminate(&mut self) {}

    /// Ends every member of the job.
    #[expect(clippy::unused_async, reason = "the other systems wait here")]
    pub(in crate::process) async fn kill(&mut self) {
        self.job.terminate();
    }

    /// Ends every member of the job once more.
    pub(in crate::process) fn force(&mut self) {
        self.job.terminate();
    }
}

/// Returns the files that `path` may mean as a program: itself if it has one of the extensions of
/// programs, else with each of them.
pub(in crate::process) fn candidates(path: &Path) -> impl Iterator<Item = PathBuf> {
    let extensions = env::var("PATHEXT").unwrap_or_else(|_| EXTENSIONS.to_owned());
    let extensions: Vec<_> = extensions.split(';').filter(|it| !it.is_empty()).collect();
    let has_one = path.extension().is_some_and(|own| {
        extensions
            .iter()
            .any(|it| own.eq_ignore_ascii_case(it.trim_start_matches('.')))
    });
    let files: Vec<PathBuf> = if has_one {
        vec![path.to_owned()]
    } else {
        let with = |extension: &&str| {
            let mut file = path.as_os_str().to_owned();
            file.push(extension);
            file.into()
        };
        extensions.iter().map(with).collect()
    };
    files.into_iter()
}

/// Whether we may execute the file: its extension has said so.
pub(in crate::process) fn is_executable(_file: &Path) -> bool {
    true
}

/// Whether two names mean the same variable of the environment.
pub(in crate::process) fn same_variable(one: &OsStr, other: &OsStr) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Returns nothing: a program started at login has the person's `PATH` already.
pub(in crate::process) async fn login_path(
    _environment: &Environment,
) -> Result<Option<OsString>, Infallible> {
    Ok(None)
}

/// Nothing: jobs do a guard's work.
#[derive(Debug)]
pub(in crate::process) struct Guard;

impl Guard {
    /// Does nothing.
    pub(in crate::process) const fn fork() -> Result<Self, SpawnError> {
        Ok(Self)
    }
}

/// Nothing: jobs do a guard's work.
#[derive(Debug)]
pub(in crate::process) struct Standby;

impl Standby {
    /// Does nothing.
    pub(in crate::process) const fn begin() -> Self {
        Self
    }
}

/// Returns nothing: jobs do a guard's work.
pub(in crate::process) const fn guard() -> Option<Result<PathBuf, SpawnError>> {
    None
}

/// Says that there is nothing to guard.
pub fn guard_main() -> ExitCode {
    // Nobody may be listening, and there is nothing else to tell.
    let _ = writeln!(
        io::stderr(),
        "narthex-guard has no use on Windows, where jobs do its work"
    );
    ExitCode::from(2)
}
