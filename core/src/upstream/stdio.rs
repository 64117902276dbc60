use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    CallError, Caller, Pending, Reply, Signals, cancel::CancelOnDrop, hear::Ear, pace::Pace,
    portions::Portions, question::Way,
};
use crate::{
    mcp::{Outgoing, PIECE, Pieces, SERVER_MESSAGE_BYTES_MAX, Scan},
    runtime::by_size,
    server::{Cause, CauseKind, logs::Log},
};

/// The longest line of standard error that is kept, in bytes.
const LOG_LINE_BYTES_MAX: u64 = 8 * 1024;

/// Lines that are longer are scanned as they come, so that their end is no long work.
const SCAN_BYTES_MIN: usize = 16 * 1024;
/// What is read at once at most, in bytes: what a pipe holds.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A connection over a child's standard input and output: one JSON message a line.
#[derive(Debug)]
pub struct StdioConnection {
    ear: Arc<Ear>,
    /// Messages on their way to the child. Bounded: what a server that does not read is sent must
    /// not pile up.
    out: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    sender: mpsc::WeakSender<Vec<u8>>,
    tasks: Vec<JoinHandle<()>>,
    /// Cancelled when standard error has ended.
    silent: CancellationToken,
}

impl StdioConnection {
    /// Begins to read and write; `calls` may be in flight at once.
    pub fn start(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stderr: impl AsyncRead + Send + Unpin + 'static,
        calls: usize,
        log: Log,
    ) -> Self {
        // Each call in flight has at most a request and a cancellation under way.
        let (out, messages) = mpsc::channel(2 * calls + 64);
        let ear = Arc::new(Ear::new(calls, Way::Stdio(out.downgrade())));
        let reader = Reader {
            ear: Arc::clone(&ear),
            log: log.clone(),
            pace: Pace::new(),
            scan: Scan::default(),
            portions: Portions::new(&ear.company),
        };
        let silent = CancellationToken::new();
        let ended = silent.clone().drop_guard();
        let tasks = vec![
            tokio::spawn(write(stdin, messages, Arc::clone(&ear.pending))),
            tokio::spawn(reader.run(stdout)),
            tokio::spawn(async move {
                let _ended = ended;
                keep(stderr, log).await;
            }),
        ];
        Self {
            ear,
            sender: out.downgrade(),
            out: Mutex::new(Some(out)),
            tasks,
            silent,
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the child does not read, or the connection was closed.
    pub fn send(&self, message: Vec<u8>) -> Result<(), CallError> {
        let sender = self.sender.upgrade().ok_or(CallError::NotConnected)?;
        sender.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallError::NotReading,
            mpsc::error::TrySendError::Closed(_) => CallError::NotConnected,
        })
    }

    /// See [`super::Connection::request`].
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        let ticket = self.ear.open(caller.clone())?;
        self.send(request.render(ticket.id()))?;
        // A server that does not read, or has ended, needs no cancellation.
        let cancel = CancelOnDrop::new(ticket.id(), caller, |message| {
            let _ = self.send(message);
        });
        let reply = ticket.reply().await;
        cancel.disarm();
        reply
    }

    /// Waits until all that the child wrote to its standard error is kept.
    pub async fn last_words(&self) {
        self.silent.cancelled().await;
    }

    /// Closes the child's standard input: it is asked to end.
    pub fn close(&self) {
        self.out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Returns the requests in flight.
    pub fn pending(&self) -> &Arc<Pending> {
        &self.ear.pending
    }

    /// Returns what the connection tells its actor.
    pub fn signals(&self) -> &Arc<Signals> {
        &self.ear.signals
    }
}

impl Drop for StdioConnection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Writes what has gathered in one go, so that many small messages cost one system call.
async fn write(
    mut stdin: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Vec<u8>>,
    pending: Arc<Pending>,
) {
    const GATHER_MAX: usize = 64;
    const KEEP_BYTES_MAX: usize = 64 * 1024;
    let mut gathered = Vec::with_capacity(GATHER_MAX.min(8));
    let mut buffer = Vec::new();
    while messages.recv_many(&mut gathered, GATHER_MAX).await > 0 {
        if pending.count() > gathered.len() {
            // Tokio runs whoever was woken last first, which is this task behind each message. Where
            // others may have one too, all that is ready has its say before anything is written.
            tokio::task::yield_now().await;
            while gathered.len() < GATHER_MAX
                && let Ok(message) = messages.try_recv()
            {
                gathered.push(message);
            }
        }
        buffer.clear();
        for message in gathered.drain(..) {
            buffer.extend_from_slice(&message);
            buffer.push(b'\n');
        }
        if stdin.write_all(&buffer).await.is_err() {
            // The reader sees the end of the child's output and tells.
            return;
        }
        if buffer.capacity() > KEEP_BYTES_MAX {
            buffer = Vec::new();
        }
    }
}

