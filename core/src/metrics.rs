//! What is counted, by name (Prometheus). Every name and label stands in `docs/metrics.md`.

mod histogram;

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

pub use histogram::Histogram;

/// Labels of what is counted for each server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfServer {
    server: String,
}

/// Labels of what is counted for each server and reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithReason {
    server: String,
    reason: &'static str,
}

/// Labels of calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithOutcome {
    server: String,
    outcome: &'static str,
}

/// Labels of what the supervisor handles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMessage {
    message: &'static str,
}

/// Labels of servers by phase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPhase {
    phase: &'static str,
}

/// All metrics of a core. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    servers: Family<OfPhase, Gauge>,
    calls: Family<WithOutcome, Counter>,
    call_duration: Family<OfServer, Histogram>,
    waiting: Family<OfServer, Gauge>,
    shed: Family<OfServer, Counter>,
    view: ViewMetrics,
    events: EventMetrics,
    actors: ActorMetrics,
    supervisor: SupervisorMetrics,
}

/// What the publisher counts.
#[derive(Debug, Clone, Default)]
pub struct ViewMetrics {
    updates: Counter,
    servers: Gauge,
    duration: Histogram,
}

/// What the event streams count.
#[derive(Debug, Clone, Default)]
pub struct EventMetrics {
    propagation: Histogram,
    gaps: Counter,
    subscribers: Gauge,
}

/// What is counted of actors.
#[derive(Debug, Clone, Default)]
pub struct ActorMetrics {
    spawns: Family<OfServer, Counter>,
    stops: Family<WithReason, Counter>,
    restarts: Family<WithReason, Counter>,
    dropped: Family<WithReason, Counter>,
}

/// What the supervisor counts.
#[derive(Debug, Clone, Default)]
pub struct SupervisorMetrics {
    inbox: Gauge,
    overflow: Counter,
    message: Family<OfMessage, Histogram>,
    reconcile: Histogram,
    epochs: Family<OfServer, Counter>,
    epoch_duration: Histogram,
    epoch_conflicts: Family<OfServer, Counter>,
}

/// Where the calls of one server are counted: resolved once for each connection, so that a call
/// takes no lock.
#[derive(Debug, Clone)]
pub struct CallMetrics {
    succeeded: Counter,
    failed: Counter,
    error: Counter,
    timed_out: Counter,
    ended: Counter,
    cancelled: Counter,
    duration: Histogram,
    waiting: Gauge,
    shed: Counter,
    dropped: Counter,
}

/// Counts a call among those that wait, until it is dropped.
#[derive(Debug)]
pub struct Waits<'a>(&'a Gauge);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Where what a server says in vain is counted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MessageMetrics {
    actors: ActorMetrics,
    server: Arc<str>,
}

