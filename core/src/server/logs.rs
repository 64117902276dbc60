//! What a server wrote beside its messages, and what the core has to say about it: the last lines,
//! in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio::sync::{Notify, watch};

use crate::api::wire::{LogEvent, LogLine, LogStream, Missed};

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
    /// How many lines were ever written.
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines were ever written: the number of the next one.
    written: u64,
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
        let line = Line {
            time: SystemTime::now(),
            stream,
            text: text.into(),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Within the lock, so that what is announced only grows.
        self.written.send_replace(kept.push(line));
    }

    /// Returns the last `count` lines, oldest first.
    pub fn last(&self, count: usize) -> Vec<LogLine> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = kept.lines.len().saturating_sub(count);
        kept.lines.iter().skip(skipped).map(Line::wire).collect()
    }

    /// Follows the log: its last `count` lines first, then each one as it is written.
    pub fn follow(&self, count: usize) -> Follower {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = kept.lines.len().min(count);
        Follower {
            next: kept.written - shown as u64,
            kept: Arc::clone(&self.kept),
            written: self.written.subscribe(),
        }
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

impl Kept {
    /// Takes a line, and forgets the oldest that there is no room for; returns how many were ever
    /// written.
    fn push(&mut self, line: Line) -> u64 {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        self.written += 1;
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.text.len();
        }
        self.written
    }
}

impl Line {
    fn wire(&self) -> LogLine {
        LogLine {
            time: humantime::format_rfc3339_millis(self.time).to_string(),
            stream: self.stream,
            line: self.text.to_string(),
        }
    }
}

/// Follows a log at its own pace. It does not keep the log: once nobody writes it any more, there
/// is nothing to follow.
#[derive(Debug)]
pub struct Follower {
    kept: Arc<Mutex<Kept>>,
    written: watch::Receiver<u64>,
    /// The number of the line that comes next.
    next: u64,
}

impl Follower {
    /// Returns the next line, or how many are no longer kept; nothing once nobody writes the log
    /// any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<LogEvent> {
        loop {
            // What is announced is marked first: a line that comes while we look has us look again.
            self.written.borrow_and_update();
            if let Some(found) = self.look() {
                return Some(found);
            }
            self.written.changed().await.ok()?;
        }
    }

    fn look(&mut self) -> Option<LogEvent> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.written - kept.lines.len() as u64;
        if let Some(missed) = oldest.checked_sub(self.next).filter(|missed| *missed > 0) {
            self.next = oldest;
            return Some(LogEvent::Gap(Missed { missed }));
        }
        let place = usize::try_from(self.next - oldest).ok()?;
        let line = kept.lines.get(place)?;
        self.next += 1;
        Some(LogEvent::Line(line.wire()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

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

    #[tokio::test]
    async fn a_follower_gets_the_last_lines_and_then_each_new_one() {
        let log = Log::default();
        for line in ["a", "b", "c"] {
            log.stderr(line);
        }
        let mut follower = log.follow(2);

        assert_eq!(text(follower.next().await), "b");
        assert_eq!(text(follower.next().await), "c");
        let mut next = Box::pin(follower.next());
        assert_eq!((&mut next).now_or_never(), None, "there is none yet");
        log.core("d");
        assert_eq!(text(next.await), "d");
    }

    #[tokio::test]
    async fn a_follower_that_fell_behind_is_told_how_much_it_missed() {
        let log = Log::default();
        let mut follower = log.follow(10);
        (0..LINES_MAX + 5).for_each(|number| log.stdout(&number.to_string()));

        let gap = follower.next().await;
        assert_eq!(gap, Some(LogEvent::Gap(Missed { missed: 5 })));
        assert_eq!(text(follower.next().await), "5");
        // A line that leaves no room for itself is missed too.
        log.stdout(&"x".repeat(BYTES_MAX + 1));
        let gap = follower.next().await;
        let missed = LINES_MAX as u64;
        assert_eq!(gap, Some(LogEvent::Gap(Missed { missed })));
    }

    #[tokio::test]
    async fn a_log_that_nobody_writes_ends_after_its_last_line() {
        let log = Log::default();
        let mut follower = log.follow(0);
        log.stderr("last");
        drop(log);

        assert_eq!(text(follower.next().await), "last");
        assert_eq!(follower.next().await, None);
    }

    fn text(event: Option<LogEvent>) -> String {
        match event {
            Some(LogEvent::Line(line)) => line.line,
            other => panic!("a line, not {other:?}"),
        }
    }
}
