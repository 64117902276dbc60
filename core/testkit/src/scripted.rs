//! The scripted server itself, whatever carries its messages.
//!
//! It is synchronous: a call that takes its time blocks the thread that answers it. Transports ask
//! [`Scripted::takes_its_time`] first and give such a call a thread of its own.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    process,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{full::Full, script::Script, verbatim::Verbatim};

/// The protocol revisions of the session generation, newest first.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Where a scripted server's messages go that are not the answer itself.
pub trait Outlet: Sync {
    /// Sends a message that belongs to the request being answered.
    fn related(&self, message: &Value);
    /// Sends a message that belongs to no request.
    fn broadcast(&self, message: &Value);
    /// Sends a text as it is; `aside` where it belongs to no request.
    fn say(&self, text: &str, aside: bool);
}

/// Returns a text of so many bytes of which no two parts are the same: the numbers, one after the other.
pub fn counted(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let mut number = 0_u64;
    while text.len() < bytes {
        text.push_str(&number.to_string());
        text.push(' ');
        number += 1;
    }
    text.truncate(bytes);
    text
}

/// A message a scripted server receives.
#[derive(Debug, Deserialize)]
pub struct Incoming<'a> {
    /// The id as it was spelled; absent for a notification.
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    /// The method; absent for an answer.
    #[serde(borrow, default)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl Incoming<'_> {
    /// Returns the parameters; null where there are none.
    pub fn params_value(&self) -> Value {
        value(self.params)
    }

    /// Returns the result; null where there is none.
    pub fn result_value(&self) -> Value {
        value(self.result)
    }
}

fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or(Value::Null)
}

/// A server that follows a [`Script`].
#[derive(Debug)]
pub struct Scripted {
    script: Script,
    calls: AtomicUsize,
    state: Mutex<State>,
    cancelled: Condvar,
    full: Full,
}

