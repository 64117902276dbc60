use narthex_testkit::{bridge::Bridge, core::Core, entry::Entry, gate::Gate, messy};
use serde_json::{Value, json};

use super::bridged;

/// How many generated messages are carried.
const MESSAGES: u64 = 300;

#[tokio::test]
async fn what_a_server_asks_reaches_the_client_and_its_answer_the_server() {
    let (_core, mut bridge) = bridged().await;
    for (method, params, result) in [
        (
            "elicitation/create",
            json!({"message": "?", "requestedSchema": {"type": "object", "x": 1.0}}),
            json!({"action": "accept", "content": {"a": 1}}),
        ),
        (
            "sampling/createMessage",
            json!({"messages": [], "maxTokens": 1}),
            json!({"role": "assistant", "content": {"type": "text", "text": "hm"}}),
        ),
    ] {
        let arguments = json!({"method": method, "params": params});
        let call = json!({"name": "alpha__ask", "arguments": arguments});
        let id = bridge.send("tools/call", call).await;
        let question = bridge.message(method).await;
        assert_eq!(question["params"], params);
        bridge.reply(&question, result.clone()).await;
        assert_eq!(asked(&bridge.answer(&id).await), json!({"result": result}));
        // An answer to what nobody asked goes nowhere, and costs nothing.
        bridge.reply(&json!({"id": 4711}), json!({})).await;
        bridge.reply(&question, json!({})).await;
    }
    // None of these was answered to the client.
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(bridge.passed(), Vec::<Value>::new());
}

#[tokio::test]
async fn roots_are_asked_for_where_the_connection_is_the_clients_own() {
    let entry = Entry::scripted(["--full", "kit"]).set("session", "per_client");
    let core = Core::trusted([("alpha", entry)]).await;
    let mut bridge = Bridge::start(&core.home);
    bridge.hello(super::able()).await;
    let arguments = json!({"method": "roots/list"});
    let call = json!({"name": "alpha__ask", "arguments": arguments});
    let id = bridge.send("tools/call", call).await;
    let question = bridge.message("roots/list").await;
    let roots = json!({"roots": [{"uri": "file:///x", "name": "x"}]});
    bridge.reply(&question, roots.clone()).await;
    assert_eq!(asked(&bridge.answer(&id).await), json!({"result": roots}));
}

