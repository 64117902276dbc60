use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::PathBuf,
    process::{
        ChildStderr as StdChildStderr, ChildStdin as StdChildStdin, ChildStdout as StdChildStdout,
        Stdio,
    },
    time::Duration,
};

use rustix::process::Pid;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use super::{
    guard_file, kin,
    lifeline::{self, Order, Report},
};
use crate::process::{Ended, Pipes, SpawnError, command::Launch};

/// How long a guard may take to receive a launch that is larger than the socket's buffer. It reads
/// within a millisecond of its start; one that does not is no guard.
const LAUNCH_MAX: Duration = Duration::from_secs(2);

/// A server and everything it started, held by a guard.
#[derive(Debug)]
pub(in crate::process) struct Tree {
    guard: Child,
    guard_id: Option<Pid>,
    lifeline: UnixStream,
    /// A report that has come in part.
    partial: [u8; Report::BYTES],
    partial_bytes: usize,
    closed: bool,
    program: PathBuf,
    server: Option<Pid>,
    ended: Option<Ended>,
}

impl Tree {
    /// Starts a guard and tells it what to start.
    pub(in crate::process) fn spawn(launch: Launch) -> Result<(Self, Pipes), SpawnError> {
        let path = guard_file::find()?;
        let streams = Streams::new().map_err(|source| SpawnError::Io { source })?;
        match begin(&path, &launch, &streams) {
            Ok((guard, lifeline)) => {
                let pipes = streams
                    .ours
                    .into_pipes()
                    .map_err(|source| SpawnError::Io { source })?;
                let guard_id = guard.id().and_then(|id| i32::try_from(id).ok());
                let tree = Self {
                    guard,
                    guard_id: guard_id.and_then(Pid::from_raw),
                    lifeline,
                    partial: [0; Report::BYTES],
                    partial_bytes: 0,
                    closed: false,
                    program: launch.program,
                    server: None,
                    ended: None,
                };
                Ok((tree, pipes))
            }
            Err(source) => Err(SpawnError::Guard { path, source }),
        }
    }

    /// Returns the server's process id, once its guard has told it.
    pub(in crate::process) fn id(&self) -> Option<u32> {
        self.server
            .and_then(|server| u32::try_from(server.as_raw_pid()).ok())
    }

    /// Waits for the guard's first report. Cancel-safe.
    pub(in crate::process) async fn started(&mut self) -> Result<u32, Ended> {
        loop {
            if let Some(ended) = &self.ended {
                return Err(ended.clone());
            }
            if let Some(id) = self.id() {
                return Ok(id);
            }
            self.hear().await;
        }
    }

    /// Waits for the guard's last report. Cancel-safe.
    pub(in crate::process) async fn ended(&mut self) -> Ended {
        loop {
            if let Some(ended) = &self.ended {
                return ended.clone();
            }
            self.hear().await;
        }
    }

    /// Waits until the guard has found everything gone and has ended itself. Cancel-safe.
    pub(in crate::process) async fn gone(&mut self) {
        while !self.closed {
            self.hear().await;
        }
        let guard_did_its_work = match self.guard.wait().await {
            Ok(status) => status.success(),
            Err(_) => false,
        };
        if !guard_did_its_work {
            self.take_over();
        }
    }

    /// Asks the server and everything it started to end.
    pub(in crate::process) async fn terminate(&mut self) {
        self.order(Order::Terminate).await;
    }

    /// Kills the server and everything it started.
    pub(in crate::process) async fn kill(&mut self) {
        self.order(Order::Kill).await;
    }

    /// Kills without the guard, which has not done what it was told: somebody may have stopped it.
    pub(in crate::process) fn force(&mut self) {
        // It fails when the guard has ended. What is left is killed once the end is noticed.
        let _ = self.guard.start_kill();
    }

    async fn order(&mut self, order: Order) {
        // It fails when the guard is gone, which whoever waits for it is told.
        let _ = self.lifeline.write_all(&[order.encode()]).await;
    }

    /// Takes in what comes next on the lifeline. Cancel-safe: what has been read is kept.
    async fn hear(&mut self) {
        let rest = self
            .partial
            .get_mut(self.partial_bytes..)
            .unwrap_or_default();
        match self.lifeline.read(rest).await {
            Ok(count @ 1..) => {
                self.partial_bytes += count;
                if self.partial_bytes == Report::BYTES {
                    self.partial_bytes = 0;
                    self.take_in(self.partial);
                }
            }
            Ok(_) | Err(_) => {
                self.closed = true;
                if self.ended.is_none() {
                    self.take_over();
                    self.ended = Some(Ended::GuardLost);
                }
            }
        }
    }

    fn take_in(&mut self, report: [u8; Report::BYTES]) {
        match Report::decode(report) {
            Some(Report::Spawned(id)) => self.server = Pid::from_raw(id),
            Some(Report::ExecFailed(errno)) => {
                let program = self.program.clone();
                self.ended = Some(Ended::ExecFailed { program, errno });
            }
            Some(Report::Exited(code)) => self.ended = Some(Ended::Code(code)),
            Some(Report::Signaled(signal)) => self.ended = Some(Ended::Signal(signal)),
            None => tracing::warn!(?report, "unknown report of a guard"),
        }
    }

    /// Does for a guard that was killed what is left to do.
    fn take_over(&self) {
        if let Some(guard) = self.guard_id {
            kin::kill_abandoned(guard, self.server);
        }
    }
}

/// Both ends of a server's standard streams.
struct Streams {
    theirs: [OwnedFd; 3],
    ours: Ours,
}

struct Ours {
    stdin: StdChildStdin,
    stdout: StdChildStdout,
    stderr: StdChildStderr,
}

impl Streams {
    fn new() -> io::Result<Self> {
        let (stdin, write_end) = io::pipe()?;
        let (read_end, stdout) = io::pipe()?;
        let (error_end, stderr) = io::pipe()?;
        Ok(Self {
            theirs: [stdin.into(), stdout.into(), stderr.into()],
            ours: Ours {
                stdin: OwnedFd::from(write_end).into(),
                stdout: OwnedFd::from(read_end).into(),
                stderr: OwnedFd::from(error_end).into(),
            },
        })
    }
}

impl Ours {
    fn into_pipes(self) -> io::Result<Pipes> {
        Ok(Pipes {
            stdin: ChildStdin::from_std(self.stdin)?,
            stdout: ChildStdout::from_std(self.stdout)?,
            stderr: ChildStderr::from_std(self.stderr)?,
        })
    }
}

/// Starts the guard in `path`, with the lifeline as its standard input, and sends it the launch.
fn begin(
    path: &std::path::Path,
    launch: &Launch,
    streams: &Streams,
) -> io::Result<(Child, UnixStream)> {
    let (lifeline, theirs) = StdUnixStream::pair()?;
    lifeline.set_write_timeout(Some(LAUNCH_MAX))?;
    let guard = Command::new(path)
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let [stdin, stdout, stderr] = &streams.theirs;
    lifeline::send(
        &lifeline,
        launch,
        [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
    )?;
    lifeline.set_nonblocking(true)?;
    Ok((guard, UnixStream::from_std(lifeline)?))
}
