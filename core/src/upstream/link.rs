use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::Notify, task::JoinHandle};

use super::{
    Audience, CallError, Caller, HttpConnection, Pending, Reply, SseConnection, StdioConnection,
    oddities::Oddities,
};
use crate::{
    mcp::{Envelope, Outgoing, Revision, one_line},
    metrics::MessageMetrics,
    process::{Ended, EnvironmentSource, Patience, Pipes, Process, SpawnError, Start},
    server::{Cause, CauseKind, HttpFlavor, ServerName, Spec, Transport, logs::Log},
};

/// What a connection tells the actor that owns it, and those who listen to its server.
#[derive(Debug, Default)]
pub struct Signals {
    ended: OnceLock<Cause>,
    end: Notify,
    lists: Notify,
    expired: AtomicBool,
    expiry: Notify,
    audience: OnceLock<(ServerName, Audience)>,
    owner: OnceLock<Arc<dyn Caller>>,
    oddities: Oddities,
}

impl Signals {
    /// Says who hears what `server` says by itself. The first word stands.
    pub fn listened_by(&self, server: ServerName, audience: Audience) {
        // A connection is opened for one server.
        let _ = self.audience.set((server, audience));
    }

    /// Says where what the server says in vain is told and counted. The first word stands.
    pub fn marked_in(&self, log: Log, metrics: MessageMetrics) {
        self.oddities.told_in(log, metrics);
    }

    /// Returns what the server says in vain.
    pub(super) const fn oddities(&self) -> &Oddities {
        &self.oddities
    }

    /// Has those who listen hear a notification.
    pub(super) fn heard(&self, message: &Envelope) {
        if let Some((server, audience)) = self.audience.get() {
            audience.heard(server, message);
        }
    }

    /// Says for which client the connection is. The first word stands.
    pub(super) fn owned_by(&self, owner: Arc<dyn Caller>) {
        // A connection of a client's own is opened for one.
        let _ = self.owner.set(owner);
    }

    /// Returns the client that the connection is for; `None` where clients share it.
    pub(super) fn owner(&self) -> Option<Arc<dyn Caller>> {
        self.owner.get().cloned()
    }

    /// Says that the connection has ended. The first reason stands.
    pub fn ended(&self, cause: Cause) {
        // What comes later is a consequence of the first.
        let _ = self.ended.set(cause);
        self.end.notify_one();
    }

    /// Whether the connection has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Says that the server has forgotten the session: another must be begun on the connection.
    pub(super) fn expire(&self) {
        self.expired.store(true, Ordering::Release);
        self.expiry.notify_one();
    }

    /// Whether the server has forgotten the session, and another is not yet to be used.
    pub(super) fn has_expired(&self) -> bool {
        self.expired.load(Ordering::Acquire)
    }

    /// Says that another session is to be used from here on.
    pub fn renewed(&self) {
        self.expired.store(false, Ordering::Release);
    }

    /// Waits until the server has forgotten the session. Cancel-safe; one waiter.
    pub async fn expired(&self) {
        while !self.has_expired() {
            self.expiry.notified().await;
        }
    }

    /// Says that what the server offers may have changed.
    pub fn lists_changed(&self) {
        self.lists.notify_one();
    }

    /// Waits for the end of the connection. Cancel-safe; one waiter.
    pub async fn end(&self) -> Cause {
        loop {
            if let Some(cause) = self.ended.get() {
                return cause.clone();
            }
            self.end.notified().await;
        }
    }

    /// Waits until what the server offers may have changed. Cancel-safe; one waiter.
    pub async fn changed_lists(&self) {
        self.lists.notified().await;
    }
}

/// A connection to a server, over whichever transport. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Connection {
    /// Over a child's pipes.
    Stdio(Arc<StdioConnection>),
    /// Over Streamable HTTP.
    Http(Arc<HttpConnection>),
    /// Over HTTP+SSE.
    Sse(Arc<SseConnection>),
}

