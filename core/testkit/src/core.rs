//! The real `narthex` binary in a [home](Home) of its own, and everything a test does with it.

use std::{
    collections::BTreeMap,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    census::{self, Process},
    entry::Entry,
    events::Events,
    session::{Raw, Session},
    sse::SseStream,
    view::Server,
};

pub use crate::home::Home;

/// How long anything may take before a test gives it up. It is long because machines that run tests
/// are busy; nothing waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running core.
#[derive(Debug)]
pub struct Core {
    /// The folder it holds.
    pub home: Home,
    /// The line it printed when it was ready.
    pub ready: Value,
    child: Child,
    stderr: Lines,
    http: reqwest::Client,
    follower: JoinHandle<()>,
    watched: watch::Receiver<Watched>,
}

/// How a `narthex serve` ended that did not start.
#[derive(Debug)]
pub struct Refused {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// What the events have said so far.
#[derive(Debug, Clone, Default)]
struct Watched {
    revision: u64,
    servers: BTreeMap<String, Server>,
    core: Value,
    /// Why nothing more will come.
    ended: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Core {
    /// Starts one with this home; it and why, where the core ends before it is ready.
    pub(crate) async fn start(home: Home) -> Result<Self, (Home, Refused)> {
        let mut child = home.serve().spawn().expect("narthex can be started");
        let stderr = Lines::collect(child.stderr.take().expect("it is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let read = timeout(PATIENCE, stdout.read_line(&mut line)).await;
        if read.is_err() {
            panic!("narthex was not ready in {PATIENCE:?}:\n{}", stderr.text());
        }
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let status = timeout(PATIENCE, child.wait()).await;
            let status = status.expect("it ends").expect("it can be waited for");
            // The last lines may be on their way still.
            stderr.closed().await;
            let refused = Refused {
                code: status.code(),
                stderr: stderr.text(),
            };
            return Err((home, refused));
        };
        // What it prints after the first line must not block it.
        tokio::spawn(async move {
            let mut rest = String::new();
            while stdout
                .read_line(&mut rest)
                .await
                .is_ok_and(|bytes| bytes > 0)
            {
                rest.clear();
            }
        });
        let http = reqwest::Client::new();
        let (publish, watched) = watch::channel(Watched::default());
        let follower = tokio::spawn(follow(
            http.clone(),
            api_of(&ready),
            home.token("control"),
            publish,
        ));
        Ok(Self {
            home,
            ready,
            child,
            stderr,
            http,
            follower,
            watched,
        })
    }

    /// Starts a core with `servers` and the person's word for all of them; returns when all are
    /// connected.
    pub async fn trusted<'a>(servers: impl IntoIterator<Item = (&'a str, Entry)>) -> Self {
        let servers: Vec<(&str, Entry)> = servers.into_iter().collect();
        let names: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
        let core = Home::new().with(servers).trusted().start().await;
        for name in names {
            core.wait_until(name, |server| server.is("connected")).await;
        }
        core
    }

    /// Returns the core's process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the core has not ended")
    }

    /// Returns where it listens: `127.0.0.1:7410`.
    pub fn address(&self) -> &str {
        self.ready["listening"]
            .as_str()
            .expect("`listening` is text")
    }

    /// Returns an address on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Returns what it has written to its standard error.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    // --- REST ---

    /// Gets a path below `/api/v1` with the control credential.
    pub async fn get(&self, path: &str) -> Raw {
        self.api(reqwest::Method::GET, path, None).await
    }

    /// Posts to a path below `/api/v1`.
    pub async fn post(&self, path: &str, body: Value) -> Raw {
        self.api(reqwest::Method::POST, path, Some(body)).await
    }

    /// Patches a path below `/api/v1`.
    pub async fn patch(&self, path: &str, body: Value) -> Raw {
        self.api(reqwest::Method::PATCH, path, Some(body)).await
    }

    /// Deletes a path below `/api/v1`.
    pub async fn delete(&self, path: &str) -> Raw {
        self.api(reqwest::Method::DELETE, path, None).await
    }

