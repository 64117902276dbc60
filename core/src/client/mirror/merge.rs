use std::{collections::BTreeMap, sync::Arc};

use super::Present;
use crate::api::wire::{Event, ServerList, Status};

/// Brings what is fetched and what is heard together. Of each server, and of what is true of all,
/// the highest revision counts, in whatever order they come.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// The run of the core that the revisions are of.
    instance: String,
    /// The revision of the list that was fetched.
    listed_at: u64,
    /// The revision of what is true of all.
    told_at: u64,
    /// The revision of each server of which something later than the list was heard, the removed
    /// ones too.
    heard_at: BTreeMap<String, u64>,
    /// The highest revision that was heard.
    last_heard: u64,
}

impl Merge {
    /// Takes note of which run of the core is followed: revisions of another one mean nothing.
    pub(super) fn begin(&mut self, instance: &str) {
        if self.instance != instance {
            *self = Self {
                instance: instance.to_owned(),
                ..Self::default()
            };
        }
    }

    /// Takes the list of servers. Another run of the core begins with it.
    pub(super) fn listed(&mut self, present: &mut Present, list: ServerList) {
        self.begin(&list.instance);
        present.instance = list.instance;
        if list.revision < self.listed_at {
            return;
        }
        self.listed_at = list.revision;
        self.heard_at
            .retain(|_, heard_at| *heard_at > list.revision);
        let servers = list.servers.into_iter();
        let mut servers: BTreeMap<_, _> = servers
            .map(|server| (server.name.clone(), Arc::new(server)))
            .collect();
        for name in self.heard_at.keys() {
            match present.servers.remove(name) {
                Some(server) => servers.insert(name.clone(), server),
                None => servers.remove(name),
            };
        }
        present.servers = servers;
        self.settle(present);
    }

    /// Takes what is true of all.
    pub(super) fn told(&mut self, present: &mut Present, status: Status) {
        if status.instance != self.instance || status.revision < self.told_at {
            // The run that answered is gone already; the next one says hello.
            return;
        }
        self.told_at = status.revision;
        present.paused = status.paused;
        present.clients = status.clients;
        present.problems = status.problems;
        self.settle(present);
    }

    /// Takes an event.
    pub(super) fn heard(&mut self, present: &mut Present, event: Event) {
        let revision = event.revision();
        match event {
            Event::Server(changed) => {
                let name = &changed.server.name;
                if self.is_later(name, revision) {
                    let name = name.clone();
                    present.servers.insert(name, Arc::new(changed.server));
                }
            }
            Event::Removed(removed) => {
                if self.is_later(&removed.name, revision) {
                    present.servers.remove(&removed.name);
                }
            }
            Event::Core(changed) => {
                if revision > self.told_at {
                    self.told_at = revision;
                    present.paused = changed.paused;
                    present.clients = changed.clients;
                    present.problems = changed.problems;
                }
            }
            // What they say is fetched.
            Event::Hello(_) | Event::Gap(_) => return,
        }
        self.last_heard = self.last_heard.max(revision);
        self.settle(present);
    }

    /// Takes note of what is heard of a server; returns whether it is later than what is known.
    fn is_later(&mut self, name: &str, revision: u64) -> bool {
        let known = self.heard_at.get(name).copied().unwrap_or_default();
        let is_later = revision > known.max(self.listed_at);
        if is_later {
            self.heard_at.insert(name.to_owned(), revision);
        }
        is_later
    }

