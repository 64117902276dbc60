//! `narthex call`: one call of one tool, as a client of `/mcp/s/{server}`.

mod arguments;
mod conversation;

use std::io::{self, Write};

use serde_json::{Value, json, value::RawValue};

use super::{Context, Exit, Failure, args::Call, say, terminal::Progress, text};
use crate::{
    client::{ClientError, find, mcp::Endpoint},
    home::Home,
};
use conversation::Conversation;

/// Runs the command.
pub(super) async fn run(context: &Context, call: Call) -> Result<Exit, Failure> {
    let endpoint = endpoint(&context.home()?, Some(&call.server), None)?;
    let mut conversation = Conversation::open(endpoint).await?;
    let outcome = tokio::select! {
        outcome = ask(&mut conversation, &call) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => {
            conversation.cancel().await;
            Err(Failure::new(
                Exit::Failed,
                "interrupted; the call was cancelled",
            ))
        }
    };
    conversation.end().await;
    show(&outcome?, context.json)
}

/// Finds where a running core speaks MCP.
pub(super) fn endpoint(
    home: &Home,
    server: Option<&str>,
    client: Option<String>,
) -> Result<Endpoint, ClientError> {
    let address = find::address(home)?;
    let token = find::credential(home.client_token())?;
    Endpoint::new(address, server, token, client)
}

async fn ask(conversation: &mut Conversation, call: &Call) -> Result<Box<RawValue>, Failure> {
    let schema = if arguments::need_schema(&call.arguments) {
        conversation.schema_of(&call.tool).await?
    } else {
        Value::Null
    };
    let arguments = arguments::parse(&call.arguments, &schema)?;
    let mut progress = Progress::new();
    let mut params = json!({"name": call.tool, "arguments": arguments});
    if progress.is_visible() {
        params["_meta"] = json!({"progressToken": "narthex"});
    }
    let mut show = |params: &Value| progress.show(&progress_line(params));
    conversation.request("tools/call", &params, &mut show).await
}

fn progress_line(params: &Value) -> String {
    let done = params["progress"].as_f64().unwrap_or_default();
    let share = match params["total"].as_f64() {
        Some(total) if total > 0.0 => format!("{:.0} %", done / total * 100.0),
        Some(_) | None => format!("{done}"),
    };
    match params["message"].as_str() {
        Some(message) => format!("{share} {message}"),
        None => share,
    }
}

fn show(result: &RawValue, json: bool) -> Result<Exit, Failure> {
    let value: Value = serde_json::from_str(result.get()).map_err(ClientError::Malformed)?;
    if json {
        say(result.get())?;
    } else {
        print(&mut io::stdout().lock(), &value)?;
    }
    Ok(if value["isError"] == true {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Prints what a tool answered, for people: text as text, and a word about what is not.
fn print(output: &mut impl Write, result: &Value) -> io::Result<()> {
    let blocks = result["content"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for block in blocks {
        let kind = block["type"].as_str().unwrap_or("something");
        let resource = &block["resource"];
        let shown = if let Some(text) = block["text"].as_str().or(resource["text"].as_str()) {
            text.to_owned()
        } else if let Some(uri) = block["uri"].as_str().or(resource["uri"].as_str()) {
            format!("[{kind} {uri}]")
        } else {
            let mime = block["mimeType"].as_str().unwrap_or("unknown type");
            let characters = block["data"].as_str().unwrap_or_default().len();
            format!("[{kind}, {mime}, {} bytes]", characters / 4 * 3)
        };
        writeln!(output, "{}", text::block(&shown))?;
    }
    if blocks.is_empty() && !result["structuredContent"].is_null() {
        writeln!(output, "{:#}", result["structuredContent"])?;
    }
    output.flush()
}

#[cfg(test)]
mod tests;
