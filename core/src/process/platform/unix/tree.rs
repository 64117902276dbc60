use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::PathBuf,
    process::{
        ChildStderr as StdChildStderr, ChildStdin as StdChildStdin, ChildStdout as StdChildStdout,
    },
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use super::{
    kin,
    lifeline::{self, Order, Report},
    warden::Warden,
};
use crate::process::{Ended, Pipes, SpawnError, command::Launch};

/// How long a guard may take to receive a launch that is larger than the socket's buffer. It reads
/// within a millisecond of its start; one that does not is no guard.
const LAUNCH_MAX: Duration = Duration::from_secs(2);

/// A guard that waits to be told what to start. It ends when it is dropped.
#[derive(Debug)]
pub(in crate::process) struct Guard {
    lifeline: StdUnixStream,
    warden: Arc<Warden>,
}

impl Guard {
    /// Has one forked.
    pub(in crate::process) fn fork() -> Result<Self, SpawnError> {
        let (lifeline, theirs) =
            StdUnixStream::pair().map_err(|source| SpawnError::Io { source })?;
        let warden = Warden::fork_guard(&theirs.into())?;
        Ok(Self { lifeline, warden })
    }
}

/// A server and everything it started, held by a guard.
#[derive(Debug)]
pub(in crate::process) struct Tree {
    /// Who was to fork the guard.
    warden: Arc<Warden>,
    /// The guard's process, once it has told it.
    guard: Option<Pid>,
    lifeline: UnixStream,
    /// A report that has come in part.
    partial: [u8; Report::BYTES],
    partial_bytes: usize,
    /// Whether the guard's side of the lifeline is closed.
    closed: bool,
    /// Whether the guard has said that nothing is left.
    all_gone: bool,
    program: PathBuf,
    server: Option<Pid>,
    ended: Option<Ended>,
}

impl Tree {
    /// Tells a guard what to start.
    pub(in crate::process) fn spawn(
        guard: Guard,
        launch: Launch,
    ) -> Result<(Self, Pipes), SpawnError> {
        let failed = |source| SpawnError::Io { source };
        let streams = Streams::new().map_err(failed)?;
        let Guard { lifeline, warden } = guard;
        let (sent, warden) = match send(lifeline, &launch, &streams) {
            // One that waited for long may have been ended meanwhile.
            Err(error) if is_gone(&error) => {
                let Guard { lifeline, warden } = Guard::fork()?;
                (send(lifeline, &launch, &streams), warden)
            }
            sent => (sent, warden),
        };
        let lifeline = sent.map_err(|source| warden.failed(source))?;
        let pipes = streams.ours.into_pipes().map_err(failed)?;
        let tree = Self {
            warden,
            guard: None,
            lifeline,
            partial: [0; Report::BYTES],
            partial_bytes: 0,
            closed: false,
            all_gone: false,
            program: launch.program,
            server: None,
            ended: None,
        };
        Ok((tree, pipes))
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
        if !self.all_gone {
            self.take_over();
        }
        if let Some(guard) = self.guard {
            kin::ended(guard).await;
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

    /// Kills without the guard, which has not done what it was told: somebody may have stopped it,
    /// or the warden that was to fork it.
    pub(in crate::process) fn force(&mut self) {
        match self.guard {
            // While it holds its side of the lifeline, the number is its own. What is left when it
            // is killed is killed once its end is noticed.
            Some(guard) if !self.closed => {
                let _ = kill_process(guard, Signal::KILL);
            }
            Some(_) => {}
            None => self.warden.give_up(),
        }
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
            Some(Report::Forked(id)) => self.guard = Pid::from_raw(id),
            Some(Report::Spawned(id)) => self.server = Pid::from_raw(id),
            Some(Report::ExecFailed(errno)) => {
                let program = self.program.clone();
                self.ended = Some(Ended::ExecFailed { program, errno });
            }
            Some(Report::Exited(code)) => self.ended = Some(Ended::Code(code)),
            Some(Report::Signaled(signal)) => self.ended = Some(Ended::Signal(signal)),
            Some(Report::Gone) => self.all_gone = true,
            None => tracing::warn!(?report, "unknown report of a guard"),
        }
    }

    /// Does for a guard that was killed what is left to do.
    fn take_over(&self) {
        if let Some(guard) = self.guard {
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

/// Whether nobody holds the other side of a lifeline.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// Sends the launch into our side of a lifeline.
fn send(lifeline: StdUnixStream, launch: &Launch, streams: &Streams) -> io::Result<UnixStream> {
    lifeline.set_write_timeout(Some(LAUNCH_MAX))?;
    let [stdin, stdout, stderr] = &streams.theirs;
    lifeline::send(
        &lifeline,
        launch,
        [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
    )?;
    lifeline.set_nonblocking(true)?;
    UnixStream::from_std(lifeline)
}
