//! Owns what is wanted, and sees to it: takes commands and changes of the file, keeps what must be
//! kept, publishes, and gives every actor its aim.
//!
//! A command is answered when what it wishes is durable and in the view. Commands that wait
//! together are kept in one transaction.

mod approve;
mod budget;
mod command;
mod plan;
mod reload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::JoinMap};
use tracing::{Instrument as _, info_span};

use crate::{
    api::wire::Wish,
    catalog::Reviewed,
    desired::{Aim, Desire, Desired},
    metrics::Metrics,
    server::{
        Cause, CauseKind, Phase, ServerName,
        actor::{Actor, Context, Exit, SeenCatalog},
        logs::Log,
    },
    trust::{Contents, LaunchKey, Ledger, OffersWord, Store, Write},
    upstream::{Connector, Revocation},
    view::{Entry, Publisher},
};

pub use budget::RestartBudget;
pub use command::{Command, CommandError, Handle, Order};
pub use plan::{Step, plan};
pub use reload::FileState;

/// Commands that may wait. The REST side refuses more, and says when to try again.
const INBOX: usize = 256;

/// Commands that are kept in one transaction at most.
const BATCH: usize = 64;

/// How long all servers together may take to end (INTERFACE: five seconds), with room left for the
/// core's own end.
const STOP_DEADLINE: Duration = Duration::from_millis(4800);

/// How long a change of the file is left to settle: an editor writes, renames and touches.
const SETTLE: Duration = Duration::from_millis(50);

/// How long a file that never settles is waited for: a change applies within a second.
const SETTLE_MAX: Duration = Duration::from_millis(500);

/// What a supervisor is made of.
pub struct Parts {
    /// Where the present is published.
    pub publisher: Arc<Publisher>,
    /// Where decisions are kept.
    pub store: Arc<Store>,
    /// What was kept.
    pub contents: Contents,
    /// Where the file is read.
    pub file: FileState,
    /// `--trust-config`.
    pub trust_config: bool,
    /// What is counted.
    pub metrics: Metrics,
    /// What opens connections.
    pub connector: Arc<dyn Connector>,
    /// The servers' logs.
    pub logs: Logs,
}

/// The logs of all servers, by name.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    logs: Arc<std::sync::Mutex<BTreeMap<ServerName, Log>>>,
}

impl Logs {
    /// Returns the log of a server, made if it is the first time.
    pub fn of(&self, server: &ServerName) -> Log {
        let mut logs = self
            .logs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        logs.entry(server.clone()).or_default().clone()
    }

    fn forget(&self, server: &ServerName) {
        self.logs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(server);
    }
}

/// See the module.
pub struct Supervisor {
    desired: Desired,
    ledgers: BTreeMap<ServerName, Ledger>,
    running: BTreeMap<ServerName, watch::Sender<Aim>>,
    tasks: JoinMap<ServerName, Exit>,
    budget: RestartBudget,
    publisher: Arc<Publisher>,
    store: Arc<Store>,
    file: FileState,
    launch_key: LaunchKey,
    trust_config: bool,
    metrics: Metrics,
    context: Context,
    logs: Logs,
    commands: mpsc::Receiver<Command>,
    catalogs: mpsc::Receiver<SeenCatalog>,
    changed: Arc<tokio::sync::Notify>,
    issued: u64,
    settling: Option<Settling>,
}

impl Supervisor {
    /// Puts a supervisor together, reads the file for the first time, and publishes what is wanted.
    pub fn new(parts: Parts) -> (Self, Handle) {
        let Parts {
            publisher,
            store,
            contents,
            file,
            trust_config,
            metrics,
            connector,
            logs,
        } = parts;
        let (commands, inbox) = mpsc::channel(INBOX);
        let (seen, catalogs) = mpsc::channel(INBOX);
        let changed = Arc::new(tokio::sync::Notify::new());
        let handle = Handle::new(commands, Arc::clone(&changed), metrics.clone());
        let mut supervisor = Self {
            desired: Desired {
                servers: BTreeMap::new(),
                paused: contents.paused,
            },
            ledgers: contents.ledgers,
            running: BTreeMap::new(),
            tasks: JoinMap::new(),
            budget: RestartBudget::default(),
            publisher,
            store,
            file,
            launch_key: LaunchKey::new(&contents.launch_key),
            trust_config,
            context: Context {
                connector,
                seen,
                metrics: metrics.clone(),
            },
            metrics,
            logs,
            commands: inbox,
            catalogs,
            changed,
            issued: 0,
            settling: None,
        };
        if supervisor.desired.paused {
            supervisor
                .publisher
                .update(|draft| draft.paused(true, None));
        }
        supervisor.reload();
        (supervisor, handle)
    }

