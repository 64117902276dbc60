//! What the suite asks a server to offer. Names and texts are the suite's.

use serde_json::{Value, json};

/// A PNG of one pixel.
pub(crate) const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// A WAV without a sample.
pub(crate) const AUDIO: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

pub(crate) fn tools() -> Value {
    let plain = |name: &str, description: &str| json!({"name": name, "description": description, "inputSchema": {"type": "object", "properties": {}}});
    let asking = |name: &str, argument: &str| {
        json!({
            "name": name,
            "description": "Asks the client.",
            "inputSchema": {
                "type": "object",
                "properties": {argument: {"type": "string"}},
                "required": [argument],
            },
        })
    };
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "additionalProperties": false,
    });
    json!({"tools": [
        plain("test_simple_text", "Returns a text."),
        plain("test_image_content", "Returns an image."),
        plain("test_audio_content", "Returns a sound."),
        plain("test_embedded_resource", "Returns an embedded resource."),
        plain("test_multiple_content_types", "Returns a text, an image and a resource."),
        plain("test_tool_with_logging", "Logs while it works."),
        plain("test_tool_with_progress", "Reports progress while it works."),
        plain("test_error_handling", "Fails."),
        plain("test_reconnection", "Takes a moment."),
        asking("test_sampling", "prompt"),
        asking("test_elicitation", "message"),
        plain("test_elicitation_sep1034_defaults", "Asks with defaults."),
        plain("test_elicitation_sep1330_enums", "Asks for one of several."),
        {"name": "json_schema_2020_12_tool", "description": "Has a schema with references.", "inputSchema": schema},
    ]})
}

pub(crate) fn resources() -> Value {
    let resource = |uri: &str, name: &str, kind: &str| json!({"uri": uri, "name": name, "description": "For the suite.", "mimeType": kind});
    json!({"resources": [
        resource("test://static-text", "Static text", "text/plain"),
        resource("test://static-binary", "Static image", "image/png"),
        resource("test://watched-resource", "Watched", "text/plain"),
    ]})
}

pub(crate) fn templates() -> Value {
    json!({"resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data",
        "name": "Data",
        "description": "Data by their id.",
        "mimeType": "application/json",
    }]})
}

/// Returns what is read at a URI, if there is anything.
pub(crate) fn contents(uri: &str) -> Option<Value> {
    let text = |kind: &str, text: &str| json!({"uri": uri, "mimeType": kind, "text": text});
    let content = match uri {
        "test://static-text" => text(
            "text/plain",
            "This is the content of the static text resource.",
        ),
        "test://static-binary" => json!({"uri": uri, "mimeType": "image/png", "blob": IMAGE}),
        "test://watched-resource" => text("text/plain", "Watched."),
        _ => {
            let id = uri
                .strip_prefix("test://template/")?
                .strip_suffix("/data")?;
            let data =
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            text("application/json", &data.to_string())
        }
    };
    Some(json!({"contents": [content]}))
}

pub(crate) fn prompts() -> Value {
    let argument =
        |name: &str| json!({"name": name, "description": "For the suite.", "required": true});
    let prompt = |name: &str, arguments: Vec<Value>| json!({"name": name, "description": "For the suite.", "arguments": arguments});
    json!({"prompts": [
        prompt("test_simple_prompt", vec![]),
        prompt("test_prompt_with_arguments", vec![argument("arg1"), argument("arg2")]),
        prompt("test_prompt_with_embedded_resource", vec![argument("resourceUri")]),
        prompt("test_prompt_with_image", vec![]),
    ]})
}

/// Returns what a prompt makes of its arguments, if there is one of this name.
pub(crate) fn prompt(name: &str, arguments: &Value) -> Option<Value> {
    let given = |name: &str| arguments[name].as_str().unwrap_or_default();
    let text = |text: String| json!({"type": "text", "text": text});
    let contents = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => vec![text(format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            given("arg1"),
            given("arg2")
        ))],
        "test_prompt_with_embedded_resource" => vec![
            json!({"type": "resource", "resource": {
                "uri": given("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }}),
            text("Please process the embedded resource above.".to_owned()),
        ],
        "test_prompt_with_image" => vec![
            json!({"type": "image", "data": IMAGE, "mimeType": "image/png"}),
            text("Please analyze the image above.".to_owned()),
        ],
        _ => return None,
    };
    let messages: Vec<_> = contents
        .into_iter()
        .map(|content| json!({"role": "user", "content": content}))
        .collect();
    Some(json!({"messages": messages}))
}