/// Keeps what the child writes to its standard error.
async fn keep(stderr: impl AsyncRead + Unpin, log: Log) {
    let mut stderr = BufReader::with_capacity(1024, stderr);
    let (mut line, mut pace) = (Vec::new(), Pace::new());
    loop {
        line.clear();
        let mut limited = (&mut stderr).take(LOG_LINE_BYTES_MAX);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => log.stderr(&String::from_utf8_lossy(line.trim_ascii_end())),
        }
        pace.heard(line.len());
        if pace.is_over() {
            pace.rest().await;
        }
    }
}

struct Reader {
    ear: Arc<Ear>,
    log: Log,
    pace: Pace,
    /// Of the line that has not ended yet.
    scan: Scan,
    portions: Portions,
}

impl Reader {
    async fn run(mut self, mut stdout: impl AsyncRead + Unpin) {
        let mut buffer = BytesMut::new();
        let mut searched = 0;
        // What came of a line before what is in the buffer.
        let mut before = Pieces::default();
        let end = loop {
            if buffer.capacity() - buffer.len() < 1024 {
                buffer.reserve(8 * 1024);
            }
            match stdout
                .read_buf(&mut (&mut buffer).limit(READ_BYTES_MAX))
                .await
            {
                Ok(0) => break Self::closed(before.len() + buffer.len()),
                Err(error) => {
                    break Cause::new(
                        CauseKind::ConnectionLost,
                        format!("its output failed: {error}"),
                        "",
                    );
                }
                Ok(count) => self.portions.came(count),
            }
            while let Some(at) = memchr::memchr(b'\n', &buffer[searched..]) {
                let mut line = buffer.split_to(searched + at + 1).freeze();
                line.truncate(line.len() - 1);
                searched = 0;
                if !before.is_empty() {
                    before.add(line);
                    line = before.take();
                }
                self.portions.ended();
                let (length, scan) = (line.len(), mem::take(&mut self.scan));
                if !self.line(line, scan) {
                    self.pace.heard(length);
                    if self.pace.is_over() {
                        self.pace.rest().await;
                    }
                }
            }
            self.pace.rest().await;
            searched = buffer.len();
            if before.is_empty() && searched > SCAN_BYTES_MIN {
                // What is wrong with it is told when it is whole.
                let _ = self.scan.more(&buffer);
            }
            self.ear.pending.left_unfinished(before.len() + searched);
            if before.len() + searched > SERVER_MESSAGE_BYTES_MAX {
                break Cause::new(
                    CauseKind::MessageTooLong,
                    "it sent a line of more than 64 MB",
                    "Ask the server for less at once.",
                );
            }
            if searched >= PIECE {
                before.add(mem::take(&mut buffer).freeze());
                searched = 0;
            }
            if buffer.is_empty() && buffer.capacity() > 64 * 1024 {
                // A large answer must not keep its room for good.
                buffer = BytesMut::new();
            }
            self.portions.rest().await;
        };
        before.clear();
        let reason = if end.kind == CauseKind::MessageTooLong {
            CallError::TooLong
        } else {
            CallError::ServerEnded
        };
        self.ear.pending.close(reason);
        self.ear.signals.ended(end);
    }

    fn closed(rest: usize) -> Cause {
        let remedy = "Look at its log for the reason; then try again.";
        if rest == 0 {
            Cause::new(CauseKind::ConnectionLost, "it closed its output", remedy)
        } else {
            Cause::new(
                CauseKind::ConnectionLost,
                "it closed its output in the middle of a message",
                remedy,
            )
        }
    }

    /// Takes one line; returns whether somebody waited for it.
    fn line(&self, line: Bytes, scan: Scan) -> bool {
        let is_blank = || line.trim_ascii().is_empty();
        if line.first() != Some(&b'{') && by_size(line.len(), is_blank) {
            return false;
        }
        match scan.ended(line.clone()) {
            Ok(envelope) => self.ear.took(&envelope),
            Err(error) if self.ear.unreadable(&line, &error) => true,
            Err(_) => {
                // Most servers that write what is no message have something for people to read.
                let shown = &line[..line.len().min(512)];
                self.log.stdout(&String::from_utf8_lossy(shown));
                false
            }
        }
    }
}
