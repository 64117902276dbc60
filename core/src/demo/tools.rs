use serde_json::{Value, json};

/// The most that `large_result` returns. More than any gateway lets through, less than a small
/// machine's memory.
pub(super) const LARGE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The longest `wait`: a day.
pub(super) const WAIT_SECONDS_MAX: f64 = 86_400.0;

/// A tool of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Echo,
    Add,
    Wait,
    Fail,
    LargeResult,
    ChangeDefinitions,
    Crash,
    Hang,
    /// One that `change_definitions` added.
    Newcomer,
}

impl Tool {
    /// Finds a tool by its name after `changes` changes of the definitions.
    pub(super) fn named(name: &str, changes: u64) -> Option<Self> {
        match name {
            "echo" => Some(Self::Echo),
            "add" => Some(Self::Add),
            "wait" => Some(Self::Wait),
            "fail" => Some(Self::Fail),
            "large_result" => Some(Self::LargeResult),
            "change_definitions" => Some(Self::ChangeDefinitions),
            "crash" => Some(Self::Crash),
            "hang" => Some(Self::Hang),
            _ => (1..=changes)
                .any(|number| name == newcomer(number))
                .then_some(Self::Newcomer),
        }
    }
}

/// Returns the name of the tool that the `number`th change adds.
pub(super) fn newcomer(number: u64) -> String {
    format!("newcomer_{number}")
}

/// Returns the definitions as they are after `changes` calls of `change_definitions`: the
/// description of `add` differs, and one tool more is there for each.
pub(super) fn definitions(changes: u64) -> Vec<Value> {
    let mut tools = vec![
        json!({
            "name": "echo",
            "title": "Echo",
            "description": "Returns the message unchanged.",
            "inputSchema": object(json!({"message": {"type": "string", "description": "What to return."}}), &["message"]),
            "annotations": harmless(),
        }),
        json!({
            "name": "add",
            "title": "Add",
            "description": add_description(changes),
            "inputSchema": object(json!({
                "a": {"type": "number", "description": "The first number."},
                "b": {"type": "number", "description": "The second number."},
            }), &["a", "b"]),
            "outputSchema": object(json!({"sum": {"type": "number"}}), &["sum"]),
            "annotations": harmless(),
        }),
        json!({
            "name": "wait",
            "title": "Wait",
            "description": "Waits the given number of seconds, telling its progress if asked to. Can be cancelled.",
            "inputSchema": object(json!({
                "seconds": {"type": "number", "minimum": 0, "maximum": WAIT_SECONDS_MAX, "description": "How long to wait."},
            }), &["seconds"]),
            "annotations": harmless(),
        }),
        json!({
            "name": "fail",
            "title": "Fail",
            "description": "Always fails, as a tool that could not do its work.",
            "inputSchema": object(json!({"message": {"type": "string", "description": "What the failure says."}}), &[]),
            "annotations": harmless(),
        }),
        json!({
            "name": "large_result",
            "title": "Large result",
            "description": "Returns a text of the given number of bytes.",
            "inputSchema": object(json!({
                "bytes": {"type": "integer", "minimum": 0, "maximum": LARGE_BYTES_MAX, "description": "How many bytes."},
            }), &["bytes"]),
            "annotations": harmless(),
        }),
        json!({
            "name": "change_definitions",
            "title": "Change definitions",
            "description": "Changes the description of `add` and adds a tool, as a server does that was updated behind your back.",
            "inputSchema": object(json!({}), &[]),
            "annotations": {"readOnlyHint": false, "destructiveHint": false, "idempotentHint": false, "openWorldHint": false},
        }),
        json!({
            "name": "crash",
            "title": "Crash",
            "description": "Ends the server at once, without an answer.",
            "inputSchema": object(json!({}), &[]),
            "annotations": {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false},
        }),
        json!({
            "name": "hang",
            "title": "Hang",
            "description": "Never answers.",
            "inputSchema": object(json!({}), &[]),
            "annotations": {"readOnlyHint": false, "destructiveHint": false, "idempotentHint": false, "openWorldHint": false},
        }),
    ];
    tools.extend((1..=changes).map(|number| {
        json!({
            "name": newcomer(number),
            "title": format!("Newcomer {number}"),
            "description": "Was not there when the server was approved.",
            "inputSchema": object(json!({}), &[]),
            "annotations": harmless(),
        })
    }));
    tools
}

fn add_description(changes: u64) -> String {
    match changes {
        0 => "Adds two numbers.".to_owned(),
        changes => format!("Adds two numbers. (Changed {changes} times since it started.)"),
    }
}

fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(false);
    schema
}

fn harmless() -> Value {
    json!({"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_alters_one_definition_and_adds_one() {
        let before = definitions(0);
        let after = definitions(1);

        let altered: Vec<_> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .collect();
        assert_eq!(altered.len(), 1);
        assert_eq!(after.len(), before.len() + 1);
    }

    #[test]
    fn every_listed_tool_is_found() {
        for definition in definitions(2) {
            let name = definition["name"].as_str().unwrap();
            assert!(Tool::named(name, 2).is_some(), "{name}");
        }
        assert_eq!(Tool::named("newcomer_3", 2), None);
    }
}
