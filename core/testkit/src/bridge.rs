//! A client of `narthex stdio`: a process with two pipes.

use std::{
    collections::VecDeque,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    census::{self, MARKER},
    core::{Home, PATIENCE},
    session::REVISION,
};

/// How often its standard error is looked at while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A bridge, and the client that started it.
#[derive(Debug)]
pub struct Bridge {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    stderr: Arc<Mutex<String>>,
    /// What came while something else was waited for.
    passed: VecDeque<String>,
    next: u64,
    /// The revision that it asks for.
    pub revision: &'static str,
}

impl Bridge {
    /// Starts one for a home. Whatever it starts carries the home's marker, and there is no desktop.
    pub fn start(home: &Home) -> Self {
        Self::start_with(home, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(home: &Home, envs: &[(&str, &str)]) -> Self {
        let path = home.path().to_str().expect("temporary folders are UTF-8");
        let mut command = home.command(&["stdio", "--client", "kit", "--home", path]);
        command
            .env(MARKER, home.marker_of("core"))
            .envs(envs.iter().copied());
        Self::of(command)
    }

    /// Starts a command that is one.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("narthex can be started");
        let mut stderr = child.stderr.take().expect("it is piped");
        let said = Arc::<Mutex<String>>::default();
        let written = Arc::clone(&said);
        tokio::spawn(async move {
            let mut part = [0; 4096];
            while let Ok(bytes @ 1..) = stderr.read(&mut part).await {
                let text = String::from_utf8_lossy(&part[..bytes]);
                let mut said = written.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&text);
            }
        });
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
            stderr: said,
            passed: VecDeque::new(),
            next: 1,
            revision: REVISION,
        }
    }

    /// Returns its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the bridge has not ended")
    }

    /// Returns what it has written to its standard error.
    pub fn stderr(&self) -> String {
        let said = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// Waits until it has written something to its standard error.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until_it_says(&self, what: &str) {
        let said = async {
            while !self.stderr().contains(what) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if timeout(PATIENCE, said).await.is_err() {
            panic!("nothing of {what:?} in {:?}", self.stderr());
        }
    }

    /// Writes bytes and a line's end.
    ///
    /// # Panics
    /// When it does not read.
    pub async fn write(&mut self, line: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("the input is open");
        let line = [line.as_ref(), b"\n"].concat();
        let written = timeout(PATIENCE, input.write_all(&line)).await;
        written
            .expect("the bridge reads")
            .expect("the bridge has not ended");
    }

    /// Returns the next line; nothing at the end.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn line(&mut self) -> Option<String> {
        if let Some(line) = self.passed.pop_front() {
            return Some(line);
        }
        self.read().await
    }

    async fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.output.read_line(&mut line)).await;
        let Ok(read) = read else {
            panic!("nothing in {PATIENCE:?}:\n{}", self.stderr());
        };
        let bytes = read.expect("the output is text");
        (bytes > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// Returns the first line for which `is_it` holds; the others wait.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn line_that(&mut self, is_it: impl Fn(&Value) -> bool) -> String {
        let of = |line: &String| serde_json::from_str(line).is_ok_and(|message| is_it(&message));
        if let Some(place) = self.passed.iter().position(of) {
            return self.passed.remove(place).expect("it was just there");
        }
        loop {
            let Some(line) = self.read().await else {
                panic!("the output has ended:\n{}", self.stderr());
            };
            if of(&line) {
                return line;
            }
            self.passed.push_back(line);
        }
    }

    /// Returns the first message of a method; the others wait.
    pub async fn message(&mut self, method: &str) -> Value {
        let line = self.line_that(|message| message["method"] == method).await;
        serde_json::from_str(&line).expect("it was just read")
    }

    /// Returns the answer to a request; everything else waits.
    pub async fn answer(&mut self, id: &Value) -> Value {
        let is_it = |message: &Value| message.get("method").is_none() && message["id"] == *id;
        let line = self.line_that(is_it).await;
        serde_json::from_str(&line).expect("it was just read")
    }

    /// Forgets what waits, and returns it.
    pub fn passed(&mut self) -> Vec<Value> {
        let passed = self.passed.drain(..);
        passed
            .map(|line| serde_json::from_str(&line).unwrap_or_default())
            .collect()
    }

    /// Sends a request, and returns its id.
    pub async fn send(&mut self, method: &str, params: Value) -> Value {
        let id = json!(self.next);
        self.next += 1;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.write(message.to_string()).await;
        id
    }

    /// Sends a request, and returns its answer.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.answer(&id).await
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params).await
    }

    /// Calls a tool, and returns the text of its result.
    ///
    /// # Panics
    /// When it has none.
    pub async fn text(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text: {answer}\n{}", self.stderr()))
            .to_owned()
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.write(message.to_string()).await;
    }

    /// Answers what the server asked.
    pub async fn reply(&mut self, question: &Value, result: Value) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        self.write(answer.to_string()).await;
    }

    /// Says hello as a client that declares `capabilities`, and returns the answer.
    pub async fn hello(&mut self, capabilities: Value) -> Value {
        let params = json!({
            "protocolVersion": self.revision,
            "capabilities": capabilities,
            "clientInfo": {"name": "narthex-testkit", "version": "1.0.0"},
        });
        let answer = self.request("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        answer
    }

    /// Ends its input.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// Ends its input, and returns how it ended.
    pub async fn end(mut self) -> ExitStatus {
        self.input = None;
        self.ended().await
    }

    /// Sends a signal, and returns how it ended.
    pub async fn end_by(mut self, signal: rustix::process::Signal) -> ExitStatus {
        census::signal(self.pid(), signal);
        self.ended().await
    }

    async fn ended(&mut self) -> ExitStatus {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("no end:\n{}", self.stderr()));
        status.expect("a child can be waited for")
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.start_kill();
    }
}
