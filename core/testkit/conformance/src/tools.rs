//! What the suite's tools do.

use std::{fmt::Display, time::Duration};

use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResult},
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{
    definitions::{AUDIO, IMAGE},
    server::read,
};

/// Between two messages of a tool at work, as the suite describes it.
const STEP: Duration = Duration::from_millis(50);

pub(crate) async fn call(
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    let image = || json!({"type": "image", "data": IMAGE, "mimeType": "image/png"});
    let resource = |uri: &str, kind: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}});
    let content = match &*request.name {
        "test_simple_text" => vec![text("This is a simple text response for testing.")],
        "test_image_content" => vec![image()],
        "test_audio_content" => {
            vec![json!({"type": "audio", "data": AUDIO, "mimeType": "audio/wav"})]
        }
        "test_embedded_resource" => vec![resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )],
        "test_multiple_content_types" => vec![
            text("Multiple content types test:"),
            image(),
            resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            ),
        ],
        "test_tool_with_logging" => log(context).await?,
        "test_tool_with_progress" => progress(context).await?,
        "test_error_handling" => {
            let content = [text("This tool intentionally returns an error for testing")];
            return read(json!({"content": content, "isError": true}));
        }
        "test_reconnection" => {
            tokio::time::sleep(2 * STEP).await;
            vec![text("Reconnection test completed")]
        }
        "test_sampling" => sample(&arguments, context).await,
        "test_elicitation" => {
            let message = arguments["message"].as_str().unwrap_or("?");
            let answered = |name: &str| json!({"type": "string", "description": name});
            let schema = json!({
                "type": "object",
                "properties": {"response": answered("User's response")},
                "required": ["response"],
            });
            elicit("User response", message, schema, context).await
        }
        "test_elicitation_sep1034_defaults" => {
            let message = "Please review and update the form fields with defaults";
            elicit("Elicitation completed", message, defaults(), context).await
        }
        "test_elicitation_sep1330_enums" => {
            let message = "Please choose";
            elicit("Elicitation completed", message, choices(), context).await
        }
        "json_schema_2020_12_tool" => vec![text(&format!("Called with {arguments}"))],
        name => {
            let message = format!("no tool {name}");
            return Err(ErrorData::invalid_params(message, None));
        }
    };
    read(json!({"content": content}))
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[expect(deprecated, reason = "the session generation has log messages")]
async fn log(context: &RequestContext<RoleServer>) -> Result<Vec<Value>, ErrorData> {
    for said in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        let message = json!({"level": "info", "logger": "conformance", "data": said});
        told(context.peer.notify_logging_message(read(message)?).await)?;
        tokio::time::sleep(STEP).await;
    }
    Ok(vec![text("Tool with logging executed successfully")])
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<Vec<Value>, ErrorData> {
    if let Some(token) = context.meta.get_progress_token() {
        for done in [0, 50, 100] {
            let message = json!({"progressToken": token, "progress": done, "total": 100});
            told(context.peer.notify_progress(read(message)?).await)?;
            tokio::time::sleep(STEP).await;
        }
    }
    Ok(vec![text("Tool with progress executed successfully")])
}

#[expect(deprecated, reason = "the session generation has sampling")]
async fn sample(arguments: &Value, context: &RequestContext<RoleServer>) -> Vec<Value> {
    let prompt = arguments["prompt"].as_str().unwrap_or("Hello");
    let asked = read(json!({
        "messages": [{"role": "user", "content": text(prompt)}],
        "maxTokens": 100,
    }));
    let answer = match asked {
        Ok(asked) => context.peer.create_message(asked).await,
        Err(error) => return vec![text(&format!("Sampling error: {error}"))],
    };
    let said = match answer {
        Ok(answer) => format!("LLM response: {}", json!(answer)["content"]["text"]),
        Err(error) => format!("Sampling error: {error}"),
    };
    vec![text(&said)]
}

async fn elicit(
    word: &str,
    message: &str,
    schema: Value,
    context: &RequestContext<RoleServer>,
) -> Vec<Value> {
    let asked = read(json!({"mode": "form", "message": message, "requestedSchema": schema}));
    let answer = match asked {
        Ok(asked) => context.peer.create_elicitation(asked).await,
        Err(error) => return vec![text(&format!("Elicitation error: {error}"))],
    };
    let said = match answer {
        Ok(answer) => {
            let answer = json!(answer);
            let action = answer["action"].as_str().unwrap_or_default();
            format!("{word}: action={action}, content={}", answer["content"])
        }
        Err(error) => format!("Elicitation error: {error}"),
    };
    vec![text(&said)]
}

fn defaults() -> Value {
    json!({"type": "object", "required": [], "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {
            "type": "string",
            "description": "User status",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "description": "Verification status", "default": true},
    }})
}

fn choices() -> Value {
    let titled = |word: &str| {
        let one = |number| json!({"const": format!("value{number}"), "title": format!("{word} {number}")});
        json!([one(1), one(2), one(3)])
    };
    let plain = json!(["option1", "option2", "option3"]);
    json!({"type": "object", "required": [], "properties": {
        "untitledSingle": {"type": "string", "description": "Select one", "enum": plain},
        "titledSingle": {"type": "string", "description": "Select one", "oneOf": titled("Option")},
        "legacyEnum": {
            "type": "string",
            "description": "Select one",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "description": "Select some",
            "items": {"type": "string", "enum": plain},
        },
        "titledMulti": {
            "type": "array",
            "description": "Select some",
            "items": {"anyOf": titled("Choice")},
        },
    }})
}

fn told<T, E: Display>(sent: Result<T, E>) -> Result<(), ErrorData> {
    match sent {
        Ok(_) => Ok(()),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
    }
}
