//! A folder with a configuration, in which cores come and go.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::{
    binaries, census,
    core::{Core, Refused},
    entry::Entry,
};

/// A folder with a configuration, for cores that come and go.
#[derive(Debug)]
pub struct Home {
    folder: tempfile::TempDir,
    marker: String,
    /// Extra arguments of `serve`.
    args: Vec<String>,
    envs: Vec<(String, String)>,
}

impl Home {
    /// Makes an empty folder.
    ///
    /// # Panics
    /// When there is no place for it.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("narthex-test-").tempdir();
        let random: u64 = fastrand::u64(..);
        Self {
            folder: folder.expect("a temporary folder can be made"),
            marker: format!("marker-{random:016x}"),
            args: Vec::new(),
            envs: Vec::new(),
        }
    }

    /// Writes a configuration with `servers`, replacing the one there is.
    #[must_use]
    pub fn with<'a>(self, servers: impl IntoIterator<Item = (&'a str, Entry)>) -> Self {
        self.write_servers(servers);
        self
    }

    /// Adds an argument of `serve`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Takes an argument of `serve` away again.
    #[must_use]
    pub fn without_arg(mut self, arg: &str) -> Self {
        self.args.retain(|other| other != arg);
        self
    }

    /// Sets a variable in the core's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.into(), value.into()));
        self
    }

    /// Starts with the person's word for everything in the file.
    #[must_use]
    pub fn trusted(self) -> Self {
        self.arg("--trust-config")
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of `narthex.json`.
    pub fn config_path(&self) -> PathBuf {
        self.path().join("narthex.json")
    }

    /// Returns what marks everything that this home's servers start.
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// Returns what marks everything that `server` starts.
    pub fn marker_of(&self, server: &str) -> String {
        format!("{}:{server};", self.marker)
    }

    /// Returns `entry` as it stands in the file, with the marker of `server`.
    pub fn entry(&self, server: &str, entry: Entry) -> Value {
        entry.marked(&self.marker_of(server))
    }

    /// Writes a configuration with `servers`, replacing the one there is.
    pub fn write_servers<'a>(&self, servers: impl IntoIterator<Item = (&'a str, Entry)>) {
        let servers: Map<String, Value> = servers
            .into_iter()
            .map(|(name, entry)| (name.to_owned(), self.entry(name, entry)))
            .collect();
        let config = json!({"mcpServers": servers});
        self.write_config(&format!("{config:#}\n"));
    }

    /// Writes `narthex.json` the way editors do: beside it, then in its place.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_config(&self, text: &str) {
        let draft = self.path().join(".narthex.json.draft");
        fs::write(&draft, text).expect("the configuration can be written");
        fs::rename(draft, self.config_path()).expect("the configuration can be put in place");
    }

    /// Reads `narthex.json`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn config(&self) -> String {
        fs::read_to_string(self.config_path()).expect("the configuration can be read")
    }

    /// Reads a token.
    ///
    /// # Panics
    /// When there is none.
    pub fn token(&self, kind: &str) -> String {
        let file = self.path().join(format!("{kind}.token"));
        let text = fs::read_to_string(&file);
        text.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            .trim()
            .to_owned()
    }

    /// Prepares a run of `narthex` with this home.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binaries::narthex());
        command
            .args(args)
            .env_remove("NARTHEX_HOME")
            .env("NARTHEX_DESKTOP", "")
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .envs(self.envs.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts a core that must come up.
    ///
    /// # Panics
    /// When it does not.
    pub async fn start(self) -> Core {
        match self.try_start().await {
            Ok(core) => core,
            Err((_, refused)) => panic!("narthex did not start: {refused:?}"),
        }
    }

    /// Starts a core that may refuse.
    ///
    /// # Errors
    /// When it ends before it is ready.
    ///
    /// # Panics
    /// When it neither ends nor gets ready.
    pub async fn try_start(self) -> Result<Core, (Self, Refused)> {
        Core::start(self).await
    }

    /// Prepares the start of a core, at a port of its own unless its arguments name one.
    pub(crate) fn serve(&self) -> Command {
        let home = self.path().to_str().expect("temporary folders are UTF-8");
        let mut args = vec!["serve", "--json", "--home", home];
        if !self.args.iter().any(|arg| arg == "--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        args.extend(self.args.iter().map(String::as_str));
        self.command(&args)
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        census::kill_marked(&self.marker);
    }
}
