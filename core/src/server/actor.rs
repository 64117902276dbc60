//! The actor of one server: follows what is wanted of it, and is the only one to start, reconnect
//! and end it.

use std::{future::pending, pin::Pin, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Backoff, Cause, CauseKind, Circumstances, Effect, HttpFlavor, Input, Phase, Renewals,
    ServerName, SessionMode, Spec, Transport, logs::Log,
};
use crate::{
    api::wire::{IdleReason, Stage},
    catalog::Catalog,
    desired::Aim,
    metrics::Metrics,
    upstream::{
        self, Audience, CallError, Connection, Connector, Endpoint, Introduction, Link, Opener,
        Pool, Signals, Turns,
    },
    view::Reporter,
};

/// Why an actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// Nobody is left to tell it anything.
    SupervisorGone,
}

/// What every actor needs of the core.
#[derive(Clone)]
pub struct Context {
    /// What opens connections.
    pub connector: Arc<dyn Connector>,
    /// Where catalogs are handed in. A catalog that was read must not be lost: the actor waits for
    /// room, and for the answer.
    pub seen: mpsc::Sender<SeenCatalog>,
    /// What is counted.
    pub metrics: Metrics,
    /// The places for calls to all servers together.
    pub calls: Arc<Turns>,
    /// Who hears what servers say by themselves.
    pub audience: Audience,
}

/// A catalog on its way to the trust store, before any client can see it.
#[derive(Debug)]
pub struct SeenCatalog {
    /// The server.
    pub server: ServerName,
    /// The entry by which it was started.
    pub spec: Arc<Spec>,
    /// What it offers.
    pub catalog: Arc<Catalog>,
    /// Answered when the view shows what clients may see of it.
    pub reviewed: oneshot::Sender<()>,
}

/// Lists are read again at most this often, however many changes are announced: many announcements
/// are one change.
const LIST_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// After a list was read again, as many times as long as that took nothing is read: to read, compare
/// and keep what a server offers is not to take more than a tenth of anybody's time.
const LIST_PAUSE_SHARE: u32 = 10;

/// But no longer than this: a change is shown within the minute in which a call looks for one.
const LIST_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// How long a list may take that is read again while the server works.
const LIST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// A server on its way up that talks without end is quoted this often.
const TELL_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

type Work<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// See the module.
pub struct Actor {
    reporter: Reporter,
    log: Log,
    context: Context,
    phase: Phase<Endpoint>,
    /// What it works by: the latest that was wanted.
    spec: Option<Arc<Spec>>,
    proven: bool,
    generation: u64,
    opening: Work<Result<Box<Link>, Cause>>,
    link: Option<Box<Link>>,
    /// The connections of clients' own, where each has one.
    pool: Option<Pool>,
    introducing: Work<Result<Endpoint, Cause>>,
    listing: Work<()>,
    stages: (mpsc::UnboundedSender<Stage>, mpsc::UnboundedReceiver<Stage>),
    /// What is known of an address that may speak the older transport only.
    older: Option<Older>,
    renewals: Renewals,
    /// Connections on their way down.
    closing: JoinSet<()>,
    wake_at: Option<Instant>,
    /// When the server's last line may be told again.
    tell_at: Instant,
    /// Why the next attempt is another one.
    again: Option<&'static str>,
}

/// What is known of an address that may speak HTTP+SSE only.
enum Older {
    /// It is being tried, since the newer transport was refused.
    Tried(Cause),
    /// It speaks it.
    Spoken,
}

enum Wakeup {
    Wanted(Aim),
    SupervisorGone,
    Opened(Result<Box<Link>, Cause>),
    Reached(Stage),
    Introduced(Result<Endpoint, Cause>),
    Ended(Cause),
    Expired,
    ListsChanged,
    Listed,
    Spoken,
    Closed,
    Timer,
}

