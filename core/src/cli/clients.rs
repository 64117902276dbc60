use std::io;

use super::{
    Context, Exit, Failure, print_json, say,
    table::{Cell, Table},
    terminal::{self, Paint, Style},
    text,
};
use crate::api::wire::ClientList;

/// `narthex client add`.
pub(super) async fn add(context: &Context, name: &str) -> Result<Exit, Failure> {
    let remote = context.remote()?;
    let client = remote.add_client(name).await?;
    if context.json {
        print_json(&client)?;
        return Ok(Exit::Done);
    }
    let address = remote.status().await?.address;
    let name = text::printable(&client.name);
    say(format!(
        "{name} may connect with this token, which is shown only this once:\n"
    ))?;
    say(format!("  {}\n", client.token))?;
    say(snippets(&format!("http://{address}/mcp"), &client.token))?;
    Ok(Exit::Done)
}

/// `narthex client list`.
pub(super) async fn list(context: &Context) -> Result<Exit, Failure> {
    let clients = context.remote()?.clients().await?;
    if context.json {
        print_json(&ClientList { clients })?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["NAME", "ADDED"]);
    for client in &clients {
        table.row([
            Cell::styled(&client.name, Style::Bold),
            client.added.as_str().into(),
        ]);
    }
    table.print(
        &mut io::stdout().lock(),
        Paint::stdout(),
        terminal::columns(),
    )?;
    Ok(Exit::Done)
}

/// `narthex client remove`.
pub(super) async fn remove(context: &Context, name: &str) -> Result<Exit, Failure> {
    context.remote()?.remove_client(name).await?;
    if !context.json {
        say(format!(
            "Removed {}; its token is refused.",
            text::printable(name)
        ))?;
    }
    Ok(Exit::Done)
}

/// Returns what to paste, for the clients that people have.
fn snippets(url: &str, token: &str) -> String {
    format!(
        r#"Claude Code (in a shell):
  claude mcp add --transport http -s user narthex {url} --header "Authorization: Bearer {token}"

Cursor (~/.cursor/mcp.json):
  {{"mcpServers": {{"narthex": {{"url": "{url}", "headers": {{"Authorization": "Bearer {token}"}}}}}}}}

VS Code (.vscode/mcp.json):
  {{"servers": {{"narthex": {{"type": "http", "url": "{url}", "headers": {{"Authorization": "Bearer {token}"}}}}}}}}

Codex (~/.codex/config.toml):
  [mcp_servers.narthex]
  url = "{url}"
  http_headers = {{ Authorization = "Bearer {token}" }}

A client that only starts processes: narthex stdio --client NAME"#
    )
}
