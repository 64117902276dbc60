use std::sync::{Arc, OnceLock};

use imbl::OrdMap;
use tokio::time::Instant;

use super::{Change, Entry, Happening, Snapshot, Subjects, View, entry::Facts, present::Step};
use crate::{
    api::wire::{IdleReason, Problem, WhyDeclined},
    catalog::Reviewed,
    desired::Desire,
    metrics::ViewMetrics,
    server::{Phase, ServerName},
    upstream::Endpoint,
};

/// The one writer of the present. It is not `Clone`; actors hold a [`Reporter`] each, which can
/// only tell of their own server.
///
/// An update is a direct call of about a microsecond under a lock that nobody holds for longer:
/// there is no queue between an actor and the view in which a transition could be lost.
#[derive(Debug)]
pub struct Publisher {
    view: View,
    metrics: ViewMetrics,
}

/// What only whoever writes needs to know.
#[derive(Debug, Default)]
pub(super) struct Writer {
    incarnations: u64,
}

/// The next snapshot while it is being made.
#[derive(Debug)]
pub struct Draft<'a> {
    next: Snapshot,
    happenings: Vec<Arc<Happening>>,
    /// Of which subjects what clients see has changed.
    changed: Subjects,
    writer: &'a mut Writer,
    now: Instant,
}

impl Publisher {
    /// Begins at revision 1 with no servers. `instance` names this run of the core.
    pub fn new(instance: String, metrics: ViewMetrics) -> Self {
        let first = Snapshot {
            revision: 1,
            servers: OrdMap::new(),
            paused: false,
            clients: 0,
            problems: Arc::new([]),
            offers: Arc::default(),
            list: Arc::new(OnceLock::new()),
        };
        Self {
            view: View::new(instance, first),
            metrics,
        }
    }

    /// Returns what readers hold.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Makes the next snapshot, stores it, and then announces it.
    pub fn update<R>(&self, change: impl FnOnce(&mut Draft<'_>) -> R) -> R {
        let started = Instant::now();
        let (result, written) = self.view.present().update(|last, writer| {
            let mut draft = Draft {
                next: Snapshot::clone(last),
                happenings: Vec::new(),
                changed: Subjects::default(),
                writer,
                now: started,
            };
            let result = change(&mut draft);
            let step = draft.finish();
            let written = step
                .as_ref()
                .map(|step| (step.happenings.len(), step.next.servers.len()));
            (step, (result, written))
        });
        if let Some((revisions, servers)) = written {
            self.metrics.updated(revisions, servers, started.elapsed());
        }
        result
    }

    /// Returns a handle for the actor of `server`, in whatever incarnation it is.
    pub fn reporter(self: &Arc<Self>, server: &ServerName) -> Option<Reporter> {
        let incarnation = self.view.read(|snapshot| {
            snapshot
                .server(server.as_str())
                .map(|entry| entry.incarnation)
        })?;
        Some(Reporter {
            publisher: Arc::clone(self),
            server: server.clone(),
            incarnation,
        })
    }
}

impl Draft<'_> {
    /// Returns the next snapshot, if anything happened.
    fn finish(self) -> Option<Step<Snapshot, Happening>> {
        let Self {
            mut next,
            happenings,
            changed,
            ..
        } = self;
        if happenings.is_empty() {
            return None;
        }
        if changed.any() {
            next.offers = Arc::new(next.offers.next(changed, next.servers.clone()));
        }
        next.list = Arc::new(OnceLock::new());
        Some(Step { next, happenings })
    }