impl Connection {
    /// Sends a request and returns its answer. Dropping the future cancels the request at the
    /// server.
    ///
    /// # Errors
    /// When there is no answer; the error tells whether the server can have acted.
    pub async fn request(
        &self,
        request: &Outgoing,
        caller: Option<Arc<dyn Caller>>,
    ) -> Result<Reply, CallError> {
        match self {
            Self::Stdio(connection) => connection.request(request, caller).await,
            Self::Http(connection) => connection.request(request, caller).await,
            Self::Sse(connection) => connection.request(request, caller).await,
        }
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// When it could not be sent.
    pub async fn notify(&self, method: &str, params: &str) -> Result<(), CallError> {
        let message = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.send(message.into_bytes()).await
    }

    /// Sends a message for which no answer is due.
    ///
    /// # Errors
    /// When it could not be sent.
    pub async fn send(&self, mut message: Vec<u8>) -> Result<(), CallError> {
        match self {
            Self::Stdio(connection) => {
                one_line(&mut message);
                connection.send(message)
            }
            Self::Http(connection) => connection.post(message).await,
            Self::Sse(connection) => connection.post(message).await,
        }
    }

    /// Takes note of the revision agreed on.
    pub fn agreed_on(&self, revision: Revision) {
        match self {
            Self::Stdio(_) => {}
            Self::Http(connection) => connection.agreed_on(revision),
            Self::Sse(connection) => connection.agreed_on(revision),
        }
    }

    /// Begins to listen for what the server says by itself, where that takes something.
    pub fn listen(&self) {
        match self {
            Self::Stdio(_) | Self::Sse(_) => {}
            Self::Http(connection) => connection.listen(),
        }
    }

    /// Leaves a session that the server has forgotten: the next request is the `initialize` of
    /// another one. Calls in flight go on.
    pub fn begin_anew(&self) {
        match self {
            Self::Stdio(_) | Self::Sse(_) => {}
            Self::Http(connection) => connection.begin_anew(),
        }
    }

    /// Returns how many sessions were left on this connection.
    pub(super) fn renewals(&self) -> u64 {
        match self {
            Self::Stdio(_) | Self::Sse(_) => 0,
            Self::Http(connection) => connection.renewals(),
        }
    }

    /// Whether a request that failed as if the connection were gone says that it is: over HTTP each
    /// request has a connection of its own.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Stdio(_) => true,
            Self::Http(_) | Self::Sse(_) => {
                let signals = self.signals();
                signals.has_ended() || signals.has_expired()
            }
        }
    }

    /// Whether the address answered as one does that speaks the older HTTP+SSE only.
    pub fn looks_older(&self) -> bool {
        match self {
            Self::Stdio(_) | Self::Sse(_) => false,
            Self::Http(connection) => connection.looks_older(),
        }
    }

    /// Returns the requests in flight.
    pub fn pending(&self) -> &Arc<Pending> {
        match self {
            Self::Stdio(connection) => connection.pending(),
            Self::Http(connection) => connection.pending(),
            Self::Sse(connection) => connection.pending(),
        }
    }

    /// Returns what the connection tells its actor.
    pub fn signals(&self) -> &Arc<Signals> {
        match self {
            Self::Stdio(connection) => connection.signals(),
            Self::Http(connection) => connection.signals(),
            Self::Sse(connection) => connection.signals(),
        }
    }
}

/// A connection and what must be taken down with it. The actor owns it.
#[derive(Debug)]
pub struct Link {
    /// The connection.
    pub connection: Connection,
    process: Option<Process>,
    task: Option<JoinHandle<()>>,
    log: Log,
}

/// How long the end of a process may follow the end of its output, for the error to name it.
const EXIT_FOLLOWS_EOF: std::time::Duration = std::time::Duration::from_millis(200);

/// How long the last lines of standard error may take behind the end of a process. A background
/// child may hold the pipe for longer; the restart does not wait for it.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(20);

/// Opens connections: to processes and addresses in earnest, to scripted servers in tests.
pub trait Connector: Send + Sync {
    /// Starts the process or prepares the address. Nothing has been said to the server yet.
    ///
    /// # Errors
    /// When the process cannot be started, or the transport is not spoken.
    fn open<'a>(&'a self, spec: &'a Spec, log: &'a Log) -> Opening<'a>;
}

/// A connection on its way to being opened.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Link, Cause>> + Send + 'a>>;

/// Opens connections to processes and addresses.
#[derive(Debug, Clone, Default)]
pub struct Launcher {
    environment: EnvironmentSource,
}

impl Launcher {
    /// Starts processes in the environment that `environment` finds out.
    pub const fn new(environment: EnvironmentSource) -> Self {
        Self { environment }
    }
}

