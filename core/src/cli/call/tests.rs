use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::*;
use crate::{
    client::stub::{self, Seen, Stub},
    server::Secret,
};

#[tokio::test]
async fn a_call_is_a_whole_session_and_its_answer_may_be_json() {
    let core = Stub::start(|seen: &Seen| {
        answer(seen, |id| {
            stub::json(
                200,
                &json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}),
            )
        })
    })
    .await;

    let exit = call(&core, &["{\"a\": 1}"]).await.unwrap();

    assert_eq!(exit, Exit::Done);
    let seen = core.seen();
    let methods: Vec<_> = seen.iter().map(said).collect();
    assert_eq!(
        methods,
        [
            "initialize",
            "notifications/initialized",
            "tools/call",
            "DELETE"
        ]
    );
    assert_eq!(seen[2].target, "/mcp/s/my%20server");
    assert_eq!(seen[2].body["params"]["arguments"], json!({"a": 1}));
    for request in &seen[1..] {
        assert_eq!(request.headers["mcp-session-id"], "s1");
        assert_eq!(request.headers["mcp-protocol-version"], "2025-06-18");
        assert_eq!(request.headers["authorization"], "Bearer narthex_client_x");
    }
}

#[tokio::test]
async fn an_answer_may_be_a_stream_with_other_messages_before_it() {
    let core = Stub::start(|seen: &Seen| {
        answer(seen, |id| {
            let result = json!({"content": [], "isError": true});
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
            stub::sse(format!(
                "id: 1\ndata:\n\n\
                 data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{}}}}\n\n\
                 data: {{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}}\n\n\
                 data: {answer}\n\n"
            ))
        })
    })
    .await;

    let exit = call(&core, &[]).await.unwrap();

    assert_eq!(exit, Exit::Failed, "the tool said isError");
    let pong = core.seen().into_iter().find(|seen| seen.body["id"] == "p");
    assert_eq!(pong.unwrap().body["result"], json!({}));
}

#[tokio::test]
async fn an_error_fails_with_its_words() {
    let core = Stub::start(|seen: &Seen| {
        answer(seen, |id| {
            let error =
                json!({"code": -32602, "message": "no such tool", "data": {"remedy": "look"}});
            stub::json(200, &json!({"jsonrpc": "2.0", "id": id, "error": error}))
        })
    })
    .await;
    let failure = call(&core, &[]).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert_eq!(failure.said().detail, "no such tool (-32602)");
}

#[tokio::test]
async fn a_refusal_says_by_its_code_who_could_help() {
    for (data, exit) in [
        (json!({"kind": "held", "fault": "person"}), Exit::Refused),
        (json!({"kind": "paused", "fault": "person"}), Exit::Refused),
        (
            json!({"kind": "timed_out", "fault": "server"}),
            Exit::TimedOut,
        ),
        (
            json!({"kind": "not_connected", "fault": "server"}),
            Exit::TimedOut,
        ),
        (
            json!({"kind": "unknown_tool", "fault": "client"}),
            Exit::NotFound,
        ),
        (json!({"kind": "failed", "fault": "server"}), Exit::Failed),
        (json!("the server's own"), Exit::Failed),
    ] {
        let core = Stub::start({
            let data = data.clone();
            move |seen: &Seen| {
                answer(seen, |id| {
                    let error = json!({"code": -32000, "message": "no", "data": data});
                    stub::json(200, &json!({"jsonrpc": "2.0", "id": id, "error": error}))
                })
            }
        })
        .await;
        assert_eq!(call(&core, &[]).await.unwrap_err().exit, exit, "{data}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_found() {
    let core = Stub::start(|_| {
        let problem =
            json!({"type": "t", "title": "", "status": 404, "detail": "no", "remedy": ""});
        stub::response(404, "application/problem+json", problem.to_string())
    })
    .await;
    assert_eq!(call(&core, &[]).await.unwrap_err().exit, Exit::NotFound);
}

#[test]
fn what_a_tool_answers_cannot_command_the_terminal() {
    let mut output = Vec::new();
    let result = json!({"content": [
        {"type": "text", "text": "two\nlines\u{1b}[2J"},
        {"type": "image", "mimeType": "image/png", "data": "AAAA"},
        {"type": "resource_link", "uri": "file:///x"},
    ]});
    print(&mut output, &result).unwrap();
    assert_eq!(
        String::from_utf8(output).unwrap(),
        "two\nlines\\u{1b}[2J\n[image, image/png, 3 bytes]\n[resource_link file:///x]\n"
    );
}

async fn call(core: &Stub, arguments: &[&str]) -> Result<Exit, Failure> {
    let token = Secret::new("narthex_client_x");
    let endpoint = Endpoint::new(core.address, Some("my server"), token, None)?;
    let mut conversation = Conversation::open(endpoint).await?;
    let call = Call {
        server: "my server".into(),
        tool: "t".into(),
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        format: crate::cli::args::Format { json: false },
    };
    let result = ask(&mut conversation, &call).await;
    conversation.end().await;
    show(&result?, false)
}

/// Answers as a core does; `called` answers the call itself.
fn answer(seen: &Seen, called: impl Fn(&Value) -> Response) -> Response {
    match seen.body["method"].as_str() {
        Some("initialize") => {
            let result = json!({"protocolVersion": "2025-06-18", "capabilities": {}});
            let reply = json!({"jsonrpc": "2.0", "id": seen.body["id"], "result": result});
            ([("mcp-session-id", "s1")], stub::json(200, &reply)).into_response()
        }
        Some("tools/call") => called(&seen.body["id"]),
        Some(_) | None => stub::response(202, "text/plain", ""),
    }
}

fn said(seen: &Seen) -> String {
    let method = seen.body["method"].as_str();
    method.unwrap_or(&seen.method).to_owned()
}
