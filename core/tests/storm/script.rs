//! Servers that follow a script: slow, deaf, short-lived, in the order that a seed gives.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use narthex_core::{
    server::{Cause, CauseKind, Spec, Transport, logs::Log},
    upstream::{Connection, Connector, Link, Opening, StdioConnection},
    view::View,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, duplex},
    sync::watch,
    time::sleep,
};

/// What a server does once the storm is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Starts, answers, stays.
    Healthy,
    /// Never answers `initialize`.
    Deaf,
    /// Ends before it answers.
    Crashing,
    /// Healthy, and takes three seconds to end when it is asked to.
    Stubborn,
}

/// Opens connections to scripted servers and watches that the core keeps its promises about them.
pub(super) struct Script {
    stage: Arc<Stage>,
}

struct Stage {
    state: Mutex<State>,
    calm: watch::Sender<bool>,
    killed: watch::Sender<Option<String>>,
    view: OnceLock<View>,
}

struct State {
    random: fastrand::Rng,
    servers: BTreeMap<String, Server>,
    violations: Vec<String>,
}

struct Server {
    nature: Nature,
    /// Which of its catalogs it offers.
    edition: u32,
    /// Connections by how they stand.
    opening: usize,
    live: usize,
    /// Asked to end, and not yet gone.
    ending: usize,
    /// Lost or failed by the script, and not yet gone.
    lost: usize,
    last_failed: bool,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Opening,
    Live,
    Ending,
    Lost,
}

impl Server {
    fn count(&mut self, standing: Standing) -> &mut usize {
        match standing {
            Standing::Opening => &mut self.opening,
            Standing::Live => &mut self.live,
            Standing::Ending => &mut self.ending,
            Standing::Lost => &mut self.lost,
        }
    }
}

/// What one connection is going to do.
#[derive(Debug, Clone)]
struct Fate {
    opening: Duration,
    refuses: Option<CauseKind>,
    initialize: Answer,
    list: Answer,
    dies_after: Option<Duration>,
    announces_after: Option<Duration>,
    ending: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    After(Duration),
    Never,
    Error,
    Death,
}

impl Script {
    /// Makes a script of `servers`, of which `natures` says how they are in the end.
    pub(super) fn new(seed: u64, natures: impl IntoIterator<Item = (String, Nature)>) -> Self {
        let server = |nature| Server {
            nature,
            edition: 0,
            opening: 0,
            live: 0,
            ending: 0,
            lost: 0,
            last_failed: false,
        };
        let state = State {
            random: fastrand::Rng::with_seed(seed ^ 0x5c21_97ed),
            servers: natures
                .into_iter()
                .map(|(name, nature)| (name, server(nature)))
                .collect(),
            violations: Vec::new(),
        };
        let stage = Stage {
            state: Mutex::new(state),
            calm: watch::Sender::new(false),
            killed: watch::Sender::new(None),
            view: OnceLock::new(),
        };
        Self {
            stage: Arc::new(stage),
        }
    }

    /// Lets the script look at what the core says meanwhile.
    pub(super) fn watch(&self, view: View) {
        let _ = self.stage.view.set(view);
    }

    /// Ends the storm: from here on every server behaves by its nature.
    pub(super) fn calm(&self) {
        self.stage.calm.send_replace(true);
    }

    /// Makes a server another one from its next start on.
    pub(super) fn turn(&self, server: &str, nature: Nature) {
        self.stage.state().servers.get_mut(server).unwrap().nature = nature;
    }

    /// Ends whatever runs of a server, as a crash would.
    pub(super) fn kill(&self, server: &str) {
        self.stage.killed.send_replace(Some(server.to_owned()));
    }

    /// Returns what a server is in the end.
    pub(super) fn nature(&self, server: &str) -> Nature {
        self.stage.state().servers[server].nature
    }

    /// Returns whether the last attempt to connect to a server failed by the script.
    pub(super) fn last_failed(&self, server: &str) -> bool {
        self.stage.state().servers[server].last_failed
    }

    /// Returns how many connections to a server are live.
    pub(super) fn live(&self, server: &str) -> usize {
        self.stage.state().servers[server].live
    }

    /// Returns how many connections to a server are not gone, in whatever state.
    pub(super) fn left(&self, server: &str) -> usize {
        let state = self.stage.state();
        let server = &state.servers[server];
        server.opening + server.live + server.ending + server.lost
    }

    /// Returns the promises that the core broke.
    pub(super) fn violations(&self) -> Vec<String> {
        self.stage.state().violations.clone()
    }
}