    /// Gives a wish, which must be accepted; returns its revision.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn wish(&self, server: &str, wish: &str) -> u64 {
        let raw = self.try_wish(server, wish).await;
        assert_eq!(raw.status, 200, "{wish} {server}: {raw:?}");
        let revision = raw.json()["revision"].as_u64();
        revision.unwrap_or_else(|| panic!("no revision in {raw:?}"))
    }

    /// Gives a wish.
    pub async fn try_wish(&self, server: &str, wish: &str) -> Raw {
        self.post(&format!("/servers/{server}/{wish}"), json!({}))
            .await
    }

    /// Fetches a server.
    ///
    /// # Panics
    /// When there is none of that name.
    pub async fn server(&self, name: &str) -> Server {
        let raw = self.get(&format!("/servers/{name}")).await;
        assert_eq!(raw.status, 200, "{name}: {raw:?}");
        let server = serde_json::from_value(raw.json()["server"].clone());
        server.unwrap_or_else(|error| panic!("{error}: {raw:?}"))
    }

    /// Fetches all servers.
    ///
    /// # Panics
    /// When the answer is not a list.
    pub async fn servers(&self) -> Vec<Server> {
        let raw = self.get("/servers").await;
        let servers = serde_json::from_value(raw.json()["servers"].clone());
        servers.unwrap_or_else(|error| panic!("{error}: {raw:?}"))
    }

    /// Sends a request and returns what came back.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Raw {
        match request.send().await {
            Ok(response) => Raw::read(response).await,
            Err(error) => panic!("{error:?}\n{}", self.stderr()),
        }
    }

    /// Prepares a request without a credential.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    async fn api(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Raw {
        let request = self
            .request(method, &format!("/api/v1{path}"))
            .bearer_auth(self.home.token("control"));
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    // --- approvals ---

    /// Approves what `name` would run.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn approve_launch(&self, name: &str) {
        let server = self.server(name).await;
        let approval = json!({"launch": server.launch_id()});
        let raw = self
            .post(&format!("/servers/{name}/approve"), approval)
            .await;
        assert_eq!(raw.status, 200, "approve the launch of {name}: {raw:?}");
    }

    /// Approves what `name` offers, once it is there to be seen.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn approve_offers(&self, name: &str) {
        let server = self
            .wait_until(name, |server| {
                server.epoch.is_some() && !server.awaits("approve")
            })
            .await;
        let approval = json!({"epoch": server.epoch});
        let raw = self
            .post(&format!("/servers/{name}/approve"), approval)
            .await;
        assert_eq!(raw.status, 200, "approve what {name} offers: {raw:?}");
    }

    /// Approves both halves, one after the other; returns when the server is connected.
    pub async fn approve_all(&self, name: &str) -> Server {
        self.approve_launch(name).await;
        self.approve_offers(name).await;
        self.wait_until(name, |server| {
            server.is("connected") && server.tools.held == 0
        })
        .await
    }

    // --- events ---

    /// Opens a stream of events.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn events(&self, last_event_id: Option<&str>) -> Events {
        let mut request = self
            .request(reqwest::Method::GET, "/api/v1/events")
            .bearer_auth(self.home.token("control"))
            .header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("the core answers over HTTP");
        assert_eq!(response.status(), 200, "GET /events: {response:?}");
        Events::new(SseStream::new(response))
    }

    /// Waits until `predicate` holds for `name`, following the events.
    ///
    /// # Panics
    /// When it does not in [`PATIENCE`].
    pub async fn wait_until(&self, name: &str, predicate: impl Fn(&Server) -> bool) -> Server {
        let found = self
            .wait(PATIENCE, |watched| {
                watched.servers.get(name).is_some_and(&predicate)
            })
            .await;
        match found {
            Ok(mut watched) => watched.servers.remove(name).expect("it was just there"),
            Err(why) => {
                let watched = self.watched.borrow().servers.get(name).cloned();
                panic!(
                    "waiting for {name}: {why}; it is {watched:#?}\n{}",
                    self.stderr()
                )
            }
        }
    }

    /// Waits until `predicate` holds for all servers together.
    ///
    /// # Panics
    /// When it does not in [`PATIENCE`].
    pub async fn wait_for_all(&self, predicate: impl Fn(&BTreeMap<String, Server>) -> bool) {
        let found = self
            .wait(PATIENCE, |watched| predicate(&watched.servers))
            .await;
        if let Err(why) = found {
            let conditions: Vec<String> = self
                .watched
                .borrow()
                .servers
                .values()
                .map(|server| format!("{}: {} {:?}", server.name, server.condition, server.error))
                .collect();
            panic!(
                "waiting for all: {why}; they are {conditions:#?}\n{}",
                self.stderr()
            );
        }
    }

    /// Waits until `predicate` holds for what is true of all: the last `core` event.
    ///
    /// # Panics
    /// When it does not in [`PATIENCE`].
    pub async fn wait_for_core(&self, predicate: impl Fn(&Value) -> bool) -> Value {
        let found = self
            .wait(PATIENCE, |watched| predicate(&watched.core))
            .await;
        match found {
            Ok(watched) => watched.core,
            Err(why) => {
                let core = self.watched.borrow().core.clone();
                panic!(
                    "waiting for the core: {why}; it is {core:#}\n{}",
                    self.stderr()
                )
            }
        }
    }

    /// Waits until the events have told of `revision` or a later one.
    ///
    /// # Panics
    /// When they do not in [`PATIENCE`].
    pub async fn wait_for_revision(&self, revision: u64) {
        if let Err(why) = self
            .wait(PATIENCE, |watched| watched.revision >= revision)
            .await
        {
            panic!("waiting for revision {revision}: {why}\n{}", self.stderr());
        }
    }

    async fn wait(
        &self,
        deadline: Duration,
        predicate: impl Fn(&Watched) -> bool,
    ) -> Result<Watched, String> {
        let mut watched = self.watched.clone();
        let found = timeout(
            deadline,
            watched.wait_for(|watched| watched.ended.is_some() || predicate(watched)),
        )
        .await;
        match found {
            Err(_) => Err(format!("not in {deadline:?}")),
            Ok(Err(_)) => Err("the events have ended".into()),
            Ok(Ok(watched)) => match &watched.ended {
                Some(why) if !predicate(&watched) => Err(why.clone()),
                _ => Ok(watched.clone()),
            },
        }
    }

    // --- MCP ---

    /// Opens a session at `/mcp`.
    pub async fn session(&self) -> Session {
        Session::open(&self.url("/mcp"), Some(&self.home.token("client"))).await
    }

    /// Opens a session at `/mcp/s/{server}`.
    pub async fn session_with(&self, server: &str) -> Session {
        let url = self.url(&format!("/mcp/s/{server}"));
        Session::open(&url, Some(&self.home.token("client"))).await
    }

    /// Opens a session at a path whose client declares `capabilities`.
    pub async fn session_able(&self, path: &str, capabilities: Value) -> Session {
        let token = self.home.token("client");
        Session::able(&self.url(path), Some(&token), capabilities).await
    }

    // --- processes ---

    /// Returns the processes that carry the marker of `server`.
    pub fn processes_of(&self, server: &str) -> Vec<Process> {
        census::marked(&self.home.marker_of(server))
    }

    /// Returns the process ids of the scripted servers that run for `server`.
    pub fn pids_of(&self, server: &str) -> Vec<u32> {
        let processes = self.processes_of(server);
        let servers = processes
            .iter()
            .filter(|process| process.is_scripted_server());
        servers.map(|process| process.pid).collect()
    }

    /// Waits until nothing is left that `server` started.
    pub async fn wait_until_server_gone(&self, server: &str, deadline: Duration) {
        census::wait_until_gone(&self.home.marker_of(server), &[], deadline).await;
    }

    /// Stops following the events: a core that nobody looks at has nothing to tell. What waits
    /// for a server fails from here on.
    pub fn look_away(&self) {
        self.follower.abort();
    }

    // --- ends ---

    /// Sends a signal and waits for the core to end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(mut self, signal: Signal) -> (Home, ExitStatus) {
        census::signal(self.pid(), signal);
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status =
            status.unwrap_or_else(|_| panic!("no end after {signal:?}:\n{}", self.stderr()));
        let home = std::mem::take(&mut self.home);
        (home, status.expect("a child can be waited for"))
    }

    /// Ends the core in order and starts one with the same home.
    ///
    /// # Panics
    /// When it does not end well or does not start.
    pub async fn restarted(self) -> Self {
        let (home, status) = self.end(Signal::TERM).await;
        assert!(status.success(), "the core ended with {status}");
        home.start().await
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.follower.abort();
        if std::thread::panicking() {
            complain(&format!("--- stderr of narthex ---\n{}", self.stderr()));
        }
        // It may have ended by itself.
        let _ = self.child.start_kill();
    }
}