    /// Returns the snapshot as it is so far.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.next
    }

    /// Records what is wanted of a server, which is added if it was not there. Returns the revision.
    pub fn desire(
        &mut self,
        server: &ServerName,
        desire: Arc<Desire>,
        command: Option<&Arc<str>>,
    ) -> u64 {
        let before = self.next.servers.get(server).cloned();
        let (facts, incarnation) = match &before {
            Some(entry) => (
                Facts {
                    desire,
                    ..entry.facts()
                },
                entry.incarnation,
            ),
            None => {
                self.writer.incarnations += 1;
                let why = desire.rest(self.next.paused).unwrap_or(IdleReason::Asleep);
                (
                    Facts {
                        desire,
                        phase: Phase::Idle(why),
                        catalog: None,
                        last_line: None,
                    },
                    self.writer.incarnations,
                )
            }
        };
        self.put(server, incarnation, facts, before.as_deref(), command)
    }

    /// Records what a server offers. Returns the revision.
    pub fn catalog(&mut self, server: &ServerName, catalog: Arc<Reviewed>) -> Option<u64> {
        let before = self.next.servers.get(server).cloned()?;
        let facts = Facts {
            catalog: Some(catalog),
            ..before.facts()
        };
        Some(self.put(server, before.incarnation, facts, Some(&before), None))
    }

    fn phase(
        &mut self,
        server: &ServerName,
        incarnation: u64,
        phase: Phase<Endpoint>,
    ) -> Option<u64> {
        let before = self
            .next
            .servers
            .get(server)
            .filter(|entry| entry.incarnation == incarnation)
            .cloned()?;
        let facts = Facts {
            phase,
            ..before.facts()
        };
        Some(self.put(server, incarnation, facts, Some(&before), None))
    }

    fn last_line(&mut self, server: &ServerName, incarnation: u64, line: Arc<str>) -> Option<u64> {
        let before = self
            .next
            .servers
            .get(server)
            .filter(|entry| entry.incarnation == incarnation)
            .cloned()?;
        let facts = Facts {
            last_line: Some(line),
            ..before.facts()
        };
        Some(self.put(server, incarnation, facts, Some(&before), None))
    }

    fn put(
        &mut self,
        server: &ServerName,
        incarnation: u64,
        facts: Facts,
        before: Option<&Entry>,
        command: Option<&Arc<str>>,
    ) -> u64 {
        let entry = Arc::new(Entry::derive(
            server,
            incarnation,
            facts,
            self.next.paused,
            before,
            self.now,
        ));
        self.changed |= Subjects::changed(before, Some(&entry));
        self.next.servers.insert(server.clone(), Arc::clone(&entry));
        self.happened(Change::Server(entry.logged()), command)
    }

    /// Forgets a server. Returns the revision, if it was there.
    pub fn remove(&mut self, server: &ServerName) -> Option<u64> {
        let entry = self.next.servers.remove(server)?;
        self.changed |= Subjects::changed(Some(&entry), None);
        Some(self.happened(Change::Removed(server.clone()), None))
    }

    /// Records whether all servers are paused; each server whose condition that changes gets a
    /// revision of its own before.
    pub fn paused(&mut self, paused: bool, command: Option<&Arc<str>>) -> u64 {
        if paused != self.next.paused {
            self.next.paused = paused;
            for (server, entry) in self.next.servers.clone() {
                self.put(
                    &server,
                    entry.incarnation,
                    entry.facts(),
                    Some(&entry),
                    command,
                );
            }
        }
        self.core(command)
    }

    /// Records what is wrong with the file.
    pub fn problems(&mut self, problems: Vec<Problem>) {
        if *self.next.problems != problems[..] {
            self.next.problems = problems.into();
            self.core(None);
        }
    }

    /// Tells that an approval of a server will not come.
    pub fn declined(&mut self, server: &ServerName, why: WhyDeclined, command: &Arc<str>) {
        self.happened(Change::Declined(server.clone(), why), Some(command));
    }

    /// Records how many clients have a session.
    pub fn clients(&mut self, clients: usize) {
        if self.next.clients != clients {
            self.next.clients = clients;
            self.core(None);
        }
    }

    fn core(&mut self, command: Option<&Arc<str>>) -> u64 {
        let Snapshot {
            paused,
            clients,
            problems,
            ..
        } = &self.next;
        let change = Change::Core {
            paused: *paused,
            clients: *clients,
            problems: Arc::clone(problems),
        };
        self.happened(change, command)
    }

    fn happened(&mut self, change: Change, command: Option<&Arc<str>>) -> u64 {
        self.next.revision += 1;
        let revision = self.next.revision;
        let command = command.cloned();
        self.happenings.push(Arc::new(Happening {
            revision,
            command,
            change,
            at: self.now,
            encoded: OnceLock::new(),
        }));
        revision
    }
}

/// Tells the view of one server's transitions.
#[derive(Debug, Clone)]
pub struct Reporter {
    publisher: Arc<Publisher>,
    server: ServerName,
    incarnation: u64,
}

impl Reporter {
    /// Returns the server it tells of.
    pub const fn server(&self) -> &ServerName {
        &self.server
    }

    /// Publishes the last line of the server's standard error, for as long as it is on its way up.
    pub fn last_line(&self, line: &str) {
        self.publisher
            .update(|draft| draft.last_line(&self.server, self.incarnation, line.into()));
    }

    /// Publishes where the lifecycle is. Of a server that was removed meanwhile nothing is told.
    pub fn phase(&self, phase: Phase<Endpoint>) {
        self.publisher
            .update(|draft| draft.phase(&self.server, self.incarnation, phase));
    }
}
