use std::io::{self, Write};

use super::{
    Context, Exit, Failure, print_json,
    table::{Cell, Table},
    terminal::{self, Paint, Style},
    text,
};
use crate::api::wire::{Condition, Problem, Status};

/// `narthex status`.
pub(super) async fn status(context: &Context) -> Result<Exit, Failure> {
    let status = context.remote()?.status().await?;
    if context.json {
        print_json(&status)?;
    } else {
        print_status(&mut io::stdout().lock(), &status, Paint::stdout())?;
    }
    Ok(Exit::Done)
}

fn print_status(output: &mut impl Write, status: &Status, paint: Paint) -> io::Result<()> {
    paint.write(output, Style::Bold, &format!("Narthex {}", status.version))?;
    writeln!(output, " at http://{}/mcp", status.address)?;
    writeln!(output, "Process {}, since {}", status.pid, status.since)?;
    writeln!(output, "Home    {}", text::printable(&status.home))?;
    let servers = if status.paused {
        "Paused".to_owned()
    } else if status.wanted == 0 {
        "Nothing to connect".to_owned()
    } else {
        format!("{} of {} connected", status.connected, status.wanted)
    };
    writeln!(output, "Servers {servers}")?;
    writeln!(output, "Clients {}", status.clients)?;
    for loosened in &status.loosened {
        let said = match loosened.as_str() {
            "trust_config" => "Everything in the file is approved for this run (--trust-config).",
            "no_client_auth" => "MCP is served without a credential (--no-client-auth).",
            other => other,
        };
        paint.write(output, Style::Attention, &text::printable(said))?;
        writeln!(output)?;
    }
    print_problems(output, &status.problems, paint)
}

/// Prints what is wrong with the file: where, what, and what to do about it.
pub(super) fn print_problems(
    output: &mut impl Write,
    problems: &[Problem],
    paint: Paint,
) -> io::Result<()> {
    for problem in problems {
        let mut place = problem.file.clone();
        for number in [problem.line, problem.column].into_iter().flatten() {
            place.push_str(&format!(":{number}"));
        }
        for name in [&problem.server, &problem.field].into_iter().flatten() {
            place.push_str(&format!(" {name}"));
        }
        paint.write(output, Style::Bad, &text::printable(&place))?;
        writeln!(output, ": {}", text::printable(&problem.message))?;
        if !problem.remedy.is_empty() {
            writeln!(output, "  {}", text::printable(&problem.remedy))?;
        }
    }
    Ok(())
}

/// `narthex servers`.
pub(super) async fn servers(context: &Context) -> Result<Exit, Failure> {
    let list = context.remote()?.servers().await?;
    if context.json {
        print_json(&list)?;
        return Ok(Exit::Done);
    }
    if list.servers.is_empty() {
        super::say("No servers yet. Add one: narthex add NAME -- COMMAND ARGS…")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["NAME", "CONDITION", "TOOLS", "WHAT IT SAYS"]);
    for server in &list.servers {
        let tools = match server.tools.held {
            0 => server.tools.offered.to_string(),
            held => format!("{} ({held} held)", server.tools.offered),
        };
        table.row([
            Cell::styled(&server.name, Style::Bold),
            Cell::styled(server.condition.label(), style_of(server.condition)),
            tools.into(),
            server.sentence.as_str().into(),
        ]);
    }
    table.print(
        &mut io::stdout().lock(),
        Paint::stdout(),
        terminal::columns(),
    )?;
    Ok(Exit::Done)
}

/// Returns how a condition is painted: what needs a person stands out.
pub(super) const fn style_of(condition: Condition) -> Style {
    match condition {
        Condition::Connected => Style::Good,
        Condition::Connecting
        | Condition::Retrying
        | Condition::SignInNeeded
        | Condition::InQuarantine => Style::Attention,
        Condition::Failed | Condition::NotValid => Style::Bad,
        Condition::Asleep
        | Condition::Disconnected
        | Condition::Off
        | Condition::Paused
        | Condition::Closing => Style::Faint,
    }
}
