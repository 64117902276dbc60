//! The person's file, written again and again.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

/// How many servers there are at most.
pub(super) const SERVERS: usize = 10;

/// One entry, as a person might have it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Which launch it names.
    pub(super) form: u8,
    /// `enabled`.
    pub(super) enabled: bool,
    /// `quarantined`.
    pub(super) quarantined: bool,
    /// `initTimeout`.
    pub(super) init_timeout: Option<&'static str>,
    patient: bool,
    nonsense: bool,
}

/// The file and what is meant to stand in it.
pub(super) struct File {
    path: PathBuf,
    random: fastrand::Rng,
    /// The entries that can be used, and those that cannot.
    pub(super) entries: BTreeMap<String, Entry>,
}

/// Returns the names of all servers.
pub(super) fn names() -> impl Iterator<Item = String> {
    (0..SERVERS).map(|number| format!("s{number}"))
}

impl File {
    /// Begins with all servers.
    pub(super) fn new(path: PathBuf, seed: u64) -> Self {
        let file = Self {
            path,
            random: fastrand::Rng::with_seed(seed ^ 0x0f11_e000),
            entries: names().map(|name| (name, Entry::new(0))).collect(),
        };
        file.write();
        file
    }

    /// Changes one thing, and writes it.
    pub(super) fn change(&mut self) {
        let name = format!("s{}", self.random.usize(..SERVERS));
        let form = self.random.u8(..3);
        match self.entries.get_mut(&name) {
            None => {
                self.entries.insert(name, Entry::new(form));
            }
            Some(entry) => match self.random.u8(..12) {
                0 | 1 => {
                    self.entries.remove(&name);
                }
                2 | 3 => entry.form = form,
                4 | 5 => entry.enabled = !entry.enabled,
                6 => entry.patient = !entry.patient,
                7 => entry.quarantined = true,
                8 => entry.nonsense = true,
                _ => {
                    *entry = Entry {
                        form: entry.form,
                        ..Entry::new(0)
                    };
                }
            },
        }
        self.write();
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, name: &str) {
        self.entries.remove(name);
        self.write();
    }

    /// Puts an entry in.
    pub(super) fn add(&mut self, name: &str) {
        self.entries.insert(name.to_owned(), Entry::new(0));
        self.write();
    }

    /// Sometimes nothing of the file can be used, or there is none.
    pub(super) fn break_for_a_while(&mut self) {
        if self.random.bool() {
            fs::write(&self.path, r#"{"mcpServers": {"s0": "#).unwrap();
        } else {
            // It may be gone since the last time.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Writes it once more, with no nonsense in it.
    pub(super) fn finish(&mut self) {
        for entry in self.entries.values_mut() {
            entry.nonsense = false;
        }
        self.write();
    }

    fn write(&self) {
        let entries: BTreeMap<_, _> = self
            .entries
            .iter()
            .map(|(name, entry)| (name, entry.json(name)))
            .collect();
        fs::write(&self.path, json!({"mcpServers": entries}).to_string()).unwrap();
    }
}

impl Entry {
    const fn new(form: u8) -> Self {
        Self {
            form,
            enabled: true,
            quarantined: false,
            init_timeout: Some("2s"),
            patient: false,
            nonsense: false,
        }
    }

    /// Returns the arguments it names.
    pub(super) fn args(&self, name: &str) -> Vec<String> {
        vec![name.to_owned(), format!("form {}", self.form)]
    }

    fn json(&self, name: &str) -> Value {
        if self.nonsense {
            return json!({"command": 5});
        }
        let mut entry = json!({
            "command": "scripted",
            "args": self.args(name),
        });
        if let Some(timeout) = self.init_timeout {
            entry["initTimeout"] = json!(timeout);
        }
        if !self.enabled {
            entry["enabled"] = json!(false);
        }
        if self.quarantined {
            entry["quarantined"] = json!(true);
        }
        if self.patient {
            entry["callTimeout"] = json!("5m");
        }
        entry
    }
}
