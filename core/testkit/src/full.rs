//! What a scripted server offers beside tools: prompts, resources, completions, subscriptions, log
//! messages, and tools that make it ask and say things by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::scripted::Outlet;

/// How long an answer to what the server asks is waited for: longer than any test.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The levels of log messages, the least grave first.
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The parts of a server that offers everything.
#[derive(Debug, Default)]
pub(crate) struct Full {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    declared: Value,
    level: Option<String>,
    subscribed: BTreeSet<String>,
    asked: u64,
    /// How many questions wait for their answers.
    waiting: usize,
    /// Answers to what was asked, by the spelling of the id.
    answers: BTreeMap<String, Value>,
}

impl Full {
    /// Returns what is declared beside tools.
    pub(crate) fn capabilities() -> Value {
        json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "completions": {},
            "logging": {},
        })
    }

    /// Takes note of what a client declares.
    pub(crate) fn initialized_by(&self, params: &Value) {
        self.state().declared = params["capabilities"].clone();
    }

    /// Takes a client's answer.
    pub(crate) fn take_answer(&self, id: &str, answer: Value) {
        self.state().answers.insert(id.to_owned(), answer);
        self.answered.notify_all();
    }

    /// Answers what is no tool call; `None` for a method it does not know. `name` is the server's,
    /// `scheme` what its URIs begin with.
    pub(crate) fn answer(
        &self,
        name: &str,
        scheme: &str,
        method: &str,
        params: &Value,
    ) -> Option<Result<Value, Value>> {
        let uri = params["uri"].as_str().unwrap_or_default();
        Some(Ok(match method {
            "prompts/list" => json!({"prompts": prompts()}),
            "prompts/get" => return Some(prompt(scheme, params)),
            "resources/list" => json!({"resources": [
                {"uri": format!("{scheme}://static"), "name": "static", "size": 12.0},
                {"uri": format!("{scheme}://watched"), "name": "watched", "_meta": {"k": [1]}},
            ]}),
            "resources/templates/list" => json!({"resourceTemplates": [
                {"uriTemplate": format!("{scheme}://item/{{id}}"), "name": "item"},
            ]}),
            "resources/read" if uri.starts_with(scheme) && !uri.ends_with("missing") => {
                json!({"contents": [{"uri": uri, "text": format!("{name} read {uri}")}]})
            }
            "resources/read" => {
                let error =
                    json!({"code": -32002, "message": "no such resource", "data": {"uri": uri}});
                return Some(Err(error));
            }
            "completion/complete" => {
                let of = params["ref"]["name"]
                    .as_str()
                    .or(params["ref"]["uri"].as_str());
                let value = params["argument"]["value"].as_str().unwrap_or_default();
                let values = [format!("{}:{value}", of.unwrap_or_default())];
                json!({"completion": {"values": values, "total": 1, "hasMore": false}})
            }
            "resources/subscribe" if uri.ends_with("missing") => {
                return Some(Err(json!({"code": -32002, "message": "no such resource"})));
            }
            "resources/subscribe" => {
                self.state().subscribed.insert(uri.to_owned());
                json!({})
            }
            "resources/unsubscribe" => {
                self.state().subscribed.remove(uri);
                json!({})
            }
            "logging/setLevel" => {
                self.state().level = params["level"].as_str().map(str::to_owned);
                json!({})
            }
            _ => return None,
        }))
    }

    /// Returns the tools by which it is made to ask and say things.
    pub(crate) fn tools() -> Vec<Value> {
        let tool = |name: &str, description: &str| json!({"name": name, "description": description, "inputSchema": {"type": "object"}});
        vec![
            tool(
                "ask",
                "Asks the client `method` with `params` and returns its answer; `later` without it.",
            ),
            tool(
                "log",
                "Sends a log message of a `level`; `aside` of this call.",
            ),
            tool("touch", "Says that the resource `uri` was updated."),
            tool(
                "link",
                "Returns a link to `uri`, and what is embedded from there.",
            ),
            tool("raw", "Answers with `text` as `member`."),
            tool(
                "standing",
                "Returns what the client declared, wants and follows.",
            ),
        ]
    }

    /// Carries out a call of one of these tools; `None` where it is none of them.
    pub(crate) fn call(&self, name: &str, arguments: &Value, out: &dyn Outlet) -> Option<Value> {
        let text = |text: String| Some(json!({"content": [{"type": "text", "text": text}]}));
        match name {
            "ask" => text(self.ask(arguments, out).to_string()),
            "log" => {
                self.log(arguments, out);
                text("logged".to_owned())
            }
            "touch" => {
                let uri = &arguments["uri"];
                let followed = self
                    .state()
                    .subscribed
                    .contains(uri.as_str().unwrap_or_default());
                if followed {
                    out.broadcast(&json!({
                        "jsonrpc": "2.0",
                        "method": "notifications/resources/updated",
                        "params": {"uri": uri, "_meta": {"by": "touch"}},
                    }));
                }
                text(followed.to_string())
            }
            "link" => {
                let uri = &arguments["uri"];
                Some(json!({"content": [
                    {"type": "resource_link", "uri": uri, "name": "linked"},
                    {"type": "resource", "resource": {"uri": uri, "text": "embedded"}},
                    {"type": "text", "text": format!("see {uri}")},
                ]}))
            }
            "standing" => {
                let State {
                    declared,
                    level,
                    subscribed,
                    waiting,
                    answers,
                    ..
                } = &*self.state();
                let all = json!({
                    "declared": declared,
                    "level": level,
                    "subscribed": subscribed,
                    "waiting": waiting,
                    "answers": answers,
                });
                text(all.to_string())
            }
            _ => None,
        }
    }

    /// Asks something and waits for the answer, unless it is to be taken back.
    fn ask(&self, arguments: &Value, out: &dyn Outlet) -> Value {
        let mut state = self.state();
        state.asked += 1;
        // Ids of both types, as servers use them.
        let id = if state.asked.is_multiple_of(2) {
            json!(state.asked)
        } else {
            json!(format!("q{}", state.asked))
        };
        drop(state);
        let request = json!({
            "jsonrpc": "2.0",
            "id": id,
            "method": arguments["method"],
            "params": arguments.get("params").unwrap_or(&json!({})),
        });
        let send = |message: &Value| {
            if arguments["aside"] == json!(true) {
                out.broadcast(message);
            } else {
                out.related(message);
            }
        };
        send(&request);
        if arguments["later"] == json!(true) {
            return json!("asked");
        }
        // Whoever reads this finds the question on its way.
        self.state().waiting += 1;
        if arguments["withdraw"] == json!(true) {
            let params = json!({"requestId": id, "reason": "changed my mind"});
            let cancelled = json!({
                "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params,
            });
            send(&cancelled);
            self.state().waiting -= 1;
            return json!("withdrawn");
        }
        let answer = self.answer_to(&id.to_string());
        self.state().waiting -= 1;
        answer.unwrap_or(json!("no answer"))
    }

    /// Waits for the answer to what was asked under an id of this spelling.
    pub(crate) fn answer_to(&self, id: &str) -> Option<Value> {
        let (mut state, _) = self
            .answered
            .wait_timeout_while(self.state(), ANSWER_TIMEOUT, |state| {
                !state.answers.contains_key(id)
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.answers.remove(id)
    }

    fn log(&self, arguments: &Value, out: &dyn Outlet) {
        let level = arguments["level"].as_str().unwrap_or("info");
        let place = |level: &str| LEVELS.iter().position(|known| *known == level);
        let wanted = self.state().level.clone();
        if wanted.is_some_and(|wanted| place(level) < place(&wanted)) {
            return;
        }
        let message = json!({
            "jsonrpc": "2.0",
            "method": "notifications/message",
            "params": {"level": level, "logger": "kit", "data": arguments["data"]},
        });
        if arguments["aside"] == json!(true) {
            out.broadcast(&message);
        } else {
            out.related(&message);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prompts() -> Value {
    json!([
        {
            "name": "greet",
            "title": "Greet",
            "arguments": [{"name": "who", "required": true}],
            "icons": [{"src": "data:,x", "sizes": ["any"]}],
            "_meta": {"a.b/c": 1.0},
        },
        {"name": "look", "description": "Looks at a resource."},
    ])
}

fn prompt(scheme: &str, params: &Value) -> Result<Value, Value> {
    let content = match params["name"].as_str() {
        Some("greet") => {
            let who = params["arguments"]["who"].as_str().unwrap_or_default();
            json!({"type": "text", "text": format!("Hello, {who}.")})
        }
        Some("look") => json!({
            "type": "resource",
            "resource": {"uri": format!("{scheme}://static"), "text": "looked at"},
        }),
        _ => return Err(json!({"code": -32602, "message": "no such prompt"})),
    };
    Ok(json!({"messages": [{"role": "user", "content": content}]}))
}