    /// Works until `stop`, then ends every server in order.
    pub async fn run(mut self, stop: CancellationToken) {
        let changed = Arc::clone(&self.changed);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((server, ended)) = self.tasks.join_next() => self.actor_ended(&server, ended),
                Some(seen) = self.catalogs.recv() => self.see(seen).await,
                // Before the commands, which may never end.
                () = settled(self.settling) => {
                    self.settling = None;
                    self.reload();
                }
                () = changed.notified() => {
                    let settling = self.settling.unwrap_or_else(Settling::begin);
                    self.settling = Some(settling.go_on());
                }
                Some(command) = self.commands.recv() => self.handle(command).await,
            }
        }
        self.stop_all().await;
    }

    /// Handles a command and all that wait behind it.
    async fn handle(&mut self, first: Command) {
        let started = Instant::now();
        self.metrics.supervisor().inbox(self.commands.len());
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(command) = next {
            self.decide(command, &mut batch);
            next = if batch.decisions.len() < BATCH && batch.reload.is_none() {
                self.commands.try_recv().ok()
            } else {
                None
            };
        }
        let Batch {
            writes,
            undo,
            decisions,
            reload,
        } = batch;
        let label = match (decisions.first(), &reload) {
            (Some(decision), _) => decision.label,
            (None, Some(_)) => "reload",
            (None, None) => "command",
        };
        match self.store.write(writes).await {
            Ok(()) => {
                for decision in decisions {
                    self.carry_out(decision);
                }
            }
            Err(error) => {
                tracing::error!(%error, "decisions not kept");
                // The newest first, so that what was there before the batch is what stays.
                for step in undo.into_iter().rev() {
                    step.apply(self);
                }
                let message = error.to_string();
                for decision in decisions {
                    // Whoever no longer waits need not be told.
                    let _ = decision
                        .answer
                        .send(Err(CommandError::NotKept(message.clone())));
                }
            }
        }
        if let Some(done) = reload {
            self.reload();
            let revision = self.publisher.view().read(|now| now.revision);
            // Whoever no longer waits still finds it done.
            let _ = done.send(revision);
        }
        self.metrics.supervisor().handled(label, started.elapsed());
    }

    /// Publishes a decision that is durable, gives the actor its aim, and answers.
    fn carry_out(&mut self, decision: Decision) {
        let Decision {
            label,
            change,
            command,
            answer,
        } = decision;
        let revision = match change {
            Change::Server(change) => self.carry_out_for(change, &command),
            Change::Paused(paused) => {
                let revision = self
                    .publisher
                    .update(|draft| draft.paused(paused, Some(&command)));
                self.reconcile();
                revision
            }
        };
        tracing::info!(%command, label, revision, "command carried out");
        // Whoever no longer waits still finds it done.
        let _ = answer.send(Ok(crate::api::wire::Accepted {
            command: command.to_string(),
            revision,
        }));
    }

    fn carry_out_for(&mut self, change: ServerChange, command: &Arc<str>) -> u64 {
        let ServerChange {
            server,
            desire,
            reviewed,
            revokes,
        } = change;
        let endpoint = self.publisher.view().read(|now| {
            let entry = now.server(server.as_str()).filter(|_| revokes);
            entry.and_then(|entry| entry.endpoint().cloned())
        });
        let revision = self.publisher.update(|draft| {
            if let Some(reviewed) = reviewed {
                draft.catalog(&server, reviewed);
            }
            draft.desire(&server, desire, Some(command))
        });
        if let Some(endpoint) = endpoint {
            // From here on the view refuses new calls; those in flight end before the answer.
            endpoint.revoke(Revocation::Quarantined);
        }
        self.aim(&server);
        revision
    }

    /// Takes a catalog that an actor has read: its epoch is kept before anybody can see it.
    async fn see(&mut self, seen: SeenCatalog) {
        let started = Instant::now();
        let SeenCatalog {
            server,
            spec,
            catalog,
            reviewed,
        } = seen;
        let Some(desire) = self.desired.servers.get(&server).cloned() else {
            return;
        };
        if desire.spec.as_ref() != Some(&spec) {
            // Read from a launch that is no longer wanted; the actor is about to be told.
            return;
        }
        let word = if self.trust_config && !desire.suspended {
            OffersWord::TrustConfig
        } else {
            OffersWord::None
        };
        let ledger = self.ledgers.entry(server.clone()).or_default();
        let before = ledger.clone();
        let mut found = ledger.see(&server, catalog, word);
        if let Some(launch) = &desire.launch
            && ledger.proven.insert(launch.clone())
        {
            found.writes.push(Write::Proven {
                server: server.clone(),
                launch: launch.clone(),
            });
        }
        if let Err(error) = self.store.write(found.writes).await {
            // What was not kept must not be shown: a held change could be forgotten.
            tracing::error!(%error, %server, "catalog not kept");
            self.ledgers.insert(server, before);
            return;
        }
        let ledger = &self.ledgers[&server];
        let shown = ledger.review(&server);
        let after = Arc::new(Desire {
            reviewed: ledger.reviewed,
            proven: true,
            ..Desire::clone(&desire)
        });
        let unchanged = desire.reviewed == after.reviewed && before.reviewed == ledger.reviewed;
        self.desired
            .servers
            .insert(server.clone(), Arc::clone(&after));
        self.publisher.update(|draft| {
            let known = draft
                .snapshot()
                .server(server.as_str())
                .is_some_and(|entry| entry.catalog.is_some());
            if let Some(shown) = shown
                && (found.changed || !known || !unchanged)
            {
                draft.catalog(&server, shown);
            }
            if !unchanged {
                draft.desire(&server, after, None);
            }
        });
        if found.changed {
            self.metrics
                .supervisor()
                .epoch(server.as_str(), started.elapsed());
        }
        self.metrics.supervisor().handled("seen", started.elapsed());
        // From here on its launch has connected before.
        self.aim(&server);
        // An actor that was told otherwise meanwhile no longer waits.
        let _ = reviewed.send(());
    }

    /// Brings the set of actors, and what each aims at, in line with what is wanted.
    fn reconcile(&mut self) {
        let started = Instant::now();
        let steps = plan(&self.desired, &self.running);
        for step in steps {
            match step {
                Step::Spawn(server) => self.spawn(&server),
                Step::Aim(server, aim) => self.send_aim(&server, aim),
                Step::Retire(server) => self.send_aim(&server, Aim::Stop),
            }
        }
        self.metrics.supervisor().reconciled(started.elapsed());
    }

    /// Gives one actor its aim.
    fn aim(&mut self, server: &ServerName) {
        let Some(desire) = self.desired.servers.get(server) else {
            return;
        };
        let aim = desire.aim(self.desired.paused);
        if self.running.contains_key(server) {
            self.send_aim(server, aim);
        } else {
            self.spawn(server);
        }
    }

    /// An actor on its way out is left to end: it speaks for a server that was removed, and one
    /// that comes back has an actor of its own.
    fn send_aim(&self, server: &ServerName, aim: Aim) {
        if let Some(wanted) = self.running.get(server) {
            wanted.send_if_modified(|now| {
                let modified = *now != aim && *now != Aim::Stop;
                if modified {
                    *now = aim;
                }
                modified
            });
        }
    }

    /// Starts the actor of a server. There is one at most: a name that is still in `running` is
    /// spawned when that one has ended.
    fn spawn(&mut self, server: &ServerName) {
        let Some(desire) = self.desired.servers.get(server) else {
            return;
        };
        let Some(reporter) = self.publisher.reporter(server) else {
            return;
        };
        let (sender, wanted) = watch::channel(desire.aim(self.desired.paused));
        let actor = Actor::new(reporter, self.logs.of(server), self.context.clone());
        let span = info_span!("server", server.name = %server);
        self.running.insert(server.clone(), sender);
        self.tasks
            .spawn(server.clone(), actor.run(wanted).instrument(span));
        self.metrics.actors().spawned(server.as_str());
    }

    fn actor_ended(&mut self, server: &ServerName, ended: Result<Exit, tokio::task::JoinError>) {
        self.running.remove(server);
        let reason = match &ended {
            Ok(Exit::Stopped) => "stopped",
            Ok(Exit::SupervisorGone) => "supervisor_gone",
            Err(error) if error.is_panic() => "panicked",
            Err(_) => "aborted",
        };
        self.metrics.actors().stopped(server.as_str(), reason);
        if !self.desired.servers.contains_key(server) {
            self.logs.forget(server);
            return;
        }
        if reason == "panicked" {
            tracing::error!(%server, "actor panicked");
            if !self.budget.spend(server, Instant::now()) {
                self.give_up(server);
                return;
            }
            self.metrics.actors().restarted(server.as_str(), "panicked");
        }
        self.spawn(server);
    }

    /// Shows a server as failed whose actor panics again and again.
    fn give_up(&self, server: &ServerName) {
        let cause = Cause::new(
            CauseKind::Internal,
            "Narthex failed at it again and again",
            "Try again; if it comes back, report it with the log of Narthex.",
        );
        if let Some(reporter) = self.publisher.reporter(server) {
            reporter.phase(Phase::Error {
                cause: Arc::new(cause),
                failures: 0,
                retry_at: None,
            });
        }
    }

    /// Ends every server: all at once, each in order, none for longer than the deadline.
    async fn stop_all(mut self) {
        for wanted in self.running.values() {
            wanted.send_replace(Aim::Stop);
        }
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP_DEADLINE, all_ended).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "servers did not end in time");
            // Their links are dropped, and their guards end what is left.
            self.tasks.abort_all();
            while self.tasks.join_next().await.is_some() {}
        }
    }

    /// Returns an id for a command.
    fn command_id(&mut self) -> Arc<str> {
        self.issued += 1;
        format!("{}-c{}", self.publisher.view().instance(), self.issued).into()
    }

    /// Whether the view shows the server in an error, so that a wish to connect means a new try.
    fn is_in_error(&self, server: &ServerName) -> bool {
        let in_error = |entry: &Arc<Entry>| matches!(entry.phase, Phase::Error { .. });
        self.publisher
            .view()
            .read(|now| now.server(server.as_str()).is_some_and(in_error))
    }
}