impl Actor {
    /// Makes an actor at rest.
    pub fn new(reporter: Reporter, log: Log, context: Context) -> Self {
        Self {
            reporter,
            log,
            context,
            phase: Phase::Idle(IdleReason::Asleep),
            spec: None,
            proven: false,
            generation: 0,
            opening: None,
            link: None,
            pool: None,
            introducing: None,
            listing: None,
            // Bounded by the three stages of one attempt.
            stages: mpsc::unbounded_channel(),
            older: None,
            renewals: Renewals::default(),
            closing: JoinSet::new(),
            wake_at: None,
            tell_at: Instant::now(),
            again: None,
        }
    }

    /// Follows what is wanted until it is told to stop.
    pub async fn run(mut self, mut wanted: watch::Receiver<Aim>) -> Exit {
        wanted.mark_changed();
        loop {
            let (lists, session) = (self.announced_lists(), self.session());
            let wakeup = tokio::select! {
                biased;
                changed = wanted.changed() => match changed {
                    Ok(()) => Wakeup::Wanted(wanted.borrow_and_update().clone()),
                    Err(_) => Wakeup::SupervisorGone,
                },
                opened = work(&mut self.opening) => Wakeup::Opened(opened),
                cause = ended(&mut self.link) => Wakeup::Ended(cause),
                () = expired(session) => Wakeup::Expired,
                Some(stage) = self.stages.1.recv() => Wakeup::Reached(stage),
                introduced = work(&mut self.introducing) => Wakeup::Introduced(introduced),
                () = work(&mut self.listing) => Wakeup::Listed,
                () = spoken(&self.phase, &self.log, self.tell_at) => Wakeup::Spoken,
                () = changed_lists(lists) => Wakeup::ListsChanged,
                Some(_) = self.closing.join_next() => Wakeup::Closed,
                () = at(self.wake_at) => Wakeup::Timer,
            };
            if let Wakeup::SupervisorGone = wakeup {
                // Dropping the links has their guards end what they started.
                return Exit::SupervisorGone;
            }
            self.handle(wakeup);
            if let Phase::Stopped = self.phase {
                while self.closing.join_next().await.is_some() {}
                return Exit::Stopped;
            }
        }
    }

    /// Returns what tells of changed lists, while they could be read again.
    fn announced_lists(&self) -> Option<Arc<Signals>> {
        match (&self.phase, &self.link, &self.listing) {
            (Phase::Connected { .. }, Some(link), None) => {
                Some(Arc::clone(link.connection.signals()))
            }
            _ => None,
        }
    }

    /// Returns what tells of the end of the session, while another could be begun.
    fn session(&self) -> Option<Arc<Signals>> {
        let link = self.link.as_ref()?;
        let up = matches!(self.phase, Phase::Connected { .. });
        up.then(|| Arc::clone(link.connection.signals()))
    }

    fn handle(&mut self, wakeup: Wakeup) {
        match wakeup {
            Wakeup::Wanted(aim) => self.want(aim),
            Wakeup::SupervisorGone => {}
            Wakeup::Opened(Ok(link)) => {
                let server = self.reporter.server().clone();
                let signals = link.connection.signals();
                let messages = self.context.metrics.messages(server.as_str());
                signals.marked_in(self.log.clone(), messages);
                signals.listened_by(server, self.context.audience.clone());
                self.introducing = Some(Box::pin(self.introduction(link.connection.clone())));
                self.link = Some(link);
            }
            Wakeup::Introduced(Err(cause)) if self.may_be_older() => {
                self.let_go();
                self.open_older(cause);
            }
            Wakeup::Opened(Err(cause)) | Wakeup::Introduced(Err(cause)) => {
                // What the newer transport said tells more than what the older did.
                let cause = match self.older.take() {
                    Some(Older::Tried(first)) => first,
                    Some(Older::Spoken) | None => cause,
                };
                let last_lines = if cause.last_lines.is_empty() {
                    self.log.last_stderr()
                } else {
                    cause.last_lines
                };
                self.lost(Cause {
                    last_lines,
                    ..cause
                });
            }
            Wakeup::Ended(cause) => self.lost(cause),
            Wakeup::Expired => self.expired(),
            Wakeup::Reached(stage) => self.apply(Input::Reached(stage)),
            Wakeup::Introduced(Ok(endpoint)) => {
                self.pool = endpoint.pool().cloned();
                if let Some(Older::Tried(_)) = self.older {
                    self.older = Some(Older::Spoken);
                }
                self.apply(Input::Up(endpoint));
            }
            Wakeup::ListsChanged => self.list_again(),
            Wakeup::Listed => {}
            Wakeup::Spoken => {
                self.tell_at = Instant::now() + TELL_PAUSE;
                if let Some(line) = self.log.last_stderr().last() {
                    self.reporter.last_line(line);
                }
            }
            Wakeup::Closed => {
                if self.closing.is_empty() {
                    self.apply(Input::Closed);
                }
            }
            Wakeup::Timer => {
                self.wake_at = None;
                self.apply(Input::TimerFired);
            }
        }
    }

