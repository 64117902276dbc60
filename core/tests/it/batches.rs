//! Batches of messages, which revision 2025-03-26 has.

use std::time::Duration;

use narthex_testkit::{core::Core, entry::Entry, gate::Gate, session::Session, sse::SseStream};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn each_message_of_a_batch_has_its_answer_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let entry = Entry::scripted(["--record", record.to_str().unwrap()]);
    let core = Core::trusted([("alpha", entry)]).await;
    let session = speaking(&core, "2025-03-26").await;

    let raw = session
        .post(
            r#" [ {"jsonrpc":"2.0","id":"\u0031","method":"tools/call","params":{"name":"alpha__refuse","arguments":{"n":1.0,"big":12345678901234567890123}}},
                {"jsonrpc":"2.0","method":"notifications/whatever"}, 7, {"jsonrpc":"2.0","id":true,"method":"ping"},
                {"jsonrpc":"2.0","id":1,"method":"ping"} ,{"id":2,"method":"initialize","params":{}},
                {"jsonrpc":"2.0","id":3,"method":"no/such"},{"jsonrpc":"2.0","id":99,"result":{}}] "#,
        )
        .await;

    assert_eq!(raw.status, 200, "{raw:?}");
    assert_eq!(raw.header("content-type"), "application/json");
    let answers: Vec<Value> = serde_json::from_str(&raw.body).unwrap();
    let kind_of = |id: Value| {
        let found: Vec<&str> = answers
            .iter()
            .filter(|answer| answer["id"] == id)
            .map(|answer| answer["error"]["data"]["kind"].as_str().unwrap_or("-"))
            .collect();
        found.join(" ")
    };
    assert_eq!(answers.len(), 7, "{raw:?}");
    assert_eq!(kind_of(Value::Null), "parse_error invalid_request");
    assert_eq!(kind_of(json!(1)), "-");
    assert_eq!(kind_of(json!(2)), "batch");
    assert_eq!(kind_of(json!(3)), "method_not_found");
    assert_eq!(kind_of(json!(99)), "unknown_question");
    assert!(raw.body.contains(r#""id":"\u0031""#), "{raw:?}");
    let sent = std::fs::read_to_string(record).unwrap();
    let arguments = r#""arguments":{"n":1.0,"big":12345678901234567890123}"#;
    assert!(sent.contains(arguments), "{sent}");
}

#[tokio::test]
async fn what_wants_no_answer_gets_none() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = speaking(&core, "2025-03-26").await;
    let raw = session
        .post(r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#)
        .await;
    assert_eq!((raw.status.as_u16(), raw.body.as_str()), (202, ""));
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let old = speaking(&core, "2025-03-26").await;
    let many = format!(
        "[{}]",
        vec![r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#; 101].join(",")
    );
    for (body, kind, code) in [
        ("[]", "batch", -32600),
        (many.as_str(), "batch", -32600),
        ("[1,", "parse_error", -32700),
        ("[] []", "parse_error", -32700),
    ] {
        let raw = old.post(body).await;
        assert_eq!(raw.status, 400, "{body}: {raw:?}");
        assert_eq!(raw.answer().error_kind(), kind, "{body}: {raw:?}");
        assert_eq!(raw.answer().message["error"]["code"], code);
    }
    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let session = speaking(&core, revision).await;
        let raw = session
            .post(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#)
            .await;
        assert_eq!(raw.status, 400, "{raw:?}");
        assert_eq!(raw.answer().error_kind(), "batch");
        assert!(raw.body.contains(revision), "{raw:?}");
    }
    let nobody = Session::new(&core.url("/mcp"), Some(&core.home.token("client")));
    let raw = nobody
        .post(r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#)
        .await;
    assert_eq!(raw.status, 400);
    assert_eq!(raw.answer().error_kind(), "no_session");
}

#[tokio::test]
async fn where_something_is_said_before_an_answer_the_batch_is_a_stream() {
    let core = Core::trusted([("alpha", Entry::scripted(["--full", "kit"]))]).await;
    let session = speaking(&core, "2025-03-26").await;
    let gate = Gate::open();
    let call = |id: u64, tool: &str, arguments: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params":
            {"name": format!("alpha__{tool}"), "arguments": arguments, "_meta": {"progressToken": id}}})
    };
    let batch = json!([
        call(1, "hold", gate.arguments()),
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
        call(3, "progress", json!({"steps": 2, "ms": 1})),
    ])
    .to_string();

    let (response, held) = tokio::join!(
        core.request(reqwest::Method::POST, "/mcp")
            .bearer_auth(core.home.token("client"))
            .header("mcp-session-id", session.id().unwrap())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(batch)
            .send(),
        gate.arrived(),
    );
    let mut stream = SseStream::new(response.unwrap());
    let mut said = Vec::new();
    let mut last = String::new();
    for _ in 0..4 {
        let (id, message) = timeout(SOON, stream.identified()).await.unwrap();
        last = id;
        said.push(if message["method"].is_null() {
            message["id"].clone()
        } else {
            message["params"]["progress"].clone()
        });
    }
    // The progress of the third, and its answer after that; the second's whenever.
    assert!(said.contains(&json!(2)), "{said:?}");
    assert_eq!(said.last(), Some(&json!(3)), "{said:?}");
    // It can be come back to as any other.
    drop(stream);
    let mut stream = session.resume(&last).await;
    held.let_through("on").await;
    let answer = timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["result"]["content"][0]["text"], "on");
    assert!(timeout(SOON, stream.next()).await.unwrap().is_none());
}

async fn speaking(core: &Core, revision: &'static str) -> Session {
    let token = core.home.token("client");
    let mut session = Session::new(&core.url("/mcp"), Some(&token)).speaking(revision);
    session.initialize().await;
    assert_eq!(session.hello["protocolVersion"], revision);
    session
}
