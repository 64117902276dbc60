use std::io::{self, Write};

use serde_json::Value;

use crate::{
    api::wire::{Condition, DefinitionState, Launch, Server, ToolList},
    cli::{counted, launch as facts, text},
};

/// Shows what would run.
pub(super) fn launch(output: &mut impl Write, name: &str, launch: &Launch) -> io::Result<()> {
    writeln!(output, "{} would run:\n", text::revealed(name))?;
    facts::print(output, launch)?;
    writeln!(output)
}

/// Shows what a server offers, as far as clients do not see it: all of it in quarantine, what is
/// held otherwise. Everything in it was written by the server, so what hides in it is made visible.
pub(super) fn offers(output: &mut impl Write, server: &Server, list: &ToolList) -> io::Result<()> {
    let in_quarantine = server.condition == Condition::InQuarantine;
    let waits = |state: DefinitionState| in_quarantine || state != DefinitionState::Offered;
    let sections = [
        ("tool", &list.tools),
        ("prompt", &list.prompts),
        ("template", &list.templates),
    ];
    let all = sections.iter().flat_map(|(_, all)| all.iter());
    let instructions = list.instructions.iter();
    let states = all
        .map(|one| one.state)
        .chain(instructions.map(|it| it.state));
    let count = states.filter(|state| waits(*state)).count();
    let offered: Vec<_> = sections
        .iter()
        .filter(|(word, all)| *word == "tool" || !all.is_empty())
        .map(|(word, all)| counted(all.len(), word))
        .collect();
    writeln!(
        output,
        "\n{} offers {}; {count} wait for you. What follows are the server's words:\n",
        text::revealed(&server.name),
        offered.join(", "),
    )?;
    for (word, all) in sections {
        for one in all.iter().filter(|one| waits(one.state)) {
            let kind = if word == "tool" {
                String::new()
            } else {
                format!("{word}, ")
            };
            let (name, state) = (on_one_line(&one.name), state(one.state));
            writeln!(output, "  {name} ({kind}{state})")?;
            definition(output, &one.definition)?;
            writeln!(output)?;
        }
    }
    if let Some(text) = list.instructions.as_ref().filter(|it| waits(it.state)) {
        writeln!(output, "  its instructions ({})", state(text.state))?;
        lines(output, &text.definition)?;
        writeln!(output)?;
    }
    let name = on_one_line(&server.name);
    writeln!(output, "Whole definitions: narthex tools --json {name}\n")
}

const fn state(state: DefinitionState) -> &'static str {
    match state {
        DefinitionState::Offered => "approved before",
        DefinitionState::New => "new",
        DefinitionState::Changed => "changed since it was approved",
    }
}

fn lines(output: &mut impl Write, words: &str) -> io::Result<()> {
    let revealed = text::revealed(words);
    let mut lines = revealed.lines();
    lines.try_for_each(|line| writeln!(output, "    | {line}"))
}

fn definition(output: &mut impl Write, definition: &Value) -> io::Result<()> {
    if let Some(title) = definition["title"].as_str() {
        writeln!(output, "    title: {}", on_one_line(title))?;
    }
    if let Some(description) = definition["description"].as_str() {
        lines(output, description)?;
    }
    if let Some(parameters) = definition["inputSchema"]["properties"].as_object() {
        for (name, schema) in parameters {
            let kind = schema["type"].as_str().unwrap_or("any");
            let words = schema["description"].as_str().unwrap_or_default();
            let (name, kind, words) = (on_one_line(name), on_one_line(kind), on_one_line(words));
            writeln!(output, "    - {name} ({kind}) {words}")?;
        }
    }
    for argument in definition["arguments"].as_array().into_iter().flatten() {
        let words = |member: &str| on_one_line(argument[member].as_str().unwrap_or_default());
        writeln!(output, "    - {} {}", words("name"), words("description"))?;
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