/// How a call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A result.
    Succeeded,
    /// A JSON-RPC error of the server's.
    Error,
    /// No answer in time.
    TimedOut,
    /// The server ended, or was ended, before it answered.
    Ended,
    /// The client no longer waited.
    Cancelled,
    /// No answer for another reason.
    Failed,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("narthex");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        let metrics = Self {
            registry: Arc::default(),
            servers: Family::default(),
            calls: Family::default(),
            call_duration: Family::default(),
            waiting: Family::default(),
            shed: Family::default(),
            view: ViewMetrics::default(),
            events: EventMetrics::default(),
            actors: ActorMetrics::default(),
            supervisor: SupervisorMetrics::default(),
        };
        metrics.register(&mut registry);
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }

    fn register(&self, registry: &mut Registry) {
        let Self {
            servers,
            calls,
            call_duration,
            waiting,
            shed,
            view,
            events,
            actors,
            supervisor,
            registry: _,
        } = self;
        registry.register("servers", "Servers by phase", servers.clone());
        registry.register("tool_calls", "Tool calls by outcome", calls.clone());
        let help = "From the request of a tool call to its answer";
        registry.register_with_unit(
            "tool_call_duration",
            help,
            Unit::Seconds,
            call_duration.clone(),
        );
        let help = "Requests that wait for a place";
        registry.register("requests_waiting", help, waiting.clone());
        let help = "Requests refused because none was free in time";
        registry.register("requests_shed", help, shed.clone());
        registry.register("snapshot_updates", "Revisions stored", view.updates.clone());
        registry.register(
            "snapshot_servers",
            "Servers in the snapshot",
            view.servers.clone(),
        );
        let help = "How long one update of the snapshot takes";
        registry.register_with_unit(
            "snapshot_update_duration",
            help,
            Unit::Seconds,
            view.duration.clone(),
        );
        let help = "From a change stored to its event handed to a subscriber";
        registry.register_with_unit(
            "event_propagation_duration",
            help,
            Unit::Seconds,
            events.propagation.clone(),
        );
        registry.register(
            "event_gaps",
            "Subscribers told that they missed something",
            events.gaps.clone(),
        );
        registry.register(
            "event_subscribers",
            "Subscribers to events",
            events.subscribers.clone(),
        );
        registry.register("actor_spawns", "Actors started", actors.spawns.clone());
        registry.register(
            "actor_stops",
            "Actors ended, by reason",
            actors.stops.clone(),
        );
        registry.register(
            "server_restarts",
            "Servers started again, by reason",
            actors.restarts.clone(),
        );
        registry.register(
            "messages_dropped",
            "Messages dropped, by reason",
            actors.dropped.clone(),
        );
        registry.register(
            "supervisor_inbox_depth",
            "Commands waiting",
            supervisor.inbox.clone(),
        );
        registry.register(
            "supervisor_inbox_overflows",
            "Commands refused for lack of room",
            supervisor.overflow.clone(),
        );
        let help = "How long the supervisor takes for a message";
        registry.register_with_unit(
            "supervisor_message_duration",
            help,
            Unit::Seconds,
            supervisor.message.clone(),
        );
        let help = "How long planning takes";
        registry.register_with_unit(
            "reconcile_duration",
            help,
            Unit::Seconds,
            supervisor.reconcile.clone(),
        );
        registry.register(
            "epoch_increments",
            "Changes of what a server offers",
            supervisor.epochs.clone(),
        );
        let help = "From a changed catalog to its revision";
        registry.register_with_unit(
            "epoch_increment_duration",
            help,
            Unit::Seconds,
            supervisor.epoch_duration.clone(),
        );
        let help = "Approvals refused because the catalog had moved on";
        registry.register("epoch_conflicts", help, supervisor.epoch_conflicts.clone());
    }

    /// Returns what the publisher counts.
    pub fn view(&self) -> ViewMetrics {
        self.view.clone()
    }

    /// Returns what the event streams count.
    pub const fn events(&self) -> &EventMetrics {
        &self.events
    }

    /// Returns what is counted of actors.
    pub const fn actors(&self) -> &ActorMetrics {
        &self.actors
    }

    /// Returns what the supervisor counts.
    pub const fn supervisor(&self) -> &SupervisorMetrics {
        &self.supervisor
    }

    /// Returns where the calls of `server` are counted.
    pub fn calls(&self, server: &str) -> CallMetrics {
        let counter = |outcome| {
            self.calls
                .get_or_create(&WithOutcome {
                    server: server.to_owned(),
                    outcome,
                })
                .clone()
        };
        let labels = OfServer {
            server: server.to_owned(),
        };
        CallMetrics {
            succeeded: counter("succeeded"),
            failed: counter("failed"),
            error: counter("error"),
            timed_out: counter("timed_out"),
            ended: counter("ended"),
            cancelled: counter("cancelled"),
            duration: self.call_duration.get_or_create(&labels).clone(),
            waiting: self.waiting.get_or_create(&labels).clone(),
            shed: self.shed.get_or_create(&labels).clone(),
            dropped: self.actors.dropped(server, "slow_client"),
        }
    }

    /// Returns where what `server` says in vain is counted.
    pub fn messages(&self, server: &str) -> MessageMetrics {
        MessageMetrics {
            actors: self.actors.clone(),
            server: server.into(),
        }
    }

    /// Returns everything in the OpenMetrics text format. `phases` are the servers' phases.
    pub fn text(&self, phases: impl Iterator<Item = &'static str>) -> String {
        for phase in [
            "idle",
            "connecting",
            "connected",
            "disconnecting",
            "error",
            "stopped",
        ] {
            self.servers.get_or_create(&OfPhase { phase }).set(0);
        }
        for phase in phases {
            self.servers.get_or_create(&OfPhase { phase }).inc();
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ViewMetrics {
    /// Counts an update of the snapshot.
    pub fn updated(&self, revisions: usize, servers: usize, took: Duration) {
        self.updates.inc_by(revisions as u64);
        self.servers.set(i64::try_from(servers).unwrap_or(i64::MAX));
        self.duration.observe(took);
    }
}

impl EventMetrics {
    /// Counts an event handed to a subscriber.
    pub fn told(&self, after: Duration) {
        self.propagation.observe(after);
    }

    /// Counts a subscriber that missed something.
    pub fn gap(&self) {
        self.gaps.inc();
    }

    /// Returns how many subscribers there are.
    pub fn subscribers(&self) -> i64 {
        self.subscribers.get()
    }

    /// Counts a subscriber that came (`true`) or went.
    pub fn subscriber(&self, came: bool) {
        if came {
            self.subscribers.inc()
        } else {
            self.subscribers.dec()
        };
    }
}

impl ActorMetrics {
    /// Counts an actor that was started.
    pub fn spawned(&self, server: &str) {
        self.spawns
            .get_or_create(&OfServer {
                server: server.to_owned(),
            })
            .inc();
    }

    /// Counts an actor that ended.
    pub fn stopped(&self, server: &str, reason: &'static str) {
        self.stops
            .get_or_create(&WithReason {
                server: server.to_owned(),
                reason,
            })
            .inc();
    }

    /// Counts a server that is started again.
    pub fn restarted(&self, server: &str, reason: &'static str) {
        self.restarts
            .get_or_create(&WithReason {
                server: server.to_owned(),
                reason,
            })
            .inc();
    }

    /// Returns the counter of messages that are dropped for a reason.
    fn dropped(&self, server: &str, reason: &'static str) -> Counter {
        let labels = WithReason {
            server: server.to_owned(),
            reason,
        };
        self.dropped.get_or_create(&labels).clone()
    }
}

impl SupervisorMetrics {
    /// Takes note of how many commands wait.
    pub fn inbox(&self, depth: usize) {
        self.inbox.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Counts a command refused for lack of room.
    pub fn overflowed(&self) {
        self.overflow.inc();
    }

    /// Counts a message that was handled.
    pub fn handled(&self, message: &'static str, took: Duration) {
        self.message
            .get_or_create(&OfMessage { message })
            .observe(took);
    }

    /// Counts a plan.
    pub fn reconciled(&self, took: Duration) {
        self.reconcile.observe(took);
    }

    /// Counts a change of what a server offers.
    pub fn epoch(&self, server: &str, took: Duration) {
        self.epochs
            .get_or_create(&OfServer {
                server: server.to_owned(),
            })
            .inc();
        self.epoch_duration.observe(took);
    }

    /// Counts an approval that came too late.
    pub fn epoch_conflict(&self, server: &str) {
        self.epoch_conflicts
            .get_or_create(&OfServer {
                server: server.to_owned(),
            })
            .inc();
    }
}

impl MessageMetrics {
    /// Counts a message that is dropped for a reason.
    pub fn dropped(&self, reason: &'static str) {
        self.actors.dropped(&self.server, reason).inc();
    }
}

impl CallMetrics {
    /// Counts a request that waits for a place.
    pub fn waits(&self) -> Waits<'_> {
        self.waiting.inc();
        Waits(&self.waiting)
    }

    /// Counts a request that found no place.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// Returns how long a tool call takes on the average, where there was one.
    pub fn mean(&self) -> Option<Duration> {
        self.duration.mean()
    }

    /// Returns the counter of progress that a slow client had no room for.
    pub fn dropped(&self) -> Counter {
        self.dropped.clone()
    }

    /// Counts a call that came out.
    pub fn came_out(&self, outcome: Outcome, took: Duration) {
        match outcome {
            Outcome::Succeeded => self.succeeded.inc(),
            Outcome::Error => self.error.inc(),
            Outcome::TimedOut => self.timed_out.inc(),
            Outcome::Ended => self.ended.inc(),
            Outcome::Cancelled => self.cancelled.inc(),
            Outcome::Failed => self.failed.inc(),
        };
        self.duration.observe(took);
    }
}
