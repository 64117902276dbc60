//! Those who give orders, all at once, and what became of each order.

use std::{sync::Arc, time::Duration};

use narthex_core::{
    api::wire::{Accepted, Approval, Offers, Wish},
    catalog::DefinitionHash,
    mcp::Outgoing,
    server::ServerName,
    supervisor::{CommandError, Handle, Order},
    upstream::Endpoint,
    view::View,
};
use tokio::time::sleep;

use crate::{
    clock::Clock,
    file::{SERVERS, names},
};

/// What was ordered and what became of it.
#[derive(Debug)]
pub(super) struct Deed {
    /// The server; none where all are concerned.
    pub(super) server: Option<ServerName>,
    /// What was ordered.
    pub(super) intent: Intent,
    /// What became of it.
    pub(super) outcome: Result<Accepted, CommandError>,
}

/// What a person wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Intent {
    Connect,
    Disconnect,
    Restart,
    Quarantine,
    Approve {
        launch: Option<String>,
        epoch: Option<u64>,
        first_seen: bool,
        /// What was shown.
        shown: Vec<DefinitionHash>,
    },
    Pause(bool),
}

impl Deed {
    /// Returns the revision of an accepted one.
    pub(super) fn revision(&self) -> Option<u64> {
        self.outcome.as_ref().ok().map(|accepted| accepted.revision)
    }
}

/// One who gives orders.
pub(super) struct Person {
    view: View,
    supervisor: Handle,
    random: fastrand::Rng,
}

impl Person {
    pub(super) const fn new(view: View, supervisor: Handle, random: fastrand::Rng) -> Self {
        Self {
            view,
            supervisor,
            random,
        }
    }

    /// Approves most of the servers to begin with, unseen.
    pub(super) async fn approve_most(&mut self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for name in names().filter(|name| name != "s3" && name != "s7") {
            let server = ServerName::new(&name).unwrap();
            let launch = self.shown_launch(&server);
            let intent = Intent::Approve {
                launch,
                epoch: None,
                first_seen: true,
                shown: Vec::new(),
            };
            deeds.push(self.carry_out(Some(server), intent).await);
        }
        deeds
    }

    /// Gives `count` orders, now one by one, now in a rush.
    pub(super) async fn storm(mut self, count: usize) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for _ in 0..count {
            if self.random.bool() {
                sleep(Duration::from_millis(self.random.u64(..150))).await;
            }
            let (server, intent) = self.intend();
            if self.random.u8(..6) == 0 {
                // What was shown may be old by the time the answer is given.
                sleep(Duration::from_millis(self.random.u64(..40))).await;
            }
            deeds.push(self.carry_out(server, intent).await);
        }
        deeds
    }

    /// Pauses all servers and resumes them, again and again.
    pub(super) async fn cannot_decide(&mut self, times: usize, clock: &Clock) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for _ in 0..times {
            for paused in [true, false] {
                deeds.push(self.carry_out(None, Intent::Pause(paused)).await);
            }
            if self.random.u8(..4) == 0 {
                clock
                    .step(Duration::from_millis(self.random.u64(1..20)))
                    .await;
            }
        }
        deeds
    }

    fn intend(&mut self) -> (Option<ServerName>, Intent) {
        let name = format!("s{}", self.random.usize(..SERVERS));
        let server = ServerName::new(&name).unwrap();
        let paused = self.view.read(|now| now.paused);
        let intent = match self.random.u8(..100) {
            0..24 => Intent::Connect,
            24..40 => Intent::Disconnect,
            40..54 => Intent::Restart,
            54..64 => Intent::Quarantine,
            64..94 => self.approval(&server),
            94..96 => return (None, Intent::Pause(true)),
            _ if paused => return (None, Intent::Pause(false)),
            96 => return (None, Intent::Pause(false)),
            _ => Intent::Connect,
        };
        (Some(server), intent)
    }

    /// Approves what the view shows at this moment.
    fn approval(&mut self, server: &ServerName) -> Intent {
        let launch = self.shown_launch(server);
        let (epoch, shown) = self.view.read(|now| {
            let entry = now.server(server.as_str());
            let catalog = entry.and_then(|entry| entry.catalog.clone());
            catalog.map_or((None, Vec::new()), |catalog| {
                let shown = catalog.tools.iter().map(|tool| tool.definition.hash);
                (Some(catalog.epoch), shown.collect())
            })
        });
        let (launch, epoch, first_seen) = match (self.random.u8(..10), launch, epoch) {
            (0 | 1, launch @ Some(_), None) => (launch, None, true),
            (0, launch @ Some(_), _) => (launch, None, false),
            (1, _, epoch @ Some(_)) => (None, epoch, false),
            (_, launch, epoch) => (launch, epoch, false),
        };
        let shown = if epoch.is_some() { shown } else { Vec::new() };
        Intent::Approve {
            launch,
            epoch,
            first_seen,
            shown,
        }
    }

    fn shown_launch(&self, server: &ServerName) -> Option<String> {
        self.view.read(|now| {
            let desire = &now.server(server.as_str())?.desire;
            desire.launch.as_ref().map(ToString::to_string)
        })
    }

    /// Gives an order, and looks at once whether what the answer promises holds.
    pub(super) async fn carry_out(&mut self, server: Option<ServerName>, intent: Intent) -> Deed {
        let before = server.as_ref().and_then(|server| self.endpoint(server));
        let outcome = self.supervisor.order(order(&server, &intent)).await;
        match &outcome {
            Ok(accepted) => {
                let revision = self.view.read(|now| now.revision);
                assert!(
                    revision >= accepted.revision,
                    "answered before it is in the view"
                );
                if let (Intent::Quarantine, Some(before)) = (&intent, before) {
                    let ping = Outgoing::new("ping", "{}");
                    let call = before.lease().request(&ping, None).await;
                    assert!(call.is_err(), "a call passes a quarantine");
                }
            }
            Err(error) => assert!(
                matches!(
                    error,
                    CommandError::Refused { .. }
                        | CommandError::NotFound(_)
                        | CommandError::Invalid { .. }
                ),
                "{intent:?} of {server:?}: {error}"
            ),
        }
        Deed {
            server,
            intent,
            outcome,
        }
    }

    fn endpoint(&self, server: &ServerName) -> Option<Endpoint> {
        let entry = self
            .view
            .read(|now| now.server(server.as_str()).map(Arc::clone))?;
        entry.endpoint().cloned()
    }
}

fn order(server: &Option<ServerName>, intent: &Intent) -> Order {
    let server = || server.clone().expect("an order of one server names it");
    let wish = |wish| Order::Wish {
        server: server(),
        wish,
    };
    match intent {
        Intent::Connect => wish(Wish::Connected),
        Intent::Disconnect => wish(Wish::Disconnected),
        Intent::Restart => Order::Restart(server()),
        Intent::Quarantine => Order::Quarantine(server()),
        Intent::Approve {
            launch,
            epoch,
            first_seen,
            ..
        } => Order::Approve {
            server: server(),
            approval: Approval {
                launch: launch.clone(),
                epoch: *epoch,
                offers: first_seen.then_some(Offers::FirstSeen),
            },
            command: None,
        },
        Intent::Pause(paused) => Order::Pause(*paused),
    }
}
