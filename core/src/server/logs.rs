//! What a server wrote beside its messages, and what the core has to say about it: the last lines,
//! in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio::sync::Notify;

use crate::api::wire::{LogLine, LogStream};

/// How many lines are kept of each server.
const LINES_MAX: usize = 1000;

/// How many bytes of text are kept of each server, so that 20 talkative servers cost at most 5 MB.
const BYTES_MAX: usize = 256 * 1024;

/// How many lines of standard error an error shows.
const LAST_LINES: usize = 5;

/// One server's log. Cheap to clone; it outlives connections and restarts.
#[derive(Debug, Clone, Default)]
pub struct Log {
    kept: Arc<Mutex<Kept>>,
    spoken: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
}

#[derive(Debug)]
struct Line {
    time: SystemTime,
    stream: LogStream,
    text: Box<str>,
}

impl Log {
    /// Takes a line of standard error.
    pub fn stderr(&self, line: &str) {
        self.push(LogStream::Stderr, line);
        self.spoken.notify_one();
    }

    /// Takes a line of standard output that is no message.
    pub fn stdout(&self, line: &str) {
        self.push(LogStream::Stdout, line);
    }

    /// Takes a line of the core's own.
    pub fn core(&self, line: &str) {
        self.push(LogStream::Core, line);
    }

    fn push(&self, stream: LogStream, text: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += text.len();
        kept.lines.push_back(Line {
            time: SystemTime::now(),
            stream,
            text: text.into(),
        });
        while kept.lines.len() > LINES_MAX || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.lines.pop_front() else {
                return;
            };
            kept.bytes -= oldest.text.len();
        }
    }

    /// Returns the last `count` lines, oldest first.
    pub fn last(&self, count: usize) -> Vec<LogLine> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = kept.lines.len().saturating_sub(count);
        let wire = |line: &Line| LogLine {
            time: humantime::format_rfc3339_millis(line.time).to_string(),
            stream: line.stream,
            line: line.text.to_string(),
        };
        kept.lines.iter().skip(skipped).map(wire).collect()
    }

    /// Waits for a line of standard error that nobody has waited for yet. Cancel-safe; one waiter.
    pub async fn spoken(&self) {
        self.spoken.notified().await;
    }

    /// Returns the last lines of standard error, oldest first.
    pub fn last_stderr(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr = kept
            .lines
            .iter()
            .rev()
            .filter(|line| line.stream == LogStream::Stderr);
        let mut last: Vec<_> = stderr
            .take(LAST_LINES)
            .map(|line| line.text.to_string())
            .collect();
        last.reverse();
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let log = Log::default();
        (0..2000).for_each(|number| log.stderr(&number.to_string()));
        assert_eq!(log.last(5000).len(), LINES_MAX);
        assert_eq!(log.last_stderr(), ["1995", "1996", "1997", "1998", "1999"]);
        log.stderr(&"x".repeat(BYTES_MAX));
        assert_eq!(log.last(5000).len(), 1);
    }
}
