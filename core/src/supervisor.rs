//! Owns what is wanted, and sees to it: takes commands and changes of the file, keeps what must be
//! kept, publishes, and gives every actor its aim.
//!
//! A command is answered when what it wishes is durable and in the view. Commands that wait
//! together are kept in one transaction.

mod approve;
mod budget;
mod command;
mod decide;
mod plan;
mod reload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::JoinMap};
use tracing::{Instrument as _, info_span};

use crate::{
    desired::{Aim, Desire, Desired},
    metrics::Metrics,
    runtime::by_size,
    server::{
        Cause, CauseKind, Phase, ServerName,
        actor::{Actor, Context, Exit, SeenCatalog},
        logs::Log,
    },
    settings::Settings,
    trust::{Contents, LaunchKey, Ledger, OffersWord, Store, Write},
    upstream::{Audience, Connector, Revocation},
    view::Publisher,
};

use decide::{Batch, Change, Decision, Reload, ServerChange};

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
    /// Where the settings of the file go.
    pub settings: Settings,
    /// `--trust-config`.
    pub trust_config: bool,
    /// What is counted.
    pub metrics: Metrics,
    /// What opens connections.
    pub connector: Arc<dyn Connector>,
    /// The servers' logs.
    pub logs: Logs,
    /// Who hears what servers say by themselves.
    pub audience: Audience,
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
    settings: Settings,
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
            settings,
            trust_config,
            metrics,
            connector,
            logs,
            audience,
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
                calls: settings.calls(),
                audience,
            },
            settings,
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
                    self.handled(decision.label, decision.taken_up);
                    // Whoever no longer waits need not be told.
                    let _ = decision
                        .answer
                        .send(Err(CommandError::NotKept(message.clone())));
                }
            }
        }
        if let Some(Reload { taken_up, done }) = reload {
            self.reload();
            let revision = self.publisher.view().read(|now| now.revision);
            self.handled("reload", taken_up);
            // Whoever no longer waits still finds it done.
            let _ = done.send(revision);
        }
    }

    /// Counts a message under its own label.
    fn handled(&self, label: &'static str, taken_up: Instant) {
        let supervisor = self.metrics.supervisor();
        supervisor.handled(label, taken_up.elapsed());
    }

    /// Publishes a decision that is durable, gives the actor its aim, and answers.
    fn carry_out(&mut self, decision: Decision) {
        let Decision {
            label,
            taken_up,
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
        self.handled(label, taken_up);
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
        if desire
            .spec
            .as_ref()
            .is_none_or(|wanted| wanted.transport != spec.transport)
        {
            // Read from a launch that is no longer wanted; the actor is about to be told.
            return;
        }
        let word = if self.trust_config && !desire.suspended {
            OffersWord::TrustConfig
        } else {
            OffersWord::None
        };
        let weight = catalog.weight();
        let ledger = self.ledgers.entry(server.clone()).or_default();
        let (before, mut found) = by_size(weight, || {
            (ledger.clone(), ledger.see(&server, catalog, word))
        });
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
        let shown = by_size(weight, || ledger.review(&server));
        let after = Arc::new(Desire {
            reviewed: desire.reviewed || ledger.reviewed,
            proven: true,
            ..Desire::clone(&desire)
        });
        let unchanged = desire.reviewed == after.reviewed && before.reviewed == ledger.reviewed;
        let last = self.publisher.view().read(|now| {
            let entry = now.server(server.as_str());
            entry.and_then(|entry| entry.catalog.clone())
        });
        self.desired
            .servers
            .insert(server.clone(), Arc::clone(&after));
        self.publisher.update(|draft| {
            let known = draft
                .snapshot()
                .server(server.as_str())
                .is_some_and(|entry| entry.catalog.is_some());
            if let Some(shown) = shown
                && (found.differs || !known || !unchanged)
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
        self.handled("seen", started);
        // From here on its launch has connected before.
        self.aim(&server);
        // An actor that was told otherwise meanwhile no longer waits.
        let _ = reviewed.send(());
        // To let go of many definitions takes its time as well.
        by_size(weight, || drop((before, last)));
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