impl Connector for Script {
    fn open<'a>(&'a self, spec: &'a Spec, log: &'a Log) -> Opening<'a> {
        let stage = Arc::clone(&self.stage);
        Box::pin(async move {
            let name = name_of(spec);
            let (fate, mut standing) = stage.begin(name, spec);
            sleep(fate.opening).await;
            if let Some(kind) = fate.refuses {
                standing.set(Standing::Lost);
                return Err(Cause::new(kind, "it was written so", "Wait."));
            }
            standing.set(Standing::Live);
            let (stdin, input) = duplex(4096);
            let (output, stdout) = duplex(4096);
            let session = Session {
                output,
                fate,
                standing,
                calm: stage.calm.subscribe(),
                killed: stage.killed.subscribe(),
            };
            let server = tokio::spawn(session.run(input));
            let stderr = tokio::io::empty();
            let connection =
                StdioConnection::start(stdin, stdout, stderr, spec.max_concurrent, log.clone());
            Ok(Link::to_task(
                Connection::Stdio(Arc::new(connection)),
                server,
                log,
            ))
        })
    }
}

impl Stage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Checks that the connection may be opened, and throws the dice for it.
    fn begin(self: &Arc<Self>, name: &str, spec: &Spec) -> (Fate, Held) {
        let wrong = self
            .view
            .get()
            .and_then(|view| may_not_run(view, name, spec));
        let mut state = self.state();
        let calm = *self.calm.borrow();
        let State {
            random,
            servers,
            violations,
        } = &mut *state;
        let server = servers.get_mut(name).unwrap();
        if let Some(wrong) = wrong {
            violations.push(format!("{name} is started though {wrong}"));
        }
        if server.opening + server.live + server.ending > 0 {
            violations.push(format!(
                "{name} is started beside {} opening, {} live, {} ending",
                server.opening, server.live, server.ending
            ));
        }
        server.opening += 1;
        server.last_failed = false;
        if random.u8(..4) == 0 {
            server.edition = random.u32(..3);
        }
        let fate = if calm {
            Fate::of(server.nature, random)
        } else {
            Fate::stormy(random)
        };
        let held = Held {
            stage: Arc::clone(self),
            server: name.to_owned(),
            standing: Standing::Opening,
        };
        (fate, held)
    }
}

/// Returns why the core must not start this, by what it says itself.
fn may_not_run(view: &View, name: &str, spec: &Spec) -> Option<String> {
    view.read(|now| {
        let Some(entry) = now.server(name) else {
            return Some("it is not there".to_owned());
        };
        if entry.desire.spec.as_deref() != Some(spec) {
            return Some("its entry says something else".to_owned());
        }
        let why = entry.desire.rest(now.paused);
        why.map(|why| format!("it is to rest: {why:?}"))
    })
}

/// Counts a connection where it stands, until it is gone.
struct Held {
    stage: Arc<Stage>,
    server: String,
    standing: Standing,
}

impl Held {
    fn set(&mut self, standing: Standing) {
        let mut state = self.stage.state();
        let server = state.servers.get_mut(&self.server).unwrap();
        *server.count(self.standing) -= 1;
        *server.count(standing) += 1;
        self.standing = standing;
        if standing == Standing::Lost {
            server.last_failed = true;
        }
    }

    fn catalog(&self, change: bool) -> Value {
        let mut state = self.stage.state();
        let State {
            random, servers, ..
        } = &mut *state;
        let server = servers.get_mut(&self.server).unwrap();
        if change {
            server.edition = random.u32(..3);
        }
        let description = format!("edition {}", server.edition);
        let mut tools = vec![
            json!({"name": "same", "inputSchema": {"type": "object"}}),
            json!({"name": "other", "description": description}),
        ];
        if server.edition == 2 {
            tools.push(json!({"name": "more"}));
        }
        json!({"tools": tools})
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.stage.state();
        let server = state.servers.get_mut(&self.server).unwrap();
        *server.count(self.standing) -= 1;
    }
}

impl Fate {
    fn stormy(random: &mut fastrand::Rng) -> Self {
        let answer = |random: &mut fastrand::Rng| match random.u8(..20) {
            0 => Answer::Never,
            1 => Answer::Error,
            2 => Answer::Death,
            3 => Answer::After(millis(random, 100..900)),
            _ => Answer::After(millis(random, 0..60)),
        };
        Self {
            opening: millis(random, 0..40),
            refuses: match random.u8(..40) {
                0 => Some(CauseKind::CommandNotFound),
                1 | 2 => Some(CauseKind::Exited),
                _ => None,
            },
            initialize: answer(random),
            list: answer(random),
            dies_after: (random.u8(..3) == 0).then(|| millis(random, 0..3000)),
            announces_after: (random.u8(..2) == 0).then(|| millis(random, 0..1500)),
            ending: match random.u8(..5) {
                0 => Duration::ZERO,
                1 => millis(random, 500..2000),
                _ => millis(random, 0..100),
            },
        }
    }

