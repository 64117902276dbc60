//! The scripted server over stdio, driven by hand.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixListener,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

#[test]
fn it_initializes_lists_and_answers() {
    let mut server = Driven::start(&["--tools", "2", "--prefix", "a_"]);

    let hello = server.initialize();
    let names = names(&server.request("tools/list", json!({}))["result"]);
    let echoed = server.call("a_echo", json!({"text": "hi"}));
    let listed = server.call("a_tool_1", json!({"x": 1}));
    let unknown = server.call("nothing", json!({}));

    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    assert!(names.contains(&"a_echo".into()) && names.contains(&"a_tool_1".into()));
    assert_eq!(text(&echoed), "hi");
    assert_eq!(text(&listed), r#"{"x":1}"#);
    assert_eq!(unknown["error"]["code"], -32602);
}

#[test]
fn the_list_comes_in_pages() {
    let mut server = Driven::start(&["--bare", "--tools", "5", "--page", "2"]);

    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let answer = server.request("tools/list", json!({"cursor": cursor}));
        seen.extend(names(&answer["result"]));
        cursor = answer["result"]["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }

    assert_eq!(seen, ["tool_0", "tool_1", "tool_2", "tool_3", "tool_4"]);
}

#[test]
fn progress_comes_before_the_answer_and_a_cancelled_call_gets_none() {
    let mut server = Driven::start(&[]);
    server.send(
        &json!({"jsonrpc": "2.0", "id": "p", "method": "tools/call", "params":
        {"name": "progress", "arguments": {"steps": 2, "ms": 1}, "_meta": {"progressToken": 7}}}),
    );
    let first = server.receive();
    let second = server.receive();
    let answer = server.receive();

    server.send(
        &json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params":
        {"name": "sleep", "arguments": {"ms": 600_000}}}),
    );
    // The sleeper starts in a thread of its own: it is cancelled until it has heard it.
    let after = loop {
        server.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params":
            {"requestId": 8}}),
        );
        let after = server.call("echo", json!({"text": "next"}));
        if after["id"] != 8 {
            break after;
        }
    };

    assert_eq!(
        first["params"],
        json!({"progressToken": 7, "progress": 1, "total": 2, "message": "step 1"})
    );
    assert_eq!(second["params"]["progress"], 2);
    assert_eq!(answer["id"], "p");
    assert_eq!(text(&after), "next");
}

#[test]
fn a_held_call_says_who_holds_it_and_whether_it_was_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let listener = UnixListener::bind(&gate).unwrap();
    let mut server = Driven::start(&[]);

    let hold = |id: u32| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params":
            {"name": "hold", "arguments": {"gate": gate}}})
    };
    server.send(&hold(1));
    let (mut held, _) = listener.accept().unwrap();
    held.write_all(b"through\n").unwrap();
    let through = server.receive();
    server.send(&hold(2));
    let (held, _) = listener.accept().unwrap();
    let mut held = BufReader::new(held);
    let mut pid = String::new();
    held.read_line(&mut pid).unwrap();
    server.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params":
        {"requestId": 2}}),
    );
    let mut word = String::new();
    held.read_line(&mut word).unwrap();

    assert_eq!(text(&through), "through");
    assert_eq!(pid.trim(), server.child.id().to_string());
    assert_eq!(word, "cancelled\n");
}

#[test]
fn definitions_change_from_within_and_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tools.json");
    fs::write(&file, r#"[{"name":"one","inputSchema":{"type":"object"}}]"#).unwrap();
    let mut server = Driven::start(&["--bare", "--definitions", file.to_str().unwrap()]);
    let before = names(&server.request("tools/list", json!({}))["result"]);
    fs::write(&file, "[]").unwrap();
    let after = names(&server.request("tools/list", json!({}))["result"]);

    let mut other = Driven::start(&[]);
    other.send(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "set_definition", "arguments":
            {"name": "echo", "definition": {"description": "New."}, "announce": true}}}),
    );
    let announced = other.receive();
    other.receive();
    let listed = other.request("tools/list", json!({}));

    assert_eq!((before, after), (vec!["one".into()], vec![]));
    assert_eq!(announced["method"], "notifications/tools/list_changed");
    assert_eq!(listed["result"]["tools"][0]["description"], "New.");
}

#[test]
fn each_misbehaviour_misbehaves() {
    let mut noisy = Driven::start(&["--noise"]);
    noisy.send(&initialize());
    assert_eq!(noisy.line(), "Listening on the usual port.\n");

    let mut twice = Driven::start(&["--answer-twice"]);
    let first = twice.call("echo", json!({}));
    assert_eq!(twice.receive(), first);

    let mut wrong = Driven::start(&["--wrong-id", "--at", "initialize"]);
    wrong.send(&initialize());
    assert_eq!(wrong.receive()["id"], "nobody's");

    let mut long = Driven::start(&["--long-line", "100000"]);
    long.send(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "echo", "arguments": {"text": "x"}}}),
    );
    assert_eq!(long.line().len(), 100_001);

    let mut half = Driven::start(&["--half-line"]);
    half.send(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "echo", "arguments": {"text": "x"}}}),
    );
    half.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    assert!(!half.rest().contains('\n'));

    let mut mute = Driven::start(&["--mute"]);
    mute.send(&initialize());
    assert_eq!(mute.rest(), "");

    let mut hanging = Driven::start(&["--hang-after", "1"]);
    assert_eq!(text(&hanging.call("echo", json!({"text": "x"}))), "x");
    hanging.send(
        &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params":
        {"name": "echo"}}),
    );
    assert_eq!(hanging.rest(), "");

    let mut gone = Driven::start(&["--exit-at-once", "7", "--stderr", "no luck"]);
    assert_eq!(gone.child.wait().unwrap().code(), Some(7));

    let mut crashing = Driven::start(&[]);
    crashing.send(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "crash", "arguments": {"code": 9}}}),
    );
    assert_eq!(crashing.child.wait().unwrap().code(), Some(9));
}

struct Driven {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Driven {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_narthex-testkit-server"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
            next: 100,
        }
    }

    fn initialize(&mut self) -> Value {
        self.send(&initialize());
        self.receive()
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}));
        self.receive()
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn receive(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// Ends the input and returns everything the server still writes.
    fn rest(&mut self) -> String {
        self.input = None;
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}})
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap()
}
