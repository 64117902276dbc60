use std::io::{self, Write};

use futures_util::StreamExt as _;

use super::{Context, Exit, Failure, args::Logs, counted, print_json, say, text};
use crate::api::wire::{LogEvent, LogLine, LogStream, Missed};

/// `narthex logs`.
pub(super) async fn run(context: &Context, logs: Logs) -> Result<Exit, Failure> {
    let remote = context.remote()?;
    if !logs.follow {
        for line in remote.logs(&logs.name, logs.lines).await? {
            print(&line, context.json)?;
        }
        return Ok(Exit::Done);
    }
    let mut events = remote.follow_log(&logs.name, logs.lines).await?;
    while let Some(event) = events.next().await {
        match event? {
            LogEvent::Line(line) => print(&line, context.json)?,
            LogEvent::Gap(missed) => print_missed(missed, context.json)?,
        }
    }
    // The log has ended with the server, or with the core; the answer says with which.
    remote.server(&logs.name).await?;
    Ok(Exit::Done)
}

fn print(line: &LogLine, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(line);
    }
    let stream = match line.stream {
        LogStream::Stdout => "out ",
        LogStream::Stderr => "err ",
        LogStream::Core => "core",
    };
    let line = format!("{} {stream} {}", line.time, text::log_line(&line.line));
    Ok(say(line)?)
}

fn print_missed(missed: Missed, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&missed);
    }
    let lines = usize::try_from(missed.missed).unwrap_or(usize::MAX);
    // Among the lines it could be taken for one of the server's.
    let told = writeln!(
        io::stderr().lock(),
        "narthex: {} came too fast to be shown",
        counted(lines, "line")
    );
    Ok(told?)
}
