//! Standard input and output on threads of their own: reading them cannot be interrupted, and must
//! keep neither the runtime nor the end of the process.

use std::{
    io::{self, BufRead, Write},
    thread,
};

use tokio::sync::{mpsc, oneshot};

/// How many lines may wait on either side. Beyond it the client, or the core, is made to wait.
const LINES_WAITING_MAX: usize = 64;

/// Returns the lines of standard input, until it ends. Empty ones are left out.
pub(super) fn input() -> mpsc::Receiver<Vec<u8>> {
    let (lines, received) = mpsc::channel(LINES_WAITING_MAX);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match stdin.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            line.truncate(line.trim_ascii_end().len());
            if !line.is_empty() && lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    received
}

/// Returns where lines for standard output are given, and what tells when the last was written.
pub(super) fn output() -> (mpsc::Sender<String>, oneshot::Receiver<()>) {
    let (lines, mut received) = mpsc::channel::<String>(LINES_WAITING_MAX);
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        let mut stdout = io::stdout().lock();
        while let Some(line) = received.blocking_recv() {
            let sent = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
            if sent.is_err() {
                // Nobody reads any more; dropping the receiver says so.
                break;
            }
        }
        // Nobody may be waiting for it.
        let _ = done.send(());
    });
    (lines, written)
}