    /// Says which revision is shown: what was fetched of both halves, or heard since.
    fn settle(&self, present: &mut Present) {
        present.revision = self.last_heard.max(self.listed_at.min(self.told_at));
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;
    use crate::api::wire::{
        Condition, CoreChanged, IdleReason, Phase, Server, ServerChanged, ServerRemoved,
        ToolCounts, Wish,
    };

    /// What can happen in a core.
    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, Wish),
        Remove(u8),
        Core(bool, usize),
    }

    /// What reaches a surface: an event or a fetch, each of some revision.
    #[derive(Debug, Clone, Copy)]
    enum Reaches {
        Event(usize),
        List(usize),
        Status(usize),
    }

    proptest! {
        /// Whatever was fetched when, and however events come and come again: once all that is
        /// later than the fetches has come, what is shown is what is.
        #[test]
        fn it_ends_where_the_core_is(
            steps in vec(step(), 1..24),
            list in any::<Index>(),
            status in any::<Index>(),
            more in vec((0..3_u8, any::<Index>()), 0..12),
            order in any::<u64>(),
        ) {
            let history = History::of(&steps);
            let at = |index: Index| index.index(history.states.len());
            let (list, status) = (at(list), at(status));
            let mut all = vec![Reaches::List(list), Reaches::Status(status)];
            all.extend((list.min(status) + 1..history.states.len()).map(Reaches::Event));
            all.extend(more.into_iter().map(|(kind, index)| match kind {
                0 if at(index) > 0 => Reaches::Event(at(index)),
                1 => Reaches::List(at(index)),
                _ => Reaches::Status(at(index)),
            }));
            fastrand::Rng::with_seed(order).shuffle(&mut all);

            let (mut merge, mut present) = (Merge::default(), Present::default());
            merge.begin(INSTANCE);
            for reaches in all {
                match reaches {
                    Reaches::Event(at) => merge.heard(&mut present, history.events[at - 1].clone()),
                    Reaches::List(at) => merge.listed(&mut present, history.list(at)),
                    Reaches::Status(at) => merge.told(&mut present, history.status(at)),
                }
            }

            let last = history.states.last().unwrap();
            prop_assert_eq!(&present, last);
        }
    }

    #[test]
    fn a_removed_server_does_not_come_back_with_an_older_list() {
        let history = History::of(&[Step::Put(0, Wish::Connected), Step::Remove(0)]);
        let (mut merge, mut present) = (Merge::default(), Present::default());
        merge.begin(INSTANCE);

        merge.heard(&mut present, history.events[1].clone());
        merge.listed(&mut present, history.list(1));
        merge.heard(&mut present, history.events[0].clone());

        assert!(present.servers.is_empty());
    }

    #[test]
    fn another_run_of_the_core_begins_anew() {
        let history = History::of(&[
            Step::Put(0, Wish::Connected),
            Step::Core(true, 3),
            Step::Put(1, Wish::Connected),
        ]);
        let (mut merge, mut present) = (Merge::default(), Present::default());
        merge.begin(INSTANCE);
        merge.listed(&mut present, history.list(3));
        merge.told(&mut present, history.status(3));

        let next = History::of(&[Step::Put(2, Wish::Disconnected)]);
        merge.begin("next");
        let (mut list, mut status) = (next.list(1), next.status(1));
        (list.instance, status.instance) = ("next".into(), "next".into());
        merge.listed(&mut present, list);
        merge.told(&mut present, status);

        let shown = (present.revision, present.paused, present.clients);
        assert_eq!(shown, (2, false, 0));
        assert_eq!(present.servers.keys().collect::<Vec<_>>(), ["s2"]);
    }

    const INSTANCE: &str = "i";

    fn step() -> impl Strategy<Value = Step> {
        let wish = prop_oneof![Just(Wish::Connected), Just(Wish::Disconnected)];
        prop_oneof![
            4 => (0..4_u8, wish).prop_map(|(name, wish)| Step::Put(name, wish)),
            2 => (0..4_u8).prop_map(Step::Remove),
            1 => (any::<bool>(), 0..4_usize).prop_map(|(paused, clients)| Step::Core(paused, clients)),
        ]
    }

    /// A core's states and what led from each to the next, from revision 1 on.
    struct History {
        states: Vec<Present>,
        events: Vec<Event>,
    }

    impl History {
        fn of(steps: &[Step]) -> Self {
            let first = Present {
                instance: INSTANCE.into(),
                revision: 1,
                ..Present::default()
            };
            let mut history = Self {
                states: vec![first],
                events: Vec::new(),
            };
            for step in steps {
                history.take(step);
            }
            history
        }

        fn take(&mut self, step: &Step) {
            let mut next = self.states.last().unwrap().clone();
            next.revision += 1;
            let revision = next.revision;
            let event = match step {
                Step::Put(name, wish) => {
                    let server = server(*name, *wish);
                    let shown = Arc::new(server.clone());
                    next.servers.insert(server.name.clone(), shown);
                    Event::Server(Box::new(ServerChanged {
                        revision,
                        command: None,
                        server,
                    }))
                }
                Step::Remove(name) => {
                    let name = format!("s{name}");
                    next.servers.remove(&name);
                    Event::Removed(ServerRemoved { revision, name })
                }
                Step::Core(paused, clients) => {
                    (next.paused, next.clients) = (*paused, *clients);
                    Event::Core(CoreChanged {
                        revision,
                        command: None,
                        paused: *paused,
                        clients: *clients,
                        problems: Vec::new(),
                    })
                }
            };
            self.states.push(next);
            self.events.push(event);
        }

        fn list(&self, at: usize) -> ServerList {
            let state = &self.states[at];
            let servers = state.servers.values();
            ServerList {
                instance: INSTANCE.into(),
                revision: state.revision,
                servers: servers.map(|server| Server::clone(server)).collect(),
            }
        }

        fn status(&self, at: usize) -> Status {
            let state = &self.states[at];
            let (connected, wanted) = state.connected_of_wanted();
            Status {
                instance: INSTANCE.into(),
                revision: state.revision,
                version: String::new(),
                pid: 1,
                address: String::new(),
                home: String::new(),
                since: String::new(),
                paused: state.paused,
                clients: state.clients,
                connected,
                wanted,
                loosened: Vec::new(),
                problems: Vec::new(),
            }
        }
    }

    fn server(name: u8, wish: Wish) -> Server {
        Server {
            name: format!("s{name}"),
            condition: Condition::Disconnected,
            sentence: String::new(),
            action: None,
            transport: None,
            phase: Phase::Idle {
                why: IdleReason::Disconnected,
            },
            wish,
            error: None,
            launch: None,
            epoch: None,
            tools: ToolCounts::default(),
            since: String::new(),
        }
    }
}