    fn want(&mut self, aim: Aim) {
        match aim {
            Aim::Up {
                spec,
                proven,
                generation,
            } => {
                let fresh = self.generation != generation;
                let before = self.spec.as_ref().map(|spec| &spec.transport);
                if before != Some(&spec.transport) {
                    self.older = None;
                }
                (self.spec, self.proven, self.generation) = (Some(spec), proven, generation);
                if fresh && matches!(self.phase, Phase::Connected { .. }) {
                    self.again = Some("wished");
                }
                self.apply(if fresh {
                    Input::WantFresh
                } else {
                    Input::WantUp
                });
            }
            Aim::Rest(why) => self.apply(Input::WantRest(why)),
            Aim::Stop => self.apply(Input::WantStop),
        }
    }

    fn expired(&mut self) {
        if self.renewals.spend(Instant::now()) {
            self.log.core("its session had expired; beginning another");
            self.apply(Input::Expired);
        } else {
            self.lost(upstream::forgetful());
        }
    }

    fn lost(&mut self, cause: Cause) {
        if let Some(link) = &self.link {
            // Those in flight are told at once, and that it was nobody's decision.
            link.connection.pending().close(CallError::ServerEnded);
        }
        tracing::info!(server = %self.reporter.server(), cause = cause.kind.as_str(), "connection lost");
        self.log.core(&cause.message);
        self.again = Some(cause.kind.as_str());
        self.apply(Input::Lost(cause));
    }

    fn apply(&mut self, input: Input<Endpoint>) {
        let backoff = match self.spec.as_ref().map(|spec| &spec.transport) {
            Some(Transport::Http { .. }) => Backoff::HTTP,
            Some(Transport::Stdio { .. }) | None => Backoff::STDIO,
        };
        let world = Circumstances {
            now: Instant::now(),
            backoff: &backoff,
            jitter: fastrand::f64(),
        };
        let before = self.phase.clone();
        let effect = self.phase.apply(input, &world);
        if self.phase != before {
            self.reporter.phase(self.phase.clone());
        }
        match effect {
            Some(Effect::Connect) => self.connect(),
            Some(Effect::Reconnect) => {
                self.let_go();
                self.connect();
            }
            Some(Effect::Renew) => self.renew(),
            Some(Effect::Release) => {
                self.let_go();
                if let Phase::Error { retry_at, .. } = &self.phase {
                    self.wake_at = *retry_at;
                }
            }
            Some(Effect::Close) => {
                self.let_go();
                if self.closing.is_empty() {
                    self.apply(Input::Closed);
                }
            }
            Some(Effect::Finish) | None => {}
        }
        if !matches!(self.phase, Phase::Error { .. }) {
            self.wake_at = None;
        }
    }

