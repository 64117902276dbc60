//! The smallest thing that lets many ask one child over stdio: every request gets an id of its own
//! on the way in, and its own id back on the way out. Nothing else is looked at.

use std::{
    collections::HashMap,
    io,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot},
};

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>;

/// A child and those who wait for its answers.
#[derive(Debug)]
pub struct Pipe {
    child: Child,
    lines: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Waiting,
    next: AtomicU64,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

impl Pipe {
    /// Starts `command`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (lines, queued) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        let missing = || io::Error::other("the child's pipes are missing");
        tokio::spawn(write(child.stdin.take().ok_or_else(missing)?, queued));
        tokio::spawn(read(
            child.stdout.take().ok_or_else(missing)?,
            Arc::clone(&waiting),
        ));
        Ok(Self {
            child,
            lines,
            waiting,
            next: AtomicU64::new(1),
        })
    }

    /// Returns the child's process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a message; returns the answer under the id that the message had, or nothing for a
    /// message without one.
    ///
    /// # Errors
    /// When the message is no JSON or the child is gone.
    pub async fn request(&self, message: &[u8]) -> io::Result<Option<Bytes>> {
        let envelope: Envelope<'_> = serde_json::from_slice(message)?;
        let gone = || io::Error::other("the child is gone");
        let Some(id) = envelope.id else {
            let line = [message, b"\n"].concat();
            self.lines.send(line).map_err(|_| gone())?;
            return Ok(None);
        };
        let own = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(own, sender);
        let mut line = spliced(message, id, own.to_string().as_bytes());
        line.push(b'\n');
        self.lines.send(line).map_err(|_| gone())?;
        let answer = receiver.await.map_err(|_| gone())?;
        let envelope: Envelope<'_> = serde_json::from_slice(&answer)?;
        let theirs = envelope.id.ok_or_else(gone)?;
        Ok(Some(spliced(&answer, theirs, id.get().as_bytes()).into()))
    }
}

/// Returns `message` with `id`, which is a part of it, replaced.
fn spliced(message: &[u8], id: &RawValue, by: &[u8]) -> Vec<u8> {
    let start = id.get().as_ptr().addr() - message.as_ptr().addr();
    let end = start + id.get().len();
    let mut line = Vec::with_capacity(message.len() + by.len() + 1);
    line.extend_from_slice(&message[..start]);
    line.extend_from_slice(by);
    line.extend_from_slice(&message[end..]);
    line
}

/// Writes what is queued, as much as there is at once.
async fn write(mut input: ChildStdin, mut queued: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(mut lines) = queued.recv().await {
        while let Ok(more) = queued.try_recv() {
            lines.extend(more);
        }
        if input.write_all(&lines).await.is_err() {
            return;
        }
    }
}

async fn read(output: ChildStdout, waiting: Waiting) {
    let mut output = BufReader::with_capacity(1 << 16, output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match output.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let id = serde_json::from_slice::<Envelope<'_>>(&line)
            .ok()
            .and_then(|envelope| envelope.id?.get().parse().ok());
        if let Some(sender) = id.and_then(|id: u64| lock(&waiting).remove(&id)) {
            // Who asked may have gone.
            let _ = sender.send(Bytes::copy_from_slice(line.trim_ascii_end()));
        }
    }
    lock(&waiting).clear();
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Bytes>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
