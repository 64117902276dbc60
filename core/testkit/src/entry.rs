//! Entries of `narthex.json`.

use serde_json::{Map, Value, json};

use crate::{binaries, census::MARKER};

/// An entry under `mcpServers`.
#[derive(Debug, Clone)]
pub struct Entry(Value);

impl Entry {
    /// Makes an entry of its members.
    pub fn new(members: Value) -> Self {
        Self(members)
    }

    /// An entry that runs the scripted server over stdio with `args`.
    pub fn scripted<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let args: Vec<&str> = args.into_iter().collect();
        Self(json!({"command": binaries::scripted_server(), "args": args}))
    }

    /// An entry that runs `script` in a shell; `$SERVER` is the scripted server.
    pub fn shell(script: &str) -> Self {
        Self(json!({"command": "sh", "args": ["-c", script]}))
            .env("SERVER", &binaries::scripted_server().to_string_lossy())
    }

    /// An entry for a server at `url`.
    pub fn url(url: &str) -> Self {
        Self(json!({"url": url}))
    }

    /// Sets a member.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        if self.0["env"].is_null() {
            self.0["env"] = Value::Object(Map::new());
        }
        self.0["env"][name] = value.into();
        self
    }

    /// Returns the members, with `marker` in the environment of what runs.
    pub fn marked(mut self, marker: &str) -> Value {
        if self.0.get("command").is_some() {
            self = self.env(MARKER, marker);
        }
        self.0
    }
}