/// Commands that are decided and not yet kept.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    undo: Vec<Undo>,
    decisions: Vec<Decision>,
    /// The file is read when the rest is carried out: it must not show what is not kept yet, nor
    /// take away what a decision is about.
    reload: Option<oneshot::Sender<u64>>,
}

/// A command that is decided.
struct Decision {
    label: &'static str,
    change: Change,
    command: Arc<str>,
    answer: oneshot::Sender<Result<crate::api::wire::Accepted, CommandError>>,
}

/// What of the view a decision changes.
enum Change {
    Server(ServerChange),
    Paused(bool),
}

/// A server as one command leaves it. Another command of the same batch has its own, so that the
/// event of each shows what it wished.
struct ServerChange {
    server: ServerName,
    desire: Arc<Desire>,
    /// What clients may see of it, where that changes.
    reviewed: Option<Arc<Reviewed>>,
    /// Whether calls in flight end.
    revokes: bool,
}

/// What was there before a decision.
enum Undo {
    Server(ServerName, Arc<Desire>, Option<Ledger>),
    Paused(bool),
}

impl Undo {
    fn apply(self, supervisor: &mut Supervisor) {
        match self {
            Self::Server(server, desire, ledger) => {
                supervisor.desired.servers.insert(server.clone(), desire);
                match ledger {
                    Some(ledger) => supervisor.ledgers.insert(server, ledger),
                    None => supervisor.ledgers.remove(&server),
                };
            }
            Self::Paused(paused) => supervisor.desired.paused = paused,
        }
    }
}