    /// Drops every attempt and has the connection taken down.
    fn let_go(&mut self) {
        (self.opening, self.introducing, self.listing) = (None, None, None);
        while self.stages.1.try_recv().is_ok() {}
        if let Some(link) = self.link.take() {
            self.closing.spawn(link.close());
        }
        if let Some(pool) = self.pool.take() {
            self.closing.spawn(pool.close());
        }
    }

    /// Begins another session on the connection that is there, beside the calls in flight on it.
    fn renew(&mut self) {
        self.listing = None;
        if let Some(link) = &self.link {
            link.connection.begin_anew();
            self.introducing = Some(Box::pin(self.introduction(link.connection.clone())));
        }
    }

    fn connect(&mut self) {
        let Some(spec) = self.spec.clone() else {
            return;
        };
        if let Some(reason) = self.again.take() {
            self.context
                .metrics
                .actors()
                .restarted(self.reporter.server().as_str(), reason);
        }
        let spec = match &self.older {
            Some(Older::Spoken) => Arc::new(spec.over_sse()),
            Some(Older::Tried(_)) | None => spec,
        };
        self.open(spec);
    }

    fn open(&mut self, spec: Arc<Spec>) {
        let (connector, log) = (Arc::clone(&self.context.connector), self.log.clone());
        self.opening = Some(Box::pin(async move {
            connector.open(&spec, &log).await.map(Box::new)
        }));
    }

    /// Whether the address that was just refused may speak the older transport.
    fn may_be_older(&self) -> bool {
        let auto = self.spec.as_ref().is_some_and(|spec| {
            let Transport::Http { flavor, .. } = &spec.transport else {
                return false;
            };
            *flavor == HttpFlavor::Auto
        });
        let link = self.link.as_ref();
        auto && link.is_some_and(|link| link.connection.looks_older())
    }

    /// Tries the older transport in the same attempt, after the newer was refused with `cause`.
    fn open_older(&mut self, cause: Cause) {
        if let Some(spec) = &self.spec {
            self.log.core("it refused Streamable HTTP; trying HTTP+SSE");
            let older = Arc::new(spec.over_sse());
            self.older = Some(Older::Tried(cause));
            self.open(older);
        }
    }

    /// Returns the way from a fresh connection to an endpoint that clients may use.
    fn introduction(
        &self,
        connection: Connection,
    ) -> impl Future<Output = Result<Endpoint, Cause>> + Send + use<> {
        let spec = self.spec.clone();
        let (server, context) = (self.reporter.server().clone(), self.context.clone());
        let (log, older) = (self.log.clone(), self.older.is_some());
        // Clients keep the connections of their own while the one that is watched begins anew.
        let kept = self.pool.clone();
        let stages = self.stages.0.clone();
        let default = if self.proven {
            Spec::INIT_TIMEOUT
        } else {
            Spec::INIT_TIMEOUT_FIRST
        };
        async move {
            let Some(spec) = spec else {
                return pending().await;
            };
            let deadline = spec.init_timeout.unwrap_or(default);
            // The actor that receives it outlives this future.
            let introduced = upstream::introduce(&connection, |stage| {
                let _ = stages.send(stage);
            });
            let (introduction, catalog) = match timeout(deadline, introduced).await {
                Ok(Ok(introduced)) => introduced,
                Ok(Err(_)) if went_down_with_its_process(&connection) => return pending().await,
                Ok(Err(cause)) => return Err(cause),
                Err(_) => return Err(upstream::too_slow(deadline)),
            };
            if !hand_in(&context, &server, &spec, catalog).await {
                return Err(not_kept());
            }
            let metrics = context.metrics.calls(server.as_str());
            let pool = (spec.session == SessionMode::PerClient).then(|| {
                kept.unwrap_or_else(|| {
                    Pool::new(Opener {
                        connector: Arc::clone(&context.connector),
                        server: server.clone(),
                        spec: if older {
                            Arc::new(spec.over_sse())
                        } else {
                            Arc::clone(&spec)
                        },
                        log,
                        audience: context.audience.clone(),
                        messages: context.metrics.messages(server.as_str()),
                    })
                })
            });
            connection.signals().renewed();
            let endpoint = Endpoint::new(
                server,
                connection,
                introduction,
                spec,
                metrics,
                pool,
                Arc::clone(&context.calls),
            );
            endpoint.listed();
            Ok(endpoint)
        }
    }

