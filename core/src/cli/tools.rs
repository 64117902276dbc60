use std::io;

use serde_json::json;

use super::{
    Context, Exit, Failure, print_json,
    table::{Cell, Table},
    terminal::{self, Paint, Style},
};
use crate::api::wire::{DefinitionState, Tool};

/// `narthex tools`.
pub(super) async fn run(context: &Context, name: Option<&str>) -> Result<Exit, Failure> {
    let remote = context.remote()?;
    if let Some(name) = name {
        let list = remote.tools(name).await?;
        if context.json {
            print_json(&list)?;
        } else {
            let mut table = Table::new(["TOOL", "STATE", "OFFERED AS", "DESCRIPTION"]);
            for tool in &list.tools {
                table.row([
                    Cell::styled(&tool.name, Style::Bold),
                    state(tool),
                    tool.offered_as.as_str().into(),
                    summary(tool).into(),
                ]);
            }
            print(&table)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["SERVER", "TOOL", "STATE", "OFFERED AS", "DESCRIPTION"]);
    let mut all = serde_json::Map::new();
    for server in remote.servers().await?.servers {
        let list = remote.tools(&server.name).await?;
        for tool in &list.tools {
            table.row([
                server.name.as_str().into(),
                Cell::styled(&tool.name, Style::Bold),
                state(tool),
                tool.offered_as.as_str().into(),
                summary(tool).into(),
            ]);
        }
        all.insert(server.name, json!(list));
    }
    if context.json {
        print_json(&json!({"servers": all}))?;
    } else {
        print(&table)?;
    }
    Ok(Exit::Done)
}

fn print(table: &Table) -> io::Result<()> {
    table.print(
        &mut io::stdout().lock(),
        Paint::stdout(),
        terminal::columns(),
    )
}

fn state(tool: &Tool) -> Cell {
    match tool.state {
        DefinitionState::Offered => Cell::styled("offered", Style::Good),
        DefinitionState::New => Cell::styled("new, held", Style::Attention),
        DefinitionState::Changed => Cell::styled("changed, held", Style::Attention),
    }
}

/// Returns the first line of what the server says about it.
fn summary(tool: &Tool) -> &str {
    let description = tool.definition["description"].as_str().unwrap_or_default();
    description.lines().next().unwrap_or_default()
}