#[tokio::test]
async fn progress_log_messages_and_updates_come_through() {
    let (_core, mut bridge) = bridged().await;
    let call = json!({
        "name": "alpha__progress", "arguments": {"steps": 3, "ms": 1},
        "_meta": {"progressToken": "t"},
    });
    let id = bridge.send("tools/call", call).await;
    assert!(bridge.answer(&id).await["result"].is_object());
    let steps: Vec<Value> = bridge.passed();
    assert_eq!(steps.len(), 3);
    for (number, step) in steps.iter().enumerate() {
        assert_eq!(step["params"]["progressToken"], "t");
        assert_eq!(step["params"]["progress"], number + 1);
    }

    let level = json!({"level": "debug"});
    assert!(bridge.request("logging/setLevel", level).await["result"].is_object());
    bridge
        .call("alpha__log", json!({"level": "info", "data": {"n": 1.0}}))
        .await;
    let logged = bridge.message("notifications/message").await;
    assert_eq!(logged["params"]["data"], json!({"n": 1.0}));

    let uri = json!({"uri": "kit://watched"});
    assert!(bridge.request("resources/subscribe", uri.clone()).await["result"].is_object());
    bridge.call("alpha__touch", uri).await;
    let updated = bridge.message("notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], "kit://watched");
}

#[tokio::test]
async fn a_call_that_is_taken_back_at_once_is_cancelled_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let entry = Entry::scripted(["--record", record.to_str().unwrap()]);
    let core = Core::trusted([("alpha", entry)]).await;
    let mut bridge = Bridge::start(&core.home);
    bridge.hello(json!({})).await;
    let gate = Gate::open();

    for _ in 0..20 {
        let params = json!({"name": "alpha__hold", "arguments": gate.arguments()});
        let id = bridge.send("tools/call", params).await;
        bridge
            .notify("notifications/cancelled", json!({"requestId": id}))
            .await;
    }
    let text = bridge.text("alpha__echo", json!({"text": "last"})).await;

    assert_eq!(text, "last");
    // Whether a call reached the server or not, nothing of it is left.
    let left = || {
        let record = std::fs::read_to_string(&record).unwrap();
        let messages = record
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut held = std::collections::HashSet::new();
        for message in messages {
            if message["params"]["name"] == "hold" {
                held.insert(message["id"].to_string());
            } else if message["method"] == "notifications/cancelled" {
                held.remove(&message["params"]["requestId"].to_string());
            }
        }
        held
    };
    let all_cancelled = async {
        while !left().is_empty() {
            tokio::time::sleep(super::LOOK_EVERY).await;
        }
    };
    let cancelled = tokio::time::timeout(narthex_testkit::core::PATIENCE, all_cancelled).await;
    assert!(cancelled.is_ok(), "{:?}", left());
    assert_eq!(
        bridge.passed(),
        Vec::<Value>::new(),
        "no answer to what was taken back"
    );
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_bridge_goes_on() {
    let (_core, mut bridge) = bridged().await;
    let mut long = br#"{"jsonrpc":"2.0","method":"tools/call","params":{"x":""#.to_vec();
    long.resize(17 * 1024 * 1024, b'x');
    long.extend_from_slice(br#""},"id":"long"}"#);
    let mut invalid = br#"{"jsonrpc":"2.0","id":8,"method":"ping","x":""#.to_vec();
    invalid.extend_from_slice(b"\xff\"}");
    for (line, kind, id) in [
        (long, "message_too_long", json!("long")),
        (invalid, "parse_error", json!(8)),
        (b"not json".to_vec(), "parse_error", Value::Null),
        (br#"{"id":9}"#.to_vec(), "invalid_request", json!(9)),
        (
            br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#.to_vec(),
            "batch",
            Value::Null,
        ),
    ] {
        bridge.write(line).await;
        let answer: Value = serde_json::from_str(&bridge.line().await.unwrap()).unwrap();
        assert_eq!(answer["error"]["data"]["kind"], kind);
        assert_eq!(answer["id"], id, "{kind}");
        assert_eq!(answer["error"]["data"]["retry_safe"], true);
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    }
}

#[tokio::test]
async fn batches_are_passed_on_where_the_revision_knows_them() {
    let (core, _) = bridged().await;
    let mut bridge = Bridge::start(&core.home);
    bridge.revision = "2025-03-26";
    let hello = bridge.hello(json!({})).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-03-26");
    let call = json!({"name": "alpha__echo", "arguments": {"text": "hi"}});
    let batch = json!([
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": call},
    ]);
    bridge.write(batch.to_string()).await;
    // One line with both, or one for each.
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let line: Value = serde_json::from_str(&bridge.line().await.unwrap()).unwrap();
        match line.as_array() {
            Some(all) => answers.extend(all.iter().cloned()),
            None => answers.push(line),
        }
    }
    answers.sort_by_key(|answer| answer["id"].as_str().map(str::to_owned));
    assert_eq!(
        answers[0],
        json!({"jsonrpc": "2.0", "id": "a", "result": {}})
    );
    assert_eq!(answers[1]["result"]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn results_and_errors_come_as_the_server_wrote_them() {
    let (_core, mut bridge) = bridged().await;
    for seed in 0..MESSAGES {
        let mut rng = fastrand::Rng::with_seed(seed);
        let member = if rng.bool() { "result" } else { "error" };
        let mut written = messy::object(&mut rng, 6);
        if seed == 0 {
            written = format!(r#"{{"content":{}}}"#, messy::deep(200));
        }
        let id = rng.choice(["7", "\"7\"", "\"\\u0037\"", "7.0"]).unwrap();
        let arguments = json!({"member": member, "text": written});
        // With a token for progress the answer may come as an event; without, it never does.
        let meta = if rng.bool() {
            r#","_meta":{"progressToken":1}"#
        } else {
            ""
        };
        bridge
            .write(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"alpha__raw","arguments":{arguments}{meta}}}}}"#
            ))
            .await;
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{written}}}"#);
        assert_eq!(bridge.line().await.unwrap(), expected, "seed {seed}");
    }
}

#[tokio::test]
async fn requests_arrive_as_the_client_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let entry = Entry::scripted(["--full", "kit", "--record", record.to_str().unwrap()]);
    let core = Core::trusted([("alpha", entry)]).await;
    let mut bridge = Bridge::start(&core.home);
    bridge.hello(json!({})).await;
    let mut sent = Vec::new();

    for seed in 0..MESSAGES {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (arguments, unknown) = (messy::object(&mut rng, 6), messy::value(&mut rng, 4));
        // `#` stands for what must change.
        let message = |id: &str, name: &str| {
            format!(
                r#"{{"x":{unknown},"params":{{"arguments":{arguments},"name":{name}}},"method":"tools/call","id":{id},"jsonrpc":"2.0"}}"#
            )
        };
        bridge
            .write(message(&format!("\"s{seed}\""), "\"alpha__pid\""))
            .await;
        bridge.answer(&json!(format!("s{seed}"))).await;
        sent.push(message("#", "\"pid\""));
    }

    let record = std::fs::read_to_string(record).unwrap();
    let calls = record
        .lines()
        .filter(|line| line.contains(r#""method":"tools/call""#));
    let calls: Vec<String> = calls.map(without_id).collect();
    assert_eq!(calls, sent);
}

/// Returns a message with `#` in place of the id that Narthex gave it.
fn without_id(message: &str) -> String {
    let (rest, id) = message.rsplit_once(r#","id":"#).unwrap();
    let (_, end) = id.split_once(',').unwrap();
    format!(r##"{rest},"id":#,{end}"##)
}

/// Returns what the server was answered, as its tool tells.
fn asked(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    serde_json::from_str(text).unwrap()
}
