//! Bad servers over their standard input and output.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use super::{Bad, definitions};
use crate::scripted::Incoming;

/// The bytes of a long line.
const LONG_LINE_BYTES: usize = 100_000_000;

/// How many lines a flood writes at once: what a pipe takes in one piece.
const FLOOD_LINES: usize = 64;

/// The result of `initialize`.
pub(super) const HELLO: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"bad","version":"1.0.0"}}"#;

pub(super) fn serve(bad: Bad) -> ExitCode {
    if bad == Bad::CrashLoop {
        return ExitCode::from(7);
    }
    let server = Arc::new(Server {
        bad,
        silent: AtomicBool::new(false),
        lists: AtomicUsize::new(0),
        asking: Mutex::default(),
        between: Mutex::default(),
    });
    if bad == Bad::StderrFlood {
        let lines = "[debug] nothing of interest happened once more\n".repeat(FLOOD_LINES);
        thread::spawn(move || while io::stderr().write_all(lines.as_bytes()).is_ok() {});
    }
    let mut input = io::stdin().lock();
    let mut line = String::new();
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
            Ok(_) => {}
        }
        if let Ok(message) = serde_json::from_str::<Incoming<'_>>(&line) {
            server.take(&message);
        }
    }
}

struct Server {
    bad: Bad,
    /// Whether it says no more.
    silent: AtomicBool,
    /// How often its tools were asked for.
    lists: AtomicUsize,
    asking: Mutex<Asking>,
    /// What is to be said in the middle of a flood: two who write at once would wait for each other.
    between: Mutex<Option<Vec<u8>>>,
}

/// What it asked under two ids that look the same, and what came back.
#[derive(Debug, Default)]
struct Asking {
    call: Option<String>,
    answers: Vec<(String, Value)>,
}

