use std::sync::Arc;

use super::{
    CommandError, Supervisor,
    decide::{Batch, Change, ServerChange},
};
use crate::{
    api::wire::{Approval, Offers},
    desired::Desire,
    runtime::by_size,
    server::ServerName,
    trust::{LaunchId, Ledger, ReviewRefused, Write},
};

/// What an approval comes to.
pub(super) struct Weighed {
    /// What was wanted before.
    desire: Arc<Desire>,
    /// What is wanted then.
    next: Desire,
    ledger: Ledger,
    writes: Vec<Write>,
}

impl Supervisor {
    /// Decides an approval: all of it, or nothing.
    pub(super) fn decide_approval(
        &mut self,
        server: ServerName,
        approval: &Approval,
        batch: &mut Batch,
    ) -> Result<Change, CommandError> {
        let Weighed {
            desire,
            next,
            ledger,
            writes,
        } = self.weigh(&server, approval)?;
        self.remember(&server, &desire, batch);
        batch.writes.extend(writes);
        let reviewed = by_size(ledger.weight(), || ledger.review(&server));
        self.ledgers.insert(server.clone(), ledger);
        Ok(Change::Server(ServerChange {
            reviewed,
            ..self.decided(server, next)
        }))
    }

    /// Returns what an approval comes to as things stand, and changes nothing.
    pub(super) fn weigh(
        &self,
        server: &ServerName,
        approval: &Approval,
    ) -> Result<Weighed, CommandError> {
        let desire = self.desire(server)?;
        let launch = self.check_halves(server, &desire, approval)?;
        let known = self.ledgers.get(server);
        let mut ledger = known.map_or_else(Ledger::default, |known| {
            by_size(known.weight(), || known.clone())
        });
        let mut writes = Vec::new();
        if let Some(launch) = launch {
            ledger.approved.insert(launch.clone());
            writes.push(Write::Approve {
                server: server.clone(),
                launch,
            });
        }
        if let Some(epoch) = approval.epoch {
            let pinned = by_size(ledger.weight(), || ledger.approve_offers(server, epoch))
                .map_err(|error| self.moved_on(server, &error))?;
            writes.extend(pinned);
        }
        if approval.offers == Some(Offers::FirstSeen) {
            if ledger.known.is_some() {
                return Err(self.moved_on(server, &ReviewRefused::AlreadySeen));
            }
            ledger.first_seen = true;
            writes.push(Write::FirstSeen {
                server: server.clone(),
            });
        }
        if desire.suspended {
            ledger.suspended = false;
            writes.push(Write::Suspended {
                server: server.clone(),
                suspended: false,
            });
        }
        // Given again where it failed: a wish to connect would be refused in quarantine.
        let again = approval.launch.is_some() && self.is_in_error(server);
        let next = Desire {
            generation: desire.generation + u64::from(again),
            approved: desire.approved || approval.launch.is_some(),
            suspended: false,
            reviewed: self.trust_config || ledger.reviewed || ledger.first_seen,
            ..Desire::clone(&desire)
        };
        Ok(Weighed {
            desire,
            next,
            ledger,
            writes,
        })
    }

    /// Checks that the halves given are those that may be given as things stand; returns the launch
    /// where it is one of them.
    fn check_halves(
        &self,
        server: &ServerName,
        desire: &Desire,
        approval: &Approval,
    ) -> Result<Option<LaunchId>, CommandError> {
        let review =
            || format!("Look at it again and approve what is there: narthex approve {server}");
        if approval.launch.is_none() && approval.epoch.is_none() {
            return Err(CommandError::Invalid {
                detail: "an approval names a launch, an epoch or both".to_owned(),
                field: "launch",
                remedy:
                    "Send {\"launch\": ID}, {\"epoch\": N} or both, as GET /servers shows them."
                        .to_owned(),
            });
        }
        if approval.offers.is_some() && (approval.launch.is_none() || approval.epoch.is_some()) {
            return Err(CommandError::Invalid {
                detail: "`offers` goes with `launch` and without `epoch`".to_owned(),
                field: "offers",
                remedy: "Send {\"launch\": ID, \"offers\": \"first-seen\"}.".to_owned(),
            });
        }
        let (Some(spec), Some(launch)) = (&desire.spec, &desire.launch) else {
            return Err(CommandError::refused(
                "not_valid",
                format!("the entry of {server} cannot be used"),
                "Correct the entry in narthex.json first.",
            ));
        };
        if spec.quarantined {
            return Err(CommandError::refused(
                "quarantined_in_file",
                format!("\"quarantined\": true in narthex.json keeps {server} in quarantine"),
                "Remove it from the entry; then review the server.",
            ));
        }
        match &approval.launch {
            Some(given) if given != launch.as_str() => {
                return Err(CommandError::refused(
                    "launch_changed",
                    format!("what {server} would run is no longer what was shown"),
                    review(),
                ));
            }
            Some(_) => {}
            None if desire.suspended || !desire.approved => {
                return Err(CommandError::refused(
                    "launch_not_approved",
                    format!("what {server} would run is not approved"),
                    "Approve the launch with it: send both launch and epoch.",
                ));
            }
            None => {}
        }
        let known = self
            .ledgers
            .get(server)
            .is_some_and(|ledger| ledger.known.is_some());
        if desire.suspended && approval.epoch.is_none() && known {
            return Err(CommandError::refused(
                "both_halves",
                format!(
                    "{server} was put in quarantine: what it runs and what it offers are approved together"
                ),
                "Send both launch and epoch, as GET /servers shows them.",
            ));
        }
        Ok(approval.launch.is_some().then(|| launch.clone()))
    }

    fn moved_on(&self, server: &ServerName, error: &ReviewRefused) -> CommandError {
        self.metrics.supervisor().epoch_conflict(server.as_str());
        let kind = match error {
            ReviewRefused::NothingSeen => "nothing_seen",
            ReviewRefused::MovedOn { .. } => "epoch_changed",
            ReviewRefused::AlreadySeen => "already_seen",
        };
        let remedy = format!("Look at what it offers and approve that: narthex approve {server}");
        CommandError::refused(kind, format!("{server}: {error}"), remedy)
    }
}
