//! A server made of a few lines of shell, and a witness of its end.

use std::{collections::BTreeMap, path::Path, time::Duration};

use narthex_core::{
    process::{Command, Environment, Pipes, Process, spawn},
    server::Secret,
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    net::unix::pipe,
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::timeout,
};

/// What is promised of every end, whoever dies.
pub(super) const PROMISE: Duration = Duration::from_secs(5);

pub(super) struct Server {
    pub(super) process: Process,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Lines<BufReader<ChildStdout>>,
    pub(super) stderr: ChildStderr,
}

impl Server {
    /// Starts `sh -c script`, with the name of the witness, if there is one, in `$WITNESS`.
    pub(super) fn start(script: &str, witness: Option<&Path>) -> Self {
        let mut env = BTreeMap::new();
        if let Some(witness) = witness {
            env.insert("WITNESS".to_owned(), Secret::new(witness.to_str().unwrap()));
        }
        let command = Command {
            program: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            cwd: None,
            env,
        };
        let (process, pipes) = spawn(&command, &Environment::of_this_process()).unwrap();
        Self::of(process, pipes)
    }

    pub(super) fn of(process: Process, pipes: Pipes) -> Self {
        Self {
            process,
            stdin: Some(pipes.stdin),
            stdout: BufReader::new(pipes.stdout).lines(),
            stderr: pipes.stderr,
        }
    }

    /// Waits for the next line that the server says.
    pub(super) async fn line(&mut self) -> String {
        timeout(PROMISE, self.stdout.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    /// Waits for all that the server says until nobody can say any more.
    pub(super) async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = timeout(PROMISE, self.stdout.next_line())
            .await
            .unwrap()
            .unwrap()
        {
            lines.push(line);
        }
        lines
    }
}

/// A named pipe that a server opens with `exec 9>"$WITNESS"` and that all it starts inherit: it
/// ends when the last of them is gone, whoever their parent is.
pub(super) struct Witness {
    folder: tempfile::TempDir,
    reader: pipe::Receiver,
}

impl Witness {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let reader = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        Self { folder, reader }
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("witness")
    }

    /// Waits until nobody holds it. To be asked only once somebody has held it.
    pub(super) async fn all_gone(&mut self) {
        let mut said = Vec::new();
        timeout(PROMISE, self.reader.read_to_end(&mut said))
            .await
            .expect("everything is gone within five seconds")
            .unwrap();
    }

    /// Whether somebody holds it.
    pub(super) fn is_held(&self) -> bool {
        match self.reader.try_read(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

pub(super) fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

pub(super) fn kill(process: Pid) {
    kill_process(process, Signal::KILL).unwrap();
}

/// Whether there is no such process, not even an unreaped one.
pub(super) fn is_gone(process: Pid) -> bool {
    test_kill_process(process).is_err()
}

/// Whether there is no such process, or one that has ended and that its parent is about to reap.
#[cfg(target_os = "linux")]
pub(super) fn has_ended(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid()));
    stat.map_or(true, |stat| matches!(field(&stat, 0), "Z" | "X"))
}

/// Returns who started `process`.
#[cfg(target_os = "linux")]
pub(super) fn parent_of(process: Pid) -> Pid {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).unwrap();
    pid(field(&stat, 1))
}

/// Returns a field of a process's line by its place behind the name, which may hold anything.
#[cfg(target_os = "linux")]
fn field(stat: &str, place: usize) -> &str {
    let fields = stat.rsplit(')').next().unwrap();
    fields.split_whitespace().nth(place).unwrap()
}