impl Server {
    fn take(self: &Arc<Self>, message: &Incoming<'_>) {
        let Some(method) = message.method.as_deref() else {
            return self.answered(message);
        };
        if method == "notifications/initialized" {
            return self.initialized();
        }
        let Some(id) = message.id else {
            return;
        };
        let id = id.get();
        match method {
            "initialize" => {
                if self.bad == Bad::Mute {
                    return;
                }
                if self.bad == Bad::EarlyNotifications {
                    self.speak_early();
                }
                self.result(id, HELLO);
            }
            "tools/list" => {
                let asked = self.lists.fetch_add(1, Ordering::Relaxed);
                self.result(id, &definitions::list(self.bad, asked));
                if asked == 0 {
                    self.listed();
                }
            }
            "tools/call" => self.call(id, message),
            "ping" => self.result(id, "{}"),
            _ => self.say(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no such method"}}}}"#
            )),
        }
    }

    fn call(&self, id: &str, message: &Incoming<'_>) {
        let params = message.params_value();
        let result = returned(&params);
        if params["name"] == "well" {
            return self.result(id, &result);
        }
        match self.bad {
            Bad::AnotherId => self.result("\"nobody's\"", &result),
            Bad::Twice => {
                self.result(id, &result);
                self.result(id, &text_result("the second answer"));
            }
            Bad::HalfAMessage => {
                let whole = answer(id, &result);
                self.write(&whole.as_bytes()[..whole.len() / 2]);
                self.silent.store(true, Ordering::SeqCst);
            }
            Bad::InvalidUtf8 => {
                let whole = answer(id, &text_result("?"));
                let (before, after) = whole.split_once('?').expect("it has a question mark");
                let mut line = before.as_bytes().to_vec();
                line.extend_from_slice(&[0xff, 0xfe, 0xc0, 0x80]);
                line.extend_from_slice(after.as_bytes());
                line.push(b'\n');
                self.write(&line);
            }
            Bad::LongLine => self.long_line(&answer(id, &result)),
            Bad::SameIds => self.ask_twice(id),
            _ => self.result(id, &result),
        }
    }

    /// Misbehaves at the end of the handshake.
    fn initialized(self: &Arc<Self>) {
        if self.bad == Bad::NoiseFlood {
            self.flood_lines("Listening on the usual port.\n{not json at all\n");
        }
    }

    /// Misbehaves once its tools are known.
    fn listed(self: &Arc<Self>) {
        match self.bad {
            Bad::ListChangedFlood => self.flood_lines(
                "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n",
            ),
            Bad::RepliesToNobody => self.flood_lines(concat!(
                "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"result\":{}}\n",
                "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"content\":[]}}\n",
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"no\"}}\n",
            )),
            Bad::QuestionFlood => self.flood_lines(concat!(
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{}}\n",
                "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n",
            )),
            _ => {}
        }
    }

    fn speak_early(&self) {
        for early in [
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"emergency","data":"early"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x://y"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            r#"{"jsonrpc":"2.0","id":"early","method":"sampling/createMessage","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":"earlier","method":"no/such"}"#,
        ] {
            self.say(early);
        }
    }

    /// Asks the client of the call `id` under `1` and `"1"`, and answers when both are answered.
    fn ask_twice(&self, id: &str) {
        let mut asking = self.asking();
        asking.call = Some(id.to_owned());
        asking.answers.clear();
        drop(asking);
        for own in ["1", "\"1\""] {
            let message = serde_json::to_string(own).expect("a text encodes");
            self.say(&format!(
                r#"{{"jsonrpc":"2.0","id":{own},"method":"elicitation/create","params":{{"message":{message},"requestedSchema":{{"type":"object","properties":{{}}}}}}}}"#
            ));
        }
    }

    fn answered(&self, message: &Incoming<'_>) {
        let Some(id) = message.id else {
            return;
        };
        let mut asking = self.asking();
        asking
            .answers
            .push((id.get().to_owned(), message.result_value()));
        if asking.answers.len() < 2 {
            return;
        }
        asking.answers.sort_by(|a, b| a.0.cmp(&b.0));
        let told = json!(std::mem::take(&mut asking.answers));
        let call = asking.call.take();
        drop(asking);
        if let Some(call) = call {
            self.result(&call, &text_result(&told.to_string()));
        }
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `lines` on a thread of its own, as fast as they are read.
    fn flood_lines(self: &Arc<Self>, lines: &str) {
        *self.between() = Some(Vec::new());
        let (server, lines) = (Arc::clone(self), lines.repeat(FLOOD_LINES));
        thread::spawn(move || {
            let mut out = io::stdout().lock();
            loop {
                let answers = server.between().replace(Vec::new()).unwrap_or_default();
                let written = out
                    .write_all(&answers)
                    .and_then(|()| out.write_all(lines.as_bytes()))
                    .and_then(|()| out.flush());
                if written.is_err() {
                    return;
                }
            }
        });
    }

    fn between(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.between.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn long_line(&self, answer: &str) {
        let (start, end) = answer.split_at(answer.len() - 1);
        let mut out = io::stdout().lock();
        let spaces = [b' '; 1 << 16];
        let mut left = LONG_LINE_BYTES.saturating_sub(answer.len());
        let mut written = out.write_all(start.as_bytes());
        while left > 0 && written.is_ok() {
            let part = left.min(spaces.len());
            written = out.write_all(&spaces[..part]);
            left -= part;
        }
        // Whoever reads may have given up in the middle.
        let _ = written
            .and_then(|()| writeln!(out, "{end}"))
            .and_then(|()| out.flush());
    }

    fn result(&self, id: &str, result: &str) {
        self.say(&answer(id, result));
    }

    fn say(&self, message: &str) {
        self.write(format!("{message}\n").as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        if self.silent.load(Ordering::SeqCst) {
            return;
        }
        if let Some(between) = &mut *self.between() {
            return between.extend_from_slice(bytes);
        }
        let mut out = io::stdout().lock();
        // A reader that has gone is noticed at the end of the input.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }
}

/// Returns the result of a call: its text, and the name by which the tool was called.
pub(super) fn returned(params: &Value) -> String {
    let text = params["arguments"]["text"].as_str().unwrap_or_default();
    let mut result = result_with(text);
    result["structuredContent"] = json!({"tool": params["name"]});
    result.to_string()
}

/// Returns the message that answers `id`.
pub(super) fn answer(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn result_with(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn text_result(text: &str) -> String {
    result_with(text).to_string()
}