#[derive(Debug, Default)]
struct State {
    /// Definitions that replace others of their name; `None` takes one away.
    overrides: BTreeMap<String, Option<Value>>,
    /// The calls that take their time, by the spelling of their ids.
    running: HashMap<String, Running>,
    /// How often each method was heard.
    heard: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct Running {
    cancelled: bool,
    #[cfg(unix)]
    gate: Option<Arc<std::os::unix::net::UnixStream>>,
}

impl Scripted {
    /// Makes a server of `script`.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            calls: AtomicUsize::new(0),
            state: Mutex::default(),
            cancelled: Condvar::new(),
            full: Full::default(),
        }
    }

    /// Returns the script it follows.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Returns whether answering `message` blocks for longer than it takes to compute.
    pub fn takes_its_time(&self, message: &Incoming<'_>) -> bool {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            name: Cow<'a, str>,
        }
        if self.verbatim(message).is_some_and(|it| it.waits()) {
            return true;
        }
        message.method.as_deref() == Some("tools/call")
            && message
                .params
                .and_then(|params| serde_json::from_str::<Named<'_>>(params.get()).ok())
                .is_some_and(|named| {
                    let name = named.name.strip_prefix(&self.script.prefix);
                    name.is_some_and(|name| {
                        matches!(name, "sleep" | "progress" | "ask") || name.starts_with("hold")
                    })
                })
    }

    /// Answers a message: the line to send, without its newline, or nothing.
    pub fn answer(&self, message: &Incoming<'_>, out: &dyn Outlet) -> Option<String> {
        let Some(method) = message.method.as_deref() else {
            self.answered(message);
            return None;
        };
        self.heard(method);
        let Some(id) = message.id else {
            if method == "notifications/cancelled" {
                self.cancel(message.params);
            }
            return None;
        };
        if method == "initialize" && self.script.mute {
            return None;
        }
        let id = id.get();
        if let Some(verbatim) = self.verbatim(message) {
            for saying in &verbatim.says {
                out.say(&saying.text, saying.aside);
                if let Some(id) = &saying.wait {
                    self.full.answer_to(id);
                }
            }
            if let Some(answer) = verbatim.answer {
                return Some(answer);
            }
        }
        if let Some(list) = self.listed(method) {
            return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{list}}}"#));
        }
        if let Some((member, text)) = self.raw(method, message) {
            return Some(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"{member}":{text}}}"#
            ));
        }
        let outcome = match method {
            "initialize" => {
                self.full.initialized_by(&params(message));
                Ok(self.initialize(&params(message)))
            }
            "ping" => Ok(json!({})),
            "tools/list" => self.list(&params(message)),
            "tools/call" => {
                let earlier = self.calls.fetch_add(1, Ordering::Relaxed);
                if self.script.hang_after.is_some_and(|after| earlier >= after) {
                    return None;
                }
                self.call(id, &params(message), out)?
            }
            _ => {
                let script = &self.script;
                let answer = script.full.as_ref().and_then(|scheme| {
                    self.full
                        .answer(&script.name, scheme, method, &params(message))
                });
                answer.unwrap_or_else(|| {
                    Err(json!({"code": -32601, "message": format!("no method {method}")}))
                })
            }
        };
        let (member, value) = match outcome {
            Ok(result) => ("result", result),
            Err(error) => ("error", error),
        };
        Some(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"{member}":{value}}}"#
        ))
    }

    fn verbatim(&self, message: &Incoming<'_>) -> Option<Verbatim> {
        self.script.full.as_ref()?;
        message.method.as_ref()?;
        Verbatim::of(message.id?.get(), message.params?.get())
    }

    /// Returns the list that the script has for a method, to the letter.
    fn listed(&self, method: &str) -> Option<String> {
        let text = fs::read_to_string(self.script.lists.as_ref()?).ok()?;
        let lists: HashMap<&str, &RawValue> = serde_json::from_str(&text).ok()?;
        lists.get(method).map(|list| list.get().to_owned())
    }

    /// Returns what the tool `raw` is asked to answer with, to the letter.
    fn raw(&self, method: &str, message: &Incoming<'_>) -> Option<(String, String)> {
        self.script
            .full
            .as_ref()
            .filter(|_| method == "tools/call")?;
        let params = params(message);
        let text = |member: &str| params["arguments"][member].as_str().map(str::to_owned);
        (params["name"] == "raw").then_some(())?;
        Some((text("member")?, text("text")?))
    }

    fn answered(&self, message: &Incoming<'_>) {
        // There are values that serde_json does not hold; that there is an answer counts all the same.
        let value = |raw: Option<&RawValue>| {
            raw.map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap_or_default())
        };
        let answer = match (value(message.result), value(message.error)) {
            (Some(result), _) => json!({"result": result}),
            (None, Some(error)) => json!({"error": error}),
            (None, None) => return,
        };
        self.full
            .take_answer(message.id.map_or("null", RawValue::get), answer);
    }

    fn heard(&self, method: &str) {
        *self.state().heard.entry(method.to_owned()).or_default() += 1;
    }

    /// Appends `line` to the record, where the script asks for one.
    pub fn record(&self, line: &str) {
        if let Some(path) = &self.script.record {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let mut file = file.expect("the record can be opened");
            // One write for the line and its end, so that records of two processes do not mix.
            file.write_all(format!("{}\n", line.trim_end()).as_bytes())
                .expect("the record can be written");
        }
    }

    fn initialize(&self, params: &Value) -> Value {
        let asked = params["protocolVersion"].as_str().unwrap_or_default();
        let revision = if REVISIONS.contains(&asked) {
            asked
        } else {
            REVISIONS[0]
        };
        let mut result = json!({
            "protocolVersion": revision,
            "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": {"name": self.script.name, "version": "1.0.0"},
        });
        if self.script.full.is_some() {
            result["capabilities"] = Full::capabilities();
        }
        if let Some(instructions) = &self.script.instructions {
            result["instructions"] = json!(instructions);
        }
        result
    }

    fn list(&self, params: &Value) -> Result<Value, Value> {
        let tools = self.tools()?;
        let from = params["cursor"]
            .as_str()
            .map_or(Ok(0), str::parse::<usize>)
            .map_err(|_| json!({"code": -32602, "message": "unknown cursor"}))?
            .min(tools.len());
        let to = self
            .script
            .page
            .map_or(tools.len(), |page| tools.len().min(from + page));
        let mut result = json!({"tools": tools[from..to]});
        if to < tools.len() {
            result["nextCursor"] = json!(to.to_string());
        }
        Ok(result)
    }

    /// Returns every definition, as the list shows them.
    fn tools(&self) -> Result<Vec<Value>, Value> {
        let mut tools = Vec::new();
        if !self.script.bare {
            tools.extend(built_in());
        }
        if self.script.full.is_some() {
            tools.extend(Full::tools());
        }
        tools.extend((0..self.script.tools).map(|number| {
            tool(
                &format!("tool_{number}"),
                "Returns its arguments.",
                json!({"text": {"type": "string"}}),
            )
        }));
        for tool in &mut tools {
            let name = format!("{}{}", self.script.prefix, name_of(tool));
            tool["name"] = json!(name);
        }
        if let Some(path) = &self.script.definitions {
            let listed = fs::read_to_string(path)
                .map_err(|error| error.to_string())
                .and_then(|text| {
                    serde_json::from_str::<Vec<Value>>(&text).map_err(|error| error.to_string())
                });
            tools.extend(listed.map_err(
                |error| json!({"code": -32603, "message": format!("definitions: {error}")}),
            )?);
        }
        for (name, definition) in &self.state().overrides {
            let place = tools.iter().position(|tool| name_of(tool) == name);
            match (place, definition) {
                (Some(place), Some(changes)) => merge(&mut tools[place], changes),
                (Some(place), None) => drop(tools.remove(place)),
                (None, Some(changes)) => {
                    let mut added = tool(name, "Returns its arguments.", json!({}));
                    merge(&mut added, changes);
                    tools.push(added);
                }
                (None, None) => {}
            }
        }
        Ok(tools)
    }

    /// Carries out a call. `None`: it was cancelled and gets no answer.
    fn call(&self, id: &str, params: &Value, out: &dyn Outlet) -> Option<Result<Value, Value>> {
        let name = params["name"].as_str().unwrap_or_default();
        let arguments = &params["arguments"];
        let Some(own) = name.strip_prefix(&self.script.prefix) else {
            return Some(self.call_listed(name, arguments));
        };
        if self.script.full.is_some()
            && let Some(result) = self.full.call(own, arguments, out)
        {
            return Some(Ok(result));
        }
        let text = match own {
            _ if self.script.bare => return Some(self.call_listed(name, arguments)),
            "echo" => arguments["text"].as_str().unwrap_or_default().to_owned(),
            "pid" => process::id().to_string(),
            "env" => {
                let variables: BTreeMap<String, String> = std::env::vars_os()
                    .map(|(name, value)| {
                        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
                        (text(name), text(value))
                    })
                    .collect();
                json!(variables).to_string()
            }
            "heard" => json!(self.state().heard).to_string(),
            "fail" => {
                return Some(Ok(json!({
                    "content": [{"type": "text", "text": "it failed, as asked"}],
                    "isError": true,
                })));
            }
            "refuse" => {
                return Some(Err(json!({
                    "code": -32050, "message": "refused, as asked", "data": arguments,
                })));
            }
            "large" => {
                let bytes = arguments["bytes"].as_u64().unwrap_or(1 << 20);
                let bytes = usize::try_from(bytes).expect("a size that fits");
                if arguments["counted"] == true {
                    counted(bytes)
                } else {
                    "x".repeat(bytes)
                }
            }
            "crash" => process::exit(
                arguments["code"]
                    .as_i64()
                    .and_then(|code| i32::try_from(code).ok())
                    .unwrap_or(101),
            ),
            "set_definition" => {
                self.set_definition(arguments, out);
                "set".to_owned()
            }
            "announce" => {
                self.announce(out);
                "announced".to_owned()
            }
            "sleep" => {
                let asked = arguments["ms"].as_u64().unwrap_or(1000);
                let until = Instant::now() + Duration::from_millis(asked);
                if !self.rest(id, until) {
                    return None;
                }
                "slept".to_owned()
            }
            "progress" => {
                let steps = arguments["steps"].as_u64().unwrap_or(3);
                let each = Duration::from_millis(arguments["ms"].as_u64().unwrap_or(10));
                let token = &params["_meta"]["progressToken"];
                for step in 1..=steps {
                    if !self.rest(id, Instant::now() + each) {
                        return None;
                    }
                    if !token.is_null() {
                        out.related(&json!({
                            "jsonrpc": "2.0",
                            "method": "notifications/progress",
                            "params": {
                                "progressToken": token,
                                "progress": step,
                                "total": steps,
                                "message": format!("step {step}"),
                            },
                        }));
                    }
                }
                "done".to_owned()
            }
            #[cfg(unix)]
            "hold" | "hold_read_only" | "hold_idempotent" => {
                let gate = arguments["gate"].as_str().unwrap_or_default();
                self.hold(id, gate)?
            }
            _ => return Some(self.call_listed(name, arguments)),
        };
        Some(Ok(text_result(&text)))
    }

    /// Answers a call of a tool that is listed and has no behaviour of its own.
    fn call_listed(&self, name: &str, arguments: &Value) -> Result<Value, Value> {
        // A numbered tool is known by its name; building the whole list for each call would make
        // this the slowest thing a benchmark measures.
        let numbered = name
            .strip_prefix(&self.script.prefix)
            .and_then(|name| name.strip_prefix("tool_"))
            .and_then(|number| number.parse::<usize>().ok())
            .is_some_and(|number| number < self.script.tools);
        if numbered || self.tools()?.iter().any(|tool| name_of(tool) == name) {
            Ok(text_result(&arguments.to_string()))
        } else {
            Err(json!({"code": -32602, "message": format!("no tool {name}")}))
        }
    }

    /// Says that the list has changed.
    pub fn announce(&self, out: &dyn Outlet) {
        out.broadcast(&list_changed());
    }

    fn set_definition(&self, arguments: &Value, out: &dyn Outlet) {
        let name = arguments["name"].as_str().unwrap_or("echo");
        let definition = if arguments["remove"] == json!(true) {
            None
        } else {
            Some(arguments["definition"].clone())
        };
        self.state().overrides.insert(name.to_owned(), definition);
        if arguments["announce"] == json!(true) {
            self.announce(out);
        }
    }

    /// Waits until `until`; returns whether the call may still be answered.
    fn rest(&self, id: &str, until: Instant) -> bool {
        let mut state = self.state();
        state.running.entry(id.to_owned()).or_default();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let cancelled = state.running.get(id).is_some_and(|call| call.cancelled);
            if cancelled || left.is_zero() {
                state.running.remove(id);
                return !cancelled;
            }
            state = self
                .cancelled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Says at the gate that the call has arrived, and waits there until it is let through.
    #[cfg(unix)]
    fn hold(&self, id: &str, gate: &str) -> Option<String> {
        let stream = match std::os::unix::net::UnixStream::connect(gate) {
            Ok(stream) => Arc::new(stream),
            Err(error) => return Some(format!("no gate at {gate}: {error}")),
        };
        self.state().running.insert(
            id.to_owned(),
            Running {
                cancelled: false,
                gate: Some(Arc::clone(&stream)),
            },
        );
        let mut line = String::new();
        let read = writeln!(&*stream, "{}", process::id())
            .and_then(|()| BufReader::new(&*stream).read_line(&mut line));
        let cancelled = self
            .state()
            .running
            .remove(id)
            .is_some_and(|call| call.cancelled);
        match read {
            _ if cancelled => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) => Some(format!("the gate broke: {error}")),
        }
    }

    fn cancel(&self, params: Option<&RawValue>) {
        #[derive(Deserialize)]
        struct Cancelled<'a> {
            #[serde(borrow, rename = "requestId")]
            id: &'a RawValue,
        }
        let cancelled = params.map(|it| serde_json::from_str::<Cancelled<'_>>(it.get()));
        let Some(Ok(Cancelled { id })) = cancelled else {
            return;
        };
        let mut state = self.state();
        if let Some(call) = state.running.get_mut(id.get()) {
            call.cancelled = true;
            #[cfg(unix)]
            if let Some(gate) = &call.gate {
                // The test at the gate may be gone already.
                let _ = writeln!(&**gate, "cancelled");
                let _ = gate.shutdown(std::net::Shutdown::Read);
            }
        }
        self.cancelled.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn built_in() -> Vec<Value> {
    let text = || json!({"text": {"type": "string"}});
    let gate = || json!({"gate": {"type": "string"}});
    let hinted = |mut tool: Value, hint: &str| {
        tool["annotations"] = json!({hint: true});
        tool
    };
    vec![
        tool("echo", "Returns the text.", text()),
        tool(
            "sleep",
            "Answers after a while.",
            json!({"ms": {"type": "integer"}}),
        ),
        tool(
            "progress",
            "Reports progress before it answers.",
            json!({"steps": {"type": "integer"}, "ms": {"type": "integer"}}),
        ),
        hinted(
            tool("pid", "Returns its process id.", json!({})),
            "readOnlyHint",
        ),
        tool("env", "Returns its environment.", json!({})),
        hinted(
            tool("heard", "Returns what it heard.", json!({})),
            "readOnlyHint",
        ),
        tool("fail", "Returns an error of the tool.", json!({})),
        tool("refuse", "Returns an error of the protocol.", json!({})),
        tool(
            "large",
            "Returns many bytes.",
            json!({"bytes": {"type": "integer"}}),
        ),
        tool(
            "crash",
            "Ends the server.",
            json!({"code": {"type": "integer"}}),
        ),
        tool(
            "set_definition",
            "Changes a definition.",
            json!({
                "name": {"type": "string"},
                "definition": {"type": "object"},
                "remove": {"type": "boolean"},
                "announce": {"type": "boolean"},
            }),
        ),
        tool("announce", "Says that the list has changed.", json!({})),
        tool("hold", "Answers when it is let through the gate.", gate()),
        hinted(
            tool("hold_read_only", "The same, and changes nothing.", gate()),
            "readOnlyHint",
        ),
        hinted(
            tool("hold_idempotent", "The same, and may be repeated.", gate()),
            "idempotentHint",
        ),
    ]
}

fn tool(name: &str, description: &str, properties: Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties},
    })
}

fn name_of(tool: &Value) -> &str {
    tool["name"].as_str().unwrap_or_default()
}

/// Replaces the members of `tool` by those of `changes`.
fn merge(tool: &mut Value, changes: &Value) {
    for (member, value) in changes.as_object().into_iter().flatten() {
        tool[member] = value.clone();
    }
}

fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn list_changed() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
}

fn params(message: &Incoming<'_>) -> Value {
    message.params_value()
}
