//! Child processes: found, started under `narthex-guard`, and ended with all they started.
//!
//! On Unix the parent of a server is not the core but a guard, a tiny process of its own that
//! holds one end of a socket pair, the lifeline. Whatever happens to the core, the kernel closes
//! its end, and the guard ends the server and everything that came of it. Guards are forked by a
//! warden, the same program, which the core starts before the first and ends after the last. On
//! Windows a job object does the same, and no guard is needed.
//!
//! No text passes through a shell: a program is looked up here and started with its arguments as
//! they stand.
//!
//! # What cannot be held
//! A guard and its core that are killed at the same moment leave the processes that the server
//! started besides itself. On macOS nothing collects orphans, so that a daemon that left its
//! process group stays. A program that runs as another person (`sudo`) cannot be ended by us.

mod command;
mod ended;
mod environment;
mod error;
mod listener;
mod lookup;
mod patience;
mod platform;
mod source;

use std::{path::PathBuf, time::Duration};

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use self::platform::Tree;

pub use command::Command;
pub use ended::Ended;
pub use environment::Environment;
pub use error::SpawnError;
pub use listener::listener_at;
pub use patience::Patience;
pub use platform::guard_main;
pub use source::EnvironmentSource;

/// How long [`Process::end`] waits for what must come to pass: a killed server's end, and the end
/// of what a server left behind, which its guard gives half a second before it kills it. Later
/// than that, the guard itself hangs, or a process that the kernel cannot end.
const CLEAN_UP_MAX: Duration = Duration::from_secs(1);

/// A server's process with everything it started.
///
/// Dropping it ends them all, without waiting for it.
#[derive(Debug)]
pub struct Process {
    tree: Tree,
}

/// The three standard streams of a server, seen from our side.
///
/// Reading on after the server has ended may still bring something: a process that it left behind
/// holds the other ends until it is gone too.
#[derive(Debug)]
pub struct Pipes {
    /// What the server reads. Dropping it is the server's end of input.
    pub stdin: ChildStdin,
    /// What the server answers.
    pub stdout: ChildStdout,
    /// What the server says to people.
    pub stderr: ChildStderr,
}

/// Returns the guard that servers are started under; `None` where the system needs none.
pub fn guard() -> Option<Result<PathBuf, SpawnError>> {
    platform::guard()
}

/// What a server is started by: a guard that waits to be told what. On Windows it is nothing.
///
/// Dropping it ends it.
#[derive(Debug)]
pub struct Start {
    guard: platform::Guard,
}

impl Start {
    /// Has a guard forked. It takes some 100 microseconds, and a few more where the warden has to be
    /// started.
    ///
    /// # Errors
    /// When the guard cannot be found or started.
    pub fn prepare() -> Result<Self, SpawnError> {
        let guard = platform::Guard::fork()?;
        Ok(Self { guard })
    }

    /// Starts `command` with the variables of `environment` and its own.
    ///
    /// Must be called on a Tokio runtime. It waits neither for the guard nor for the server, unless
    /// the launch is larger than a socket's buffer. That the program could not be executed is told
    /// by [`Process::started`] and [`Process::ended`].
    ///
    /// # Errors
    /// When the program or its working folder cannot be found, or the guard is gone.
    pub fn spawn(
        self,
        command: &Command,
        environment: &Environment,
    ) -> Result<(Process, Pipes), SpawnError> {
        self.spawn_launch(command.launch(environment)?)
    }

    fn spawn_launch(self, launch: command::Launch) -> Result<(Process, Pipes), SpawnError> {
        let (tree, pipes) = Tree::spawn(self.guard, launch)?;
        Ok((Process { tree }, pipes))
    }
}

/// Starts `command` with the variables of `environment` and its own, under a guard forked for it.
/// See [`Start`].
///
/// # Errors
/// When the program, its working folder or the guard cannot be found or started.
pub fn spawn(command: &Command, environment: &Environment) -> Result<(Process, Pipes), SpawnError> {
    let launch = command.launch(environment)?;
    Start::prepare()?.spawn_launch(launch)
}

impl Process {
    /// Returns the server's own process id as far as it is known: once [`started`](Self::started)
    /// or [`ended`](Self::ended) has been polled.
    ///
    /// It is for people to see. It may belong to another process once the server has ended.
    pub fn id(&self) -> Option<u32> {
        self.tree.id()
    }

    /// Waits until the program has been executed, and returns its process id.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// With the way it ended, if it is over already or never began.
    pub async fn started(&mut self) -> Result<u32, Ended> {
        self.tree.started().await
    }

    /// Waits until the server has ended; processes that it started may still be on their way out.
    ///
    /// Cancel-safe, and answers again once it has answered.
    pub async fn ended(&mut self) -> Ended {
        self.tree.ended().await
    }

    /// Ends the server, if it has not ended, and returns when everything it started is gone.
    ///
    /// The caller has dropped [`Pipes::stdin`], which asks a server to end. What does not heed
    /// that is asked again by SIGTERM, and then killed. On Windows there is no such signal.
    pub async fn end(mut self, patience: Patience) -> Ended {
        let ended = self.end_server(patience).await;
        if !within(CLEAN_UP_MAX, self.tree.gone()).await {
            self.tree.force();
            if !within(CLEAN_UP_MAX, self.tree.gone()).await {
                tracing::warn!(
                    process.id = self.id(),
                    "processes of a server cannot be ended"
                );
            }
        }
        ended
    }

    async fn end_server(&mut self, patience: Patience) -> Ended {
        if let Ok(ended) = tokio::time::timeout(patience.stdin, self.tree.ended()).await {
            return ended;
        }
        self.tree.terminate().await;
        if let Ok(ended) = tokio::time::timeout(patience.term, self.tree.ended()).await {
            return ended;
        }
        self.tree.kill().await;
        match tokio::time::timeout(CLEAN_UP_MAX, self.tree.ended()).await {
            Ok(ended) => ended,
            // It will be: nothing waits for a killed process that hangs in the kernel.
            Err(_) => Ended::KILLED,
        }
    }
}

/// Whether `gone` came to pass within `limit`.
async fn within(limit: Duration, gone: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(limit, gone).await.is_ok()
}
