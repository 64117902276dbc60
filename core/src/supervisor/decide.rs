use std::sync::Arc;

use tokio::{sync::oneshot, time::Instant};

use super::{Command, CommandError, Order, Supervisor};
use crate::{
    api::wire::{Accepted, Wish},
    catalog::Reviewed,
    desired::Desire,
    server::{Phase, ServerName},
    trust::{Ledger, Write},
    view::Entry,
};

/// Commands that are decided and not yet kept.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) writes: Vec<Write>,
    pub(super) undo: Vec<Undo>,
    pub(super) decisions: Vec<Decision>,
    /// The file is read when the rest is carried out: it must not show what is not kept yet, nor
    /// take away what a decision is about.
    pub(super) reload: Option<Reload>,
}

/// A wish to read the file.
pub(super) struct Reload {
    pub(super) taken_up: Instant,
    pub(super) done: oneshot::Sender<u64>,
}

/// A command that is decided.
pub(super) struct Decision {
    pub(super) label: &'static str,
    pub(super) taken_up: Instant,
    pub(super) change: Change,
    pub(super) command: Arc<str>,
    pub(super) answer: oneshot::Sender<Result<Accepted, CommandError>>,
}

/// What of the view a decision changes.
pub(super) enum Change {
    Server(ServerChange),
    Paused(bool),
}

/// A server as one command leaves it. Another command of the same batch has its own, so that the
/// event of each shows what it wished.
pub(super) struct ServerChange {
    pub(super) server: ServerName,
    pub(super) desire: Arc<Desire>,
    /// What clients may see of it, where that changes.
    pub(super) reviewed: Option<Arc<Reviewed>>,
    /// Whether calls in flight end.
    pub(super) revokes: bool,
}

/// What was there before a decision.
pub(super) enum Undo {
    Server(ServerName, Arc<Desire>, Option<Ledger>),
    Paused(bool),
}

impl Undo {
    pub(super) fn apply(self, supervisor: &mut Supervisor) {
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
    pub(super) fn decide(&mut self, command: Command, batch: &mut Batch) {
        let Command { order, answer } = command;
        let (label, taken_up) = (order.label(), Instant::now());
        let mut named = None;
        let outcome = match order {
            Order::Wish { server, wish } => self.decide_wish(server, wish, batch),
            Order::Restart(server) => self.decide_restart(server, batch),
            Order::Quarantine(server) => self.decide_quarantine(server, batch),
            Order::Approve {
                server,
                approval,
                command,
            } => {
                named = command;
                self.decide_approval(server, &approval, batch)
            }
            Order::Propose {
                server,
                approval,
                proposed,
            } => match self.weigh(&server, &approval) {
                Ok(_) => {
                    self.handled(label, taken_up);
                    // Whoever no longer waits has nothing confirmed.
                    let _ = proposed.send(self.command_id());
                    return;
                }
                Err(error) => Err(error),
            },
            Order::Pause(paused) => {
                batch.undo.push(Undo::Paused(self.desired.paused));
                batch.writes.push(Write::Paused(paused));
                self.desired.paused = paused;
                Ok(Change::Paused(paused))
            }
            Order::Reload(done) => {
                batch.reload = Some(Reload { taken_up, done });
                return;
            }
        };
        match outcome {
            Ok(change) => {
                let command = named.unwrap_or_else(|| self.command_id());
                batch.decisions.push(Decision {
                    label,
                    taken_up,
                    change,
                    command,
                    answer,
                });
            }
            Err(error) => {
                self.handled(label, taken_up);
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
    pub(super) fn decided(&mut self, server: ServerName, next: Desire) -> ServerChange {
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

    pub(super) fn desire(&self, server: &ServerName) -> Result<Arc<Desire>, CommandError> {
        self.desired
            .servers
            .get(server)
            .cloned()
            .ok_or_else(|| CommandError::NotFound(server.clone()))
    }

    pub(super) fn remember(&self, server: &ServerName, desire: &Arc<Desire>, batch: &mut Batch) {
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

    /// Whether the view shows the server in an error, so that a wish to connect means a new try.
    pub(super) fn is_in_error(&self, server: &ServerName) -> bool {
        let in_error = |entry: &Arc<Entry>| matches!(entry.phase, Phase::Error { .. });
        self.publisher
            .view()
            .read(|now| now.server(server.as_str()).is_some_and(in_error))
    }
}
