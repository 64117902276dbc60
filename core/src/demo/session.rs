use std::{
    io::{self, Write},
    process, slice,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json, value::RawValue};

use super::{
    NAME,
    protocol::{self, Code, Message},
    tools::{self, Tool},
    waiting::Waiting,
};

/// The time between two notes of progress. A person watching sees it move, and a wait of a minute
/// stays a readable log.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// One run of the demo: what it offers and what waits in it.
#[derive(Clone)]
pub(super) struct Session {
    output: Arc<Mutex<dyn Write + Send>>,
    waiting: Arc<Waiting>,
    changes: Arc<AtomicU64>,
}

/// What a tool does after it was called.
enum Outcome {
    /// It is done.
    Result(Value),
    /// There is nothing to say yet, or ever.
    Silence,
    /// It is done, and what the server offers has changed.
    Changed(Value),
}

impl Session {
    /// A session that writes its lines to `output`.
    pub(super) fn new(output: impl Write + Send + 'static) -> Self {
        Self {
            output: Arc::new(Mutex::new(output)),
            waiting: Arc::default(),
            changes: Arc::default(),
        }
    }

    /// Handles a line: one message, or several in an array as 2025-03-26 allows.
    ///
    /// # Errors
    /// When an answer cannot be written.
    pub(super) fn receive(&self, line: &[u8]) -> io::Result<()> {
        let raw: Box<RawValue> = match serde_json::from_slice(line) {
            Ok(raw) => raw,
            Err(error) => {
                let message = format!("the line is not JSON: {error}");
                return self.send(&protocol::refusal(None, Code::Parse, &message));
            }
        };
        let batch = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get());
        let messages = match &batch {
            Ok(batch) => batch.as_slice(),
            Err(_) => slice::from_ref(&raw),
        };
        for message in messages {
            match serde_json::from_str::<Message>(message.get()) {
                Ok(message) => self.handle(message)?,
                Err(error) => {
                    let message = format!("not a message: {error}");
                    self.send(&protocol::refusal(None, Code::InvalidRequest, &message))?;
                }
            }
        }
        Ok(())
    }

    fn handle(&self, message: Message) -> io::Result<()> {
        let reply = message.is_reply();
        match (message.method, message.id) {
            (Some(method), Some(id)) => self.answer(&method, id, &message.params),
            (Some(method), None) => {
                if method == "notifications/cancelled" {
                    self.waiting
                        .cancel(&message.params["requestId"].to_string());
                }
                Ok(())
            }
            (None, _) if reply => Ok(()),
            (None, id) => self.send(&protocol::refusal(
                id.as_deref(),
                Code::InvalidRequest,
                "a message has a method, a result or an error",
            )),
        }
    }

    fn answer(&self, method: &str, id: Box<RawValue>, params: &Value) -> io::Result<()> {
        let result = match method {
            "initialize" => json!({
                "protocolVersion": protocol::agree(params["protocolVersion"].as_str()),
                "capabilities": {"tools": {"listChanged": true}},
                "serverInfo": {"name": NAME, "title": "Narthex demo", "version": env!("CARGO_PKG_VERSION")},
                "instructions": "A server to try Narthex with. Some of its tools misbehave on purpose.",
            }),
            "ping" => json!({}),
            "tools/list" => {
                json!({"tools": tools::definitions(self.changes.load(Ordering::SeqCst))})
            }
            "tools/call" => return self.call(id, params),
            unknown => {
                let message = format!("there is no method `{unknown}`");
                return self.send(&protocol::refusal(Some(&id), Code::UnknownMethod, &message));
            }
        };
        self.send(&protocol::reply(&id, &result))
    }

    fn call(&self, id: Box<RawValue>, params: &Value) -> io::Result<()> {
        let name = params["name"].as_str().unwrap_or_default();
        let Some(tool) = Tool::named(name, self.changes.load(Ordering::SeqCst)) else {
            let message = format!("there is no tool `{name}`");
            return self.send(&protocol::refusal(Some(&id), Code::InvalidParams, &message));
        };
        let arguments = &params["arguments"];
        let outcome = match tool {
            Tool::Echo => Outcome::Result(echo(arguments)),
            Tool::Add => Outcome::Result(add(arguments)),
            Tool::Wait => self.wait(&id, arguments, &params["_meta"]["progressToken"]),
            Tool::Fail => Outcome::Result(failure(
                arguments["message"]
                    .as_str()
                    .unwrap_or("It failed, as asked."),
            )),
            Tool::LargeResult => Outcome::Result(large(arguments)),
            Tool::ChangeDefinitions => {
                let number = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
                let added = tools::newcomer(number);
                Outcome::Changed(success(&format!("Changed `add` and added `{added}`.")))
            }
            Tool::Crash => process::exit(1),
            Tool::Hang => Outcome::Silence,
            Tool::Newcomer => Outcome::Result(success("Hello, I am new here.")),
        };
        match outcome {
            Outcome::Result(result) => self.send(&protocol::reply(&id, &result)),
            Outcome::Silence => Ok(()),
            Outcome::Changed(result) => {
                self.send(&protocol::reply(&id, &result))?;
                let changed = "notifications/tools/list_changed";
                self.send(&protocol::notification(changed, &json!({})))
            }
        }
    }

    fn wait(&self, id: &RawValue, arguments: &Value, token: &Value) -> Outcome {
        let Some(seconds) = arguments["seconds"]
            .as_f64()
            .filter(|seconds| (0.0..=tools::WAIT_SECONDS_MAX).contains(seconds))
        else {
            return Outcome::Result(failure("`seconds` must be a number from 0 to 86400."));
        };
        let cancelled = self.waiting.add(id);
        let (session, id, token) = (self.clone(), id.to_owned(), token.clone());
        thread::spawn(move || {
            // A client that is gone needs no answer.
            let _ = session.wait_and_answer(&id, seconds, &token, &cancelled);
        });
        Outcome::Silence
    }

    fn wait_and_answer(
        &self,
        id: &RawValue,
        seconds: f64,
        token: &Value,
        cancelled: &Receiver<()>,
    ) -> io::Result<()> {
        let began = Instant::now();
        let total = Duration::from_secs_f64(seconds);
        loop {
            let left = total.saturating_sub(began.elapsed());
            match cancelled.recv_timeout(left.min(PROGRESS_EVERY)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let waited = began.elapsed().min(total);
            if !token.is_null() {
                let progress = json!({
                    "progressToken": token,
                    "progress": waited.as_secs_f64(),
                    "total": seconds,
                    "message": format!("Waited {:.1} of {seconds} s", waited.as_secs_f64()),
                });
                self.send(&protocol::notification("notifications/progress", &progress))?;
            }
            if waited >= total {
                break;
            }
        }
        if self.waiting.finish(id) {
            let result = success(&format!("Waited {seconds} s."));
            self.send(&protocol::reply(id, &result))?;
        }
        Ok(())
    }

    fn send(&self, line: &str) -> io::Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(line.as_bytes())?;
        output.write_all(b"\n")?;
        output.flush()
    }
}

fn echo(arguments: &Value) -> Value {
    arguments["message"]
        .as_str()
        .map_or_else(|| failure("`message` must be a text."), success)
}

fn add(arguments: &Value) -> Value {
    let (a, b) = (&arguments["a"], &arguments["b"]);
    let sum = match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.checked_add(b).map(Value::from),
        _ => None,
    };
    let sum = sum.or_else(|| Some(Value::from(a.as_f64()? + b.as_f64()?)));
    match sum {
        Some(sum) => json!({
            "content": [{"type": "text", "text": sum.to_string()}],
            "structuredContent": {"sum": sum},
            "isError": false,
        }),
        None => failure("`a` and `b` must be numbers."),
    }
}

fn large(arguments: &Value) -> Value {
    let bytes = arguments["bytes"]
        .as_u64()
        .filter(|bytes| *bytes <= tools::LARGE_BYTES_MAX)
        .and_then(|bytes| usize::try_from(bytes).ok());
    match bytes {
        Some(bytes) => success(&"x".repeat(bytes)),
        None => failure("`bytes` must be a whole number from 0 to 268435456."),
    }
}

fn success(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

fn failure(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": true})
}