    /// Reads the lists again and hands them in.
    fn list_again(&mut self) {
        let (Phase::Connected { endpoint, .. }, Some(link), Some(spec)) =
            (&self.phase, &self.link, &self.spec)
        else {
            return;
        };
        let (endpoint, connection, spec) =
            (endpoint.clone(), link.connection.clone(), Arc::clone(spec));
        let (server, context) = (self.reporter.server().clone(), self.context.clone());
        self.listing = Some(Box::pin(async move {
            let began = Instant::now();
            let introduction: &Introduction = endpoint.introduction();
            match timeout(LIST_TIMEOUT, upstream::list(&connection, introduction)).await {
                Ok(Ok(catalog)) => {
                    if !hand_in(&context, &server, &spec, catalog).await {
                        tracing::warn!(%server, "changed list not kept; the last one kept stays");
                    }
                }
                Ok(Err(cause)) => {
                    tracing::warn!(%server, cause = cause.kind.as_str(), "list not read again")
                }
                Err(_) => tracing::warn!(%server, "list not read again in time"),
            }
            endpoint.listed();
            tokio::time::sleep(list_pause(began.elapsed())).await;
        }));
    }
}

/// Returns how long nothing is read after a list that took so long.
fn list_pause(took: std::time::Duration) -> std::time::Duration {
    (took * LIST_PAUSE_SHARE).clamp(LIST_PAUSE, LIST_PAUSE_MAX)
}

/// Hands a catalog to the trust store, and waits until the view shows what clients may see of it;
/// `false` if it was not taken.
async fn hand_in(
    context: &Context,
    server: &ServerName,
    spec: &Arc<Spec>,
    catalog: Arc<Catalog>,
) -> bool {
    let (reviewed, done) = oneshot::channel();
    let seen = SeenCatalog {
        server: server.clone(),
        spec: Arc::clone(spec),
        catalog,
        reviewed,
    };
    context.seen.send(seen).await.is_ok() && done.await.is_ok()
}

fn not_kept() -> Cause {
    Cause::new(
        CauseKind::Internal,
        "what it offers could not be kept in trust.db",
        "Check that the disk has room and that Narthex may write to its folder.",
    )
}

/// Whether the end of the process is about to be noticed, which tells more than the failed request.
fn went_down_with_its_process(connection: &Connection) -> bool {
    match connection {
        Connection::Stdio(connection) => connection.pending().closed().is_some(),
        Connection::Http(_) | Connection::Sse(_) => false,
    }
}

/// Polls what is under way; forever pending where nothing is. Cancel-safe: the work stays where it
/// is.
async fn work<T>(slot: &mut Work<T>) -> T {
    match slot {
        Some(future) => {
            let output = future.await;
            *slot = None;
            output
        }
        None => pending().await,
    }
}

async fn ended(link: &mut Option<Box<Link>>) -> Cause {
    match link {
        Some(link) => link.ended().await,
        None => pending().await,
    }
}

async fn expired(signals: Option<Arc<Signals>>) {
    match signals {
        Some(signals) => signals.expired().await,
        None => pending().await,
    }
}

async fn changed_lists(signals: Option<Arc<Signals>>) {
    match signals {
        Some(signals) => signals.changed_lists().await,
        None => pending().await,
    }
}

/// Waits for what a server on its way up says next, and for the time to tell it.
async fn spoken(phase: &Phase<Endpoint>, log: &Log, tell_at: Instant) {
    if !matches!(phase, Phase::Connecting { .. }) {
        pending::<()>().await;
    }
    sleep_until(tell_at).await;
    log.spoken().await;
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