impl Supervisor {
    /// Decides a command against what is wanted so far. A refusal is answered at once and leaves
    /// nothing behind.
    fn decide(&mut self, command: Command, batch: &mut Batch) {
        let Command { order, answer } = command;
        let label = order.label();
        let outcome = match order {
            Order::Wish { server, wish } => self.decide_wish(server, wish, batch),
            Order::Restart(server) => self.decide_restart(server, batch),
            Order::Quarantine(server) => self.decide_quarantine(server, batch),
            Order::Approve { server, approval } => self.decide_approval(server, &approval, batch),
            Order::Pause(paused) => {
                batch.undo.push(Undo::Paused(self.desired.paused));
                batch.writes.push(Write::Paused(paused));
                self.desired.paused = paused;
                Ok(Change::Paused(paused))
            }
            Order::Reload(done) => {
                batch.reload = Some(done);
                return;
            }
        };
        match outcome {
            Ok(change) => {
                let command = self.command_id();
                batch.decisions.push(Decision {
                    label,
                    change,
                    command,
                    answer,
                });
            }
            Err(error) => {
                // Whoever no longer waits need not be told.
                let _ = answer.send(Err(error));
            }
        }
    }

    fn decide_wish(
        &mut self,
        server: ServerName,
        wish: Wish,
        batch: &mut Batch,
    ) -> Result<Change, CommandError> {
        let desire = self.desire(&server)?;
        if wish == Wish::Connected {
            self.refuse_unless_it_may_run(&server, &desire)?;
        }
        let again = wish == Wish::Connected
            && (self.is_in_error(&server) || !self.running.contains_key(&server));
        let next = Desire {
            wish,
            generation: desire.generation + u64::from(again),
            ..Desire::clone(&desire)
        };
        self.remember(&server, &desire, batch);
        self.ledgers.entry(server.clone()).or_default().disconnected = wish == Wish::Disconnected;
        if wish != desire.wish {
            batch.writes.push(Write::Disconnected {
                server: server.clone(),
                disconnected: wish == Wish::Disconnected,
            });
        }
        Ok(Change::Server(self.decided(server, next)))
    }

