use std::io::{self, Write};

use futures_util::StreamExt;

use super::{Context, Exit, Failure, counted, say, text};
use crate::{
    api::wire::{Event, WhyDeclined},
    client::{ClientError, Received},
};

/// `narthex events`: until it is interrupted.
pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let mut events = context.remote()?.received();
    let mut last = None;
    while let Some(received) = events.next().await {
        match received {
            Ok(received) => {
                print(&received, context.json)?;
                last = None;
            }
            Err(error) => {
                let is_new = last.as_ref() != Some(&error.to_string());
                if is_new {
                    // Said once, however often the next attempt fails in the same way.
                    let _ = writeln!(io::stderr().lock(), "narthex: {error}; trying again");
                }
                if matches!(error, ClientError::Refused(_)) {
                    return Err(error.into());
                }
                last = Some(error.to_string());
            }
        }
    }
    Ok(Exit::Failed)
}

fn print(received: &Received, json: bool) -> io::Result<()> {
    if json {
        return say(&received.data);
    }
    match &received.event {
        Some(event) => say(line(event)),
        None => Ok(()),
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Hello(hello) => format!("{} the core is {}", hello.revision, hello.instance),
        Event::Server(changed) => {
            let server = &changed.server;
            let mut line = format!(
                "{} {}: {}. {}",
                changed.revision,
                text::printable(&server.name),
                server.condition.label(),
                text::printable(&server.sentence)
            );
            if let Some(error) = &server.error {
                line.push_str(&format!(" ({})", text::printable(&error.kind)));
            }
            line
        }
        Event::Removed(removed) => {
            format!(
                "{} {}: removed",
                removed.revision,
                text::printable(&removed.name)
            )
        }
        Event::Declined(declined) => format!(
            "{} {}: was not approved, {}",
            declined.revision,
            text::printable(&declined.name),
            match declined.why {
                WhyDeclined::AnsweredNo => "the answer was no",
                WhyDeclined::MovedOn => "it is no longer what was shown",
                WhyDeclined::NotAnswered => "nobody answered",
            }
        ),
        Event::Core(core) => format!(
            "{} the core: {}, {}, {} of the file",
            core.revision,
            if core.paused { "paused" } else { "running" },
            counted(core.clients, "client"),
            counted(core.problems.len(), "problem")
        ),
        Event::Gap(gap) => format!("{} something was missed: narthex servers", gap.revision),
    }
}