/// Follows the events and publishes what they say. It fetches once, after `hello`, and again only
/// when the core says that there is a gap.
async fn follow(
    http: reqwest::Client,
    api: String,
    token: String,
    publish: watch::Sender<Watched>,
) {
    let why = match follow_until_broken(&http, &api, &token, &publish).await {
        Ok(()) => "the core closed the stream of events".to_owned(),
        Err(error) => format!("the stream of events: {error}"),
    };
    publish.send_modify(|watched| watched.ended = Some(why));
}

async fn follow_until_broken(
    http: &reqwest::Client,
    api: &str,
    token: &str,
    publish: &watch::Sender<Watched>,
) -> Result<(), String> {
    let response = http
        .get(format!("{api}/events"))
        .bearer_auth(token)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| error.to_string())?;
    let mut events = SseStream::new(response);
    while let Some(event) = events.next().await {
        let data: Value =
            serde_json::from_str(&event.data).map_err(|error| format!("{error} in {event:?}"))?;
        match event.name.as_str() {
            "hello" | "gap" => {
                let (revision, servers) = fetch(http, api, token).await?;
                let core = fetch_status(http, api, token).await;
                publish.send_modify(|watched| {
                    watched.revision = revision;
                    watched.servers = servers;
                    watched.core = core;
                });
            }
            "server" => {
                let server: Server = serde_json::from_value(data["server"].clone())
                    .map_err(|error| format!("{error} in {event:?}"))?;
                apply(publish, &data, |watched| {
                    watched.servers.insert(server.name.clone(), server);
                });
            }
            "removed" => apply(publish, &data, |watched| {
                watched
                    .servers
                    .remove(data["name"].as_str().unwrap_or_default());
            }),
            "core" => publish.send_modify(|watched| {
                watched.revision = watched.revision.max(data["revision"].as_u64().unwrap_or(0));
                watched.core = data;
            }),
            other => return Err(format!("unknown event `{other}`")),
        }
    }
    Ok(())
}

