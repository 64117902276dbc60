use std::{
    io::{self, Write},
    time::Duration,
};

use super::{Context, Exit, Failure, args::Logs, text};
use crate::api::wire::{LogLine, LogStream};

/// How often `--follow` asks for new lines. Lines of a log are no part of the events, which carry
/// what is true of a server and not what it says.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// How many lines `--follow` asks for at a time; a server that writes more in between shows a gap.
const FOLLOW_LINES: usize = 1_000;

/// `narthex logs`.
pub(super) async fn run(context: &Context, logs: Logs) -> Result<Exit, Failure> {
    let remote = context.remote()?;
    let mut seen = remote.logs(&logs.name, logs.lines).await?;
    print(&seen, context.json)?;
    if !logs.follow {
        return Ok(Exit::Done);
    }
    loop {
        tokio::time::sleep(FOLLOW_EVERY).await;
        let lines = remote
            .logs(&logs.name, FOLLOW_LINES.max(logs.lines))
            .await?;
        print(unseen(&seen, &lines), context.json)?;
        seen = lines;
    }
}

/// Returns what of `lines` comes after what was seen: both are the end of the same log.
fn unseen<'a>(seen: &[LogLine], lines: &'a [LogLine]) -> &'a [LogLine] {
    let known = (0..=seen.len().min(lines.len())).rev();
    // The longest end of the one that is found in the other, at the latest place.
    for length in known.filter(|length| *length > 0) {
        let end = &seen[seen.len() - length..];
        let found = lines.windows(length).rposition(|window| window == end);
        if let Some(at) = found {
            return &lines[at + length..];
        }
    }
    lines
}

fn print(lines: &[LogLine], json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in lines {
        if json {
            writeln!(stdout, "{}", serde_json::to_string(line)?)?;
            continue;
        }
        let stream = match line.stream {
            LogStream::Stdout => "out ",
            LogStream::Stderr => "err ",
            LogStream::Core => "core",
        };
        writeln!(
            stdout,
            "{} {stream} {}",
            line.time,
            text::log_line(&line.line)
        )?;
    }
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(range: std::ops::Range<u32>) -> Vec<LogLine> {
        let line = |number| LogLine {
            time: format!("t{number}"),
            stream: LogStream::Stderr,
            line: "same".into(),
        };
        range.map(line).collect()
    }

    #[test]
    fn only_what_is_new_is_shown() {
        assert_eq!(unseen(&lines(0..0), &lines(0..3)), lines(0..3));
        assert_eq!(unseen(&lines(0..3), &lines(0..3)), []);
        assert_eq!(unseen(&lines(1..3), &lines(0..5)), lines(3..5));
        // The log is kept to a number of lines: its beginning has gone.
        assert_eq!(unseen(&lines(0..5), &lines(2..6)), lines(5..6));
        assert_eq!(unseen(&lines(0..2), &lines(7..9)), lines(7..9));
    }
}