    fn of(nature: Nature, random: &mut fastrand::Rng) -> Self {
        Self {
            opening: millis(random, 0..40),
            refuses: None,
            initialize: match nature {
                Nature::Healthy | Nature::Stubborn => Answer::After(millis(random, 0..60)),
                Nature::Deaf => Answer::Never,
                Nature::Crashing => Answer::Death,
            },
            list: Answer::After(millis(random, 0..60)),
            dies_after: None,
            announces_after: None,
            ending: match nature {
                Nature::Stubborn => Duration::from_secs(3),
                Nature::Healthy | Nature::Deaf | Nature::Crashing => millis(random, 0..500),
            },
        }
    }
}

struct Session {
    output: DuplexStream,
    fate: Fate,
    standing: Held,
    calm: watch::Receiver<bool>,
    killed: watch::Receiver<Option<String>>,
}

/// Why a session is over.
enum End {
    /// Its input ended: it was asked to.
    Asked,
    /// It died.
    Died,
}

impl Session {
    async fn run(mut self, input: DuplexStream) {
        let mut lines = BufReader::new(input).lines();
        let (mut killed, name) = (self.killed.clone(), self.standing.server.clone());
        let end = tokio::select! {
            biased;
            () = death_by_hand(&mut killed, &name) => End::Died,
            () = death(self.fate.dies_after, self.calm.clone()) => End::Died,
            end = self.converse(&mut lines) => end,
        };
        let Self {
            output,
            fate,
            mut standing,
            ..
        } = self;
        match end {
            End::Died => standing.set(Standing::Lost),
            End::Asked if standing.standing == Standing::Live => standing.set(Standing::Ending),
            End::Asked => {}
        }
        if let End::Died = end {
            // The pipes end at once, the rest of it lingers.
            drop((output, lines));
        }
        sleep(fate.ending).await;
    }

    async fn converse(&mut self, lines: &mut Lines<BufReader<DuplexStream>>) -> End {
        let mut listed = false;
        loop {
            let announcement = match self.fate.announces_after {
                Some(after) if listed => Some(after),
                Some(_) | None => None,
            };
            let line = tokio::select! {
                biased;
                line = lines.next_line() => line,
                () = pause(announcement) => {
                    self.fate.announces_after = None;
                    self.standing.catalog(true);
                    let message = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
                    self.say(&message).await;
                    continue;
                }
            };
            let Ok(Some(line)) = line else {
                return End::Asked;
            };
            let message: Value = serde_json::from_str(&line).unwrap();
            let Some(id) = message.get("id") else {
                continue;
            };
            let (answer, result) = match message["method"].as_str().unwrap() {
                "initialize" => {
                    let result = json!({
                        "protocolVersion": "2025-11-25",
                        "capabilities": {"tools": {"listChanged": true}},
                        "serverInfo": {"name": "scripted", "version": "1"},
                    });
                    (self.fate.initialize, result)
                }
                "tools/list" if !listed => {
                    listed = true;
                    (self.fate.list, self.standing.catalog(false))
                }
                "tools/list" => (Answer::After(Duration::ZERO), self.standing.catalog(false)),
                _ => (Answer::After(Duration::ZERO), json!({})),
            };
            match answer {
                Answer::After(wait) => {
                    sleep(wait).await;
                    self.say(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
                        .await;
                }
                Answer::Error => {
                    self.standing.set(Standing::Lost);
                    let error = json!({"code": -32000, "message": "no"});
                    self.say(&json!({"jsonrpc": "2.0", "id": id, "error": error}))
                        .await;
                }
                Answer::Death => return End::Died,
                Answer::Never => {
                    self.standing.set(Standing::Lost);
                    while let Ok(Some(_)) = lines.next_line().await {}
                    return End::Asked;
                }
            }
        }
    }

    async fn say(&mut self, message: &Value) {
        let mut line = message.to_string();
        line.push('\n');
        // The core may have let go of it.
        let _ = self.output.write_all(line.as_bytes()).await;
    }
}

/// Comes after `after`, unless the storm is over by then.
async fn death(after: Option<Duration>, calm: watch::Receiver<bool>) {
    pause(after).await;
    if *calm.borrow() {
        std::future::pending::<()>().await;
    }
}

async fn death_by_hand(killed: &mut watch::Receiver<Option<String>>, server: &str) {
    loop {
        if killed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if killed.borrow_and_update().as_deref() == Some(server) {
            return;
        }
    }
}

async fn pause(after: Option<Duration>) {
    match after {
        Some(after) => sleep(after).await,
        None => std::future::pending().await,
    }
}

fn millis(random: &mut fastrand::Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

fn name_of(spec: &Spec) -> &str {
    match &spec.transport {
        Transport::Stdio { args, .. } => &args[0],
        Transport::Http { .. } => panic!("only stdio servers are scripted"),
    }
}
