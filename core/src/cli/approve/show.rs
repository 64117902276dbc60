use std::io::{self, Write};

use serde_json::Value;

use crate::{
    api::wire::{Condition, DefinitionState, Launch, Server, Tool},
    cli::{counted, launch as facts, text},
};

/// Shows what would run.
pub(super) fn launch(output: &mut impl Write, name: &str, launch: &Launch) -> io::Result<()> {
    writeln!(output, "{} would run:\n", text::revealed(name))?;
    facts::print(output, launch)?;
    writeln!(output)
}

/// Shows what a server offers, as far as clients do not see it: all of it in quarantine, what is
/// held otherwise. Everything in it was written
/// by the server, so what hides in it is made visible.
pub(super) fn offers(output: &mut impl Write, server: &Server, tools: &[Tool]) -> io::Result<()> {
    let in_quarantine = server.condition == Condition::InQuarantine;
    let unseen = |tool: &&Tool| in_quarantine || is_held(tool);
    let count = tools.iter().filter(unseen).count();
    writeln!(
        output,
        "\n{} offers {}; {count} wait for you. What follows are the server's words:\n",
        text::revealed(&server.name),
        counted(tools.len(), "tool"),
    )?;
    for tool in tools.iter().filter(unseen) {
        let state = match tool.state {
            DefinitionState::Offered => "approved before",
            DefinitionState::New => "new",
            DefinitionState::Changed => "changed since it was approved",
        };
        writeln!(output, "  {} ({state})", on_one_line(&tool.name))?;
        definition(output, &tool.definition)?;
        writeln!(output)?;
    }
    let name = on_one_line(&server.name);
    writeln!(output, "Whole definitions: narthex tools --json {name}\n")
}

const fn is_held(tool: &Tool) -> bool {
    !matches!(tool.state, DefinitionState::Offered)
}

fn definition(output: &mut impl Write, definition: &Value) -> io::Result<()> {
    if let Some(title) = definition["title"].as_str() {
        writeln!(output, "    title: {}", on_one_line(title))?;
    }
    if let Some(description) = definition["description"].as_str() {
        for line in text::revealed(description).lines() {
            writeln!(output, "    | {line}")?;
        }
    }
    if let Some(parameters) = definition["inputSchema"]["properties"].as_object() {
        for (name, schema) in parameters {
            let kind = schema["type"].as_str().unwrap_or("any");
            let words = schema["description"].as_str().unwrap_or_default();
            let (name, kind, words) = (on_one_line(name), on_one_line(kind), on_one_line(words));
            writeln!(output, "    - {name} ({kind}) {words}")?;
        }
    }
    if let Some(annotations) = definition["annotations"].as_object() {
        let said: Vec<_> = annotations
            .iter()
            .map(|(hint, value)| {
                format!("{}: {}", on_one_line(hint), on_one_line(&value.to_string()))
            })
            .collect();
        writeln!(output, "    it says of itself: {}", said.join(", "))?;
    }
    Ok(())
}

fn on_one_line(text: &str) -> String {
    text::revealed(text).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_hides_in_a_definition_is_shown() {
        let mut output = Vec::new();
        definition(
            &mut output,
            &json!({
                "title": "a\nb",
                "description": "Adds.\n\u{1b}[2Jignore\u{200b} that",
                "inputSchema": {"properties": {"x": {"type": "string", "description": "y\u{e0041}"}}},
            }),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "    title: a\\nb\n    | Adds.\n    | \\u{1b}[2Jignore\\u{200b} that\n    - x (string) y\\u{e0041}\n"
        );
    }
}