/// Applies an event unless what was fetched is newer.
fn apply(publish: &watch::Sender<Watched>, data: &Value, change: impl FnOnce(&mut Watched)) {
    let revision = data["revision"].as_u64().unwrap_or_default();
    publish.send_if_modified(|watched| {
        let newer = revision > watched.revision;
        if newer {
            watched.revision = revision;
            change(watched);
        }
        newer
    });
}

async fn fetch(
    http: &reqwest::Client,
    api: &str,
    token: &str,
) -> Result<(u64, BTreeMap<String, Server>), String> {
    #[derive(serde::Deserialize)]
    struct List {
        revision: u64,
        servers: Vec<Server>,
    }
    let list: List = http
        .get(format!("{api}/servers"))
        .bearer_auth(token)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| error.to_string())?
        .json()
        .await
        .map_err(|error| format!("GET /servers: {error:?}"))?;
    let servers = list.servers.into_iter();
    let by_name = servers
        .map(|server| (server.name.clone(), server))
        .collect();
    Ok((list.revision, by_name))
}

/// Fetches what is true of all: `paused` and `problems` stand there as in the `core` event.
async fn fetch_status(http: &reqwest::Client, api: &str, token: &str) -> Value {
    let request = http.get(format!("{api}/status")).bearer_auth(token);
    match request.send().await {
        Ok(response) => response.json().await.unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

fn api_of(ready: &Value) -> String {
    let listening = ready["listening"].as_str();
    let listening = listening.unwrap_or_else(|| panic!("no `listening` in {ready}"));
    format!("http://{listening}/api/v1")
}

impl Lines {
    fn collect(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Self::default();
        let collected = lines.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                let mut lines = collected.0.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line);
            }
        });
        lines
    }

    /// Waits until the collector has seen the end: it alone holds the lines then.
    async fn closed(&self) {
        while Arc::strong_count(&self.0) > 1 {
            tokio::task::yield_now().await;
        }
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The end tells why; a log of thousands of lines would hide it.
        lines[lines.len().saturating_sub(200)..].join("\n")
    }
}

#[expect(clippy::print_stderr, reason = "libtest shows it beside the failure")]
fn complain(text: &str) {
    eprintln!("{text}");
}