    fn decide_restart(
        &mut self,
        server: ServerName,
        batch: &mut Batch,
    ) -> Result<Change, CommandError> {
        let desire = self.desire(&server)?;
        self.refuse_unless_it_may_run(&server, &desire)?;
        if desire.wish == Wish::Disconnected {
            return Err(CommandError::refused(
                "disconnected",
                format!("{server} is disconnected"),
                format!("Connect it: narthex connect {server}"),
            ));
        }
        let next = Desire {
            generation: desire.generation + 1,
            ..Desire::clone(&desire)
        };
        self.remember(&server, &desire, batch);
        Ok(Change::Server(self.decided(server, next)))
    }

    fn decide_quarantine(
        &mut self,
        server: ServerName,
        batch: &mut Batch,
    ) -> Result<Change, CommandError> {
        let desire = self.desire(&server)?;
        self.remember(&server, &desire, batch);
        self.ledgers.entry(server.clone()).or_default().suspended = true;
        if !desire.suspended {
            batch.writes.push(Write::Suspended {
                server: server.clone(),
                suspended: true,
            });
        }
        let next = Desire {
            suspended: true,
            // Calls over its connection are refused for good, so it comes back with another one,
            // however soon.
            generation: desire.generation + 1,
            ..Desire::clone(&desire)
        };
        Ok(Change::Server(ServerChange {
            revokes: true,
            ..self.decided(server, next)
        }))
    }

    /// Takes note of what is wanted of a server, for the decisions that follow.
    fn decided(&mut self, server: ServerName, next: Desire) -> ServerChange {
        let desire = Arc::new(next);
        self.desired
            .servers
            .insert(server.clone(), Arc::clone(&desire));
        ServerChange {
            server,
            desire,
            reviewed: None,
            revokes: false,
        }
    }

    fn desire(&self, server: &ServerName) -> Result<Arc<Desire>, CommandError> {
        self.desired
            .servers
            .get(server)
            .cloned()
            .ok_or_else(|| CommandError::NotFound(server.clone()))
    }

    fn remember(&self, server: &ServerName, desire: &Arc<Desire>, batch: &mut Batch) {
        let ledger = self.ledgers.get(server).cloned();
        batch
            .undo
            .push(Undo::Server(server.clone(), Arc::clone(desire), ledger));
    }

    /// Refuses what would start a server that may not run.
    fn refuse_unless_it_may_run(
        &self,
        server: &ServerName,
        desire: &Desire,
    ) -> Result<(), CommandError> {
        let Some(spec) = &desire.spec else {
            return Err(CommandError::refused(
                "not_valid",
                format!("the entry of {server} cannot be used"),
                desire.problem.as_ref().map_or_else(
                    || "Correct it.".to_owned(),
                    |problem| problem.remedy.clone(),
                ),
            ));
        };
        if !spec.enabled {
            return Err(CommandError::refused(
                "off",
                format!("{server} is switched off in narthex.json"),
                "Remove \"enabled\": false from its entry.",
            ));
        }
        if desire.in_quarantine() {
            return Err(CommandError::refused(
                "in_quarantine",
                format!("{server} is in quarantine"),
                format!("Review and approve it: narthex approve {server}"),
            ));
        }
        if self.desired.paused {
            return Err(CommandError::refused(
                "paused",
                "all servers are paused",
                "Resume them first.",
            ));
        }
        Ok(())
    }
}

/// When a file that has changed is to be read.
#[derive(Debug, Clone, Copy)]
struct Settling {
    read_at: Instant,
    read_at_latest: Instant,
}

impl Settling {
    fn begin() -> Self {
        let read_at_latest = Instant::now() + SETTLE_MAX;
        Self {
            read_at: read_at_latest,
            read_at_latest,
        }
    }

    /// Takes note of another change.
    fn go_on(self) -> Self {
        Self {
            read_at: self.read_at_latest.min(Instant::now() + SETTLE),
            ..self
        }
    }
}

async fn settled(settling: Option<Settling>) {
    match settling {
        Some(Settling { read_at, .. }) => tokio::time::sleep_until(read_at).await,
        None => std::future::pending().await,
    }
}
