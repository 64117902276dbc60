//! A place where a call can be held: the scripted server's `hold` tools connect to it, say who they
//! are, and answer when the test lets them through. So a test knows that a call is in flight without
//! waiting for a while and hoping.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

/// How long a call may take to arrive, and its end to be seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A listening gate.
#[derive(Debug)]
pub struct Gate {
    listener: UnixListener,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

/// A call at the gate.
#[derive(Debug)]
pub struct Held {
    /// The process that carries out the call.
    pub pid: u32,
    stream: BufReader<UnixStream>,
}

/// How a held call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldEnd {
    /// It was told that it is cancelled.
    Cancelled,
    /// Its process ended.
    Gone,
}

impl Gate {
    /// Opens a gate.
    ///
    /// # Panics
    /// When there is no place for it.
    pub fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("gate");
        Self {
            listener: UnixListener::bind(&path).expect("a socket can be made"),
            path,
            _folder: folder,
        }
    }

    /// Returns the arguments of a call that shall be held here.
    pub fn arguments(&self) -> Value {
        json!({"gate": self.path})
    }

    /// Waits for a call to arrive.
    ///
    /// # Panics
    /// When none does.
    pub async fn arrived(&self) -> Held {
        timeout(PATIENCE, async {
            let (stream, _) = self.listener.accept().await.expect("the gate is open");
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            // A process killed at this very moment says nothing; it is held by nobody then.
            let _ = stream.read_line(&mut line).await;
            Held {
                pid: line.trim().parse().unwrap_or_default(),
                stream,
            }
        })
        .await
        .expect("no call arrived at the gate")
    }

    /// Returns whether another call is at the gate.
    pub async fn is_anyone_there(&self) -> bool {
        timeout(Duration::ZERO, self.listener.accept())
            .await
            .is_ok()
    }
}

impl Held {
    /// Lets the call through; its text will be `word`.
    pub async fn let_through(mut self, word: &str) {
        // The process may have ended at the gate.
        let _ = self.stream.write_all(format!("{word}\n").as_bytes()).await;
    }

    /// Waits until the call ends without being let through.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(mut self) -> HeldEnd {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await;
        let _ = read.expect("the held call did not end");
        if line == "cancelled\n" {
            HeldEnd::Cancelled
        } else {
            HeldEnd::Gone
        }
    }
}
