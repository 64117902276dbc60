//! The demo server, driven over pipes as a client would.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside of test functions"
)]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

#[test]
fn it_agrees_on_the_revision_of_the_client() {
    let mut demo = Demo::start();
    let reply = demo.request(1, "initialize", json!({"protocolVersion": "2025-03-26"}));
    assert_eq!(reply["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(reply["result"]["serverInfo"]["name"], "narthex-demo");
    assert_eq!(
        reply["result"]["capabilities"]["tools"]["listChanged"],
        true
    );
}

#[test]
fn every_tool_has_a_schema_and_annotations() {
    let mut demo = Demo::start();
    let reply = demo.request(1, "tools/list", json!({}));
    let tools = reply["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "echo",
            "add",
            "wait",
            "fail",
            "large_result",
            "change_definitions",
            "crash",
            "hang"
        ]
    );
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }
}

#[test]
fn it_calls_what_it_lists() {
    let mut demo = Demo::start();
    assert_eq!(
        demo.text(1, "echo", json!({"message": "grüß\ndich"})),
        "grüß\ndich"
    );
    assert_eq!(demo.text(2, "add", json!({"a": 2, "b": 40})), "42");
    assert_eq!(demo.text(3, "add", json!({"a": 0.5, "b": 1})), "1.5");
    assert_eq!(
        demo.text(4, "large_result", json!({"bytes": 100_000}))
            .len(),
        100_000
    );
    let failed = demo.call(5, "fail", json!({"message": "no"}));
    assert_eq!(failed["result"]["isError"], true);
    assert_eq!(failed["result"]["content"][0]["text"], "no");
    let wrong = demo.call(6, "add", json!({"a": "two"}));
    assert_eq!(wrong["result"]["isError"], true);
}

#[test]
fn what_it_does_not_know_is_refused() {
    let mut demo = Demo::start();
    assert_eq!(
        demo.request(1, "server/discover", json!({}))["error"]["code"],
        -32601
    );
    assert_eq!(demo.call(2, "nothing", json!({}))["error"]["code"], -32602);
    demo.send_line("{\"jsonrpc\": \"2.0\", \"id\": 3,");
    let malformed = demo.read();
    assert_eq!(malformed["error"]["code"], -32700);
    assert_eq!(malformed["id"], Value::Null);
    demo.send_line("");
    demo.send_line("{}");
    assert_eq!(demo.read()["error"]["code"], -32600);
    assert_eq!(demo.request(4, "ping", json!({}))["result"], json!({}));
}

#[test]
fn a_wait_tells_its_progress_and_blocks_nobody() {
    let mut demo = Demo::start();
    demo.send(json!({"id": "w", "method": "tools/call", "params": {
        "name": "wait", "arguments": {"seconds": 0.2}, "_meta": {"progressToken": 7}}}));
    demo.send(json!({"id": 2, "method": "ping"}));
    assert_eq!(demo.read()["id"], 2);
    let progress = demo.read();
    assert_eq!(progress["method"], "notifications/progress");
    assert_eq!(progress["params"]["progressToken"], 7);
    assert_eq!(progress["params"]["total"], 0.2);
    assert_eq!(demo.read()["id"], "w");
}

#[test]
fn a_cancelled_wait_is_not_answered() {
    let mut demo = Demo::start();
    demo.send(json!({"id": 1, "method": "tools/call", "params": {
        "name": "wait", "arguments": {"seconds": 3600}, "_meta": {"progressToken": 1}}}));
    demo.send(json!({"method": "notifications/cancelled", "params": {"requestId": 1}}));
    // Longer than the first note of progress of the cancelled call would take.
    let answer = demo.call(2, "wait", json!({"seconds": 0.7}));
    assert_eq!(answer["id"], 2);
}

#[test]
fn a_change_of_the_definitions_is_announced() {
    let mut demo = Demo::start();
    let before = demo.request(1, "tools/list", json!({}));
    demo.call(2, "change_definitions", json!({}));
    assert_eq!(demo.read()["method"], "notifications/tools/list_changed");
    let after = demo.request(3, "tools/list", json!({}));
    let description = |list: &Value| list["result"]["tools"][1]["description"].clone();
    assert_ne!(description(&before), description(&after));
    assert_eq!(
        demo.text(4, "newcomer_1", json!({})),
        "Hello, I am new here."
    );
}

#[test]
fn a_crash_ends_it_at_once() {
    let mut demo = Demo::start();
    demo.send(json!({"id": 1, "method": "tools/call", "params": {"name": "crash"}}));
    assert_eq!(demo.child.wait().unwrap().code(), Some(1));
}

#[test]
fn it_ends_with_its_input_even_while_a_call_hangs() {
    let mut demo = Demo::start();
    demo.send(json!({"id": 1, "method": "tools/call", "params": {"name": "hang"}}));
    demo.send(json!({"id": 2, "method": "tools/call", "params": {
        "name": "wait", "arguments": {"seconds": 3600}}}));
    demo.request(3, "ping", json!({}));
    demo.input = None;
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
}

struct Demo {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_narthex"))
            .arg("demo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        self.send_line(&message.to_string());
    }

    fn send_line(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn request(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(json!({"id": id, "method": method, "params": params}));
        let reply = self.read();
        assert_eq!(reply["id"], id);
        reply
    }

    fn call(&mut self, id: u32, tool: &str, arguments: Value) -> Value {
        self.request(
            id,
            "tools/call",
            json!({"name": tool, "arguments": arguments}),
        )
    }

    fn text(&mut self, id: u32, tool: &str, arguments: Value) -> String {
        let reply = self.call(id, tool, arguments);
        assert_eq!(reply["result"]["isError"], false, "{reply}");
        reply["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