impl Connector for Launcher {
    fn open<'a>(&'a self, spec: &'a Spec, log: &'a Log) -> Opening<'a> {
        Box::pin(async move {
            match &spec.transport {
                Transport::Stdio {
                    command,
                    args,
                    cwd,
                    env,
                } => {
                    let command = crate::process::Command {
                        program: command.clone(),
                        args: args.clone(),
                        cwd: cwd.clone(),
                        env: env
                            .iter()
                            .map(|(name, value)| (name.clone(), value.resolved.clone()))
                            .collect(),
                    };
                    // Its guard is forked while the shell tells its `PATH`.
                    let prepared = Start::prepare();
                    let environment = self.environment.get().await;
                    let spawned = prepared.and_then(|start| start.spawn(&command, &environment));
                    self.environment.began();
                    started(spawned, spec, log)
                }
                Transport::Http {
                    url,
                    headers,
                    flavor: HttpFlavor::Sse,
                } => {
                    let connection = SseConnection::open(url, headers, spec.max_concurrent).await?;
                    Ok(Link::new(Connection::Sse(connection), log))
                }
                Transport::Http {
                    url,
                    headers,
                    flavor: HttpFlavor::Auto | HttpFlavor::Streamable,
                } => {
                    let connection = HttpConnection::new(url, headers, spec.max_concurrent)?;
                    Ok(Link::new(Connection::Http(connection), log))
                }
            }
        })
    }
}

/// Returns the link to a process that was started, or why it was not.
fn started(
    spawned: Result<(Process, Pipes), SpawnError>,
    spec: &Spec,
    log: &Log,
) -> Result<Link, Cause> {
    let (process, pipes) = spawned.map_err(|error| {
        let kind = match error {
            SpawnError::CommandNotFound { .. } => CauseKind::CommandNotFound,
            SpawnError::NotExecutable { .. }
            | SpawnError::WorkingFolder { .. }
            | SpawnError::GuardMissing { .. }
            | SpawnError::Guard { .. }
            | SpawnError::Exec { .. }
            | SpawnError::Io { .. } => CauseKind::SpawnFailed,
        };
        Cause::new(kind, describe(&error), error.remedy())
    })?;
    let Pipes {
        stdin,
        stdout,
        stderr,
    } = pipes;
    let connection =
        StdioConnection::start(stdin, stdout, stderr, spec.max_concurrent, log.clone());
    let link = Link::new(Connection::Stdio(Arc::new(connection)), log);
    Ok(Link {
        process: Some(process),
        ..link
    })
}

/// Returns an error and what caused it, in one line.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl Link {
    /// Makes a link of a connection that no process of ours stands behind.
    pub fn new(connection: Connection, log: &Log) -> Self {
        Self {
            connection,
            process: None,
            task: None,
            log: log.clone(),
        }
    }

    /// Makes a link to a server that is a task of ours: it is down when the task has ended.
    pub fn to_task(connection: Connection, server: JoinHandle<()>, log: &Log) -> Self {
        Self {
            task: Some(server),
            ..Self::new(connection, log)
        }
    }

    /// Waits for the end of the connection: from the process or from the pipe, whichever is first.
    /// Calls in flight are told at once. Cancel-safe.
    pub async fn ended(&mut self) -> Cause {
        let signals = Arc::clone(self.connection.signals());
        let cause = match &mut self.process {
            None => signals.end().await,
            Some(process) => tokio::select! {
                ended = process.ended() => exited(&ended),
                cause = signals.end() => {
                    self.connection.pending().close(CallError::ServerEnded);
                    match tokio::time::timeout(EXIT_FOLLOWS_EOF, process.ended()).await {
                        Ok(ended) if cause.kind == CauseKind::ConnectionLost => exited(&ended),
                        Ok(_) | Err(_) => cause,
                    }
                }
            },
        };
        self.connection.pending().close(CallError::ServerEnded);
        if let Connection::Stdio(connection) = &self.connection {
            // What it said last is on its way through another pipe.
            let _ = tokio::time::timeout(LAST_WORDS, connection.last_words()).await;
        }
        Cause {
            last_lines: self.log.last_stderr(),
            ..cause
        }
    }

    /// Takes the connection down in order, and returns when all it started is gone.
    pub async fn close(self) {
        self.connection
            .pending()
            .close(CallError::Revoked(super::Revocation::Disconnected));
        match self.connection {
            Connection::Stdio(connection) => connection.close(),
            Connection::Http(connection) => connection.close().await,
            Connection::Sse(connection) => connection.close(),
        }
        if let Some(process) = self.process {
            process.end(Patience::ORDERLY).await;
        }
        if let Some(task) = self.task {
            // A panic of a scripted server is for its test to find.
            let _ = task.await;
        }
    }
}

fn exited(ended: &Ended) -> Cause {
    if let Some(error) = ended.as_spawn_error() {
        return Cause::new(CauseKind::SpawnFailed, describe(&error), error.remedy());
    }
    Cause::new(
        CauseKind::Exited,
        format!("its process {ended}"),
        "Look at its log for the reason; then try again.",
    )
}
