//! What must hold once the dust has settled.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use narthex_core::{
    api::wire::{IdleReason, Wish},
    catalog::DefinitionHash,
    mcp::Outgoing,
    server::{Phase, ServerName},
    view::{Change, Entry, Snapshot, View},
};

use crate::{
    file::{self, File},
    people::{Deed, Intent},
    script::{Nature, Script},
    watchers::Heard,
};

/// What the file and the accepted orders, by their revisions, leave to be wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    servers: BTreeMap<ServerName, WantedServer>,
    /// Whether all rest.
    pub(super) paused: bool,
}

#[derive(Debug)]
struct WantedServer {
    entry: file::Entry,
    wish: Wish,
    suspended: bool,
    approved: BTreeSet<String>,
    reviewed: bool,
    first_seen: bool,
}

impl Wanted {
    /// Works it out, from nothing that the core says but the revisions of its answers.
    pub(super) fn of(file: &File, deeds: &[Deed]) -> Self {
        let mut servers: BTreeMap<_, _> = file
            .entries
            .iter()
            .map(|(name, entry)| (ServerName::new(name).unwrap(), WantedServer::new(entry)))
            .collect();
        let mut paused = false;
        let mut accepted: Vec<_> = deeds
            .iter()
            .filter_map(|deed| Some((deed.revision()?, deed)))
            .collect();
        accepted.sort_by_key(|(revision, _)| *revision);
        for (_, deed) in accepted {
            match (&deed.intent, &deed.server) {
                (Intent::Pause(value), _) => paused = *value,
                (intent, Some(server)) => {
                    if let Some(server) = servers.get_mut(server) {
                        server.take(intent);
                    }
                }
                (_, None) => panic!("an order of one server names it"),
            }
        }
        Self { servers, paused }
    }

    /// Checks that the view says the same, and that every server is where that leads.
    pub(super) fn assert_holds(&self, view: &View, script: &Script) {
        let now = view.snapshot();
        assert_eq!(
            now.servers.keys().collect::<Vec<_>>(),
            self.servers.keys().collect::<Vec<_>>()
        );
        assert_eq!(now.paused, self.paused);
        assert_eq!(now.problems.to_vec(), []);
        for (server, wanted) in &self.servers {
            wanted.assert_is(&now.servers[server], server);
            let rest = wanted.rest(&now.servers[server], self.paused);
            assert_phase(&now.servers[server], rest, script);
        }
        for name in file::names() {
            if now.server(&name).is_none() {
                assert_eq!(script.left(&name), 0, "{name} was removed, and runs");
            }
        }
    }

    /// Checks that every server that is wanted, and can be, is connected.
    pub(super) fn assert_all_that_can_are_up(&self, view: &View, script: &Script) {
        let now = view.snapshot();
        for (server, wanted) in &self.servers {
            let entry = &now.servers[server];
            if wanted.rest(entry, self.paused).is_none()
                && script.nature(server.as_str()) == Nature::Healthy
            {
                assert!(
                    entry.endpoint().is_some(),
                    "{server} is healthy, wanted, and {:?}",
                    entry.phase
                );
            }
        }
    }

    /// Checks that every server that is shown as connected answers.
    pub(super) async fn assert_answers(&self, view: &View) {
        for (server, entry) in &view.snapshot().servers {
            if let Some(endpoint) = entry.endpoint() {
                let ping = Outgoing::new("ping", "{}");
                let answer = endpoint.lease().request(&ping, None).await;
                assert!(answer.is_ok(), "{server} is connected, and {answer:?}");
            }
        }
    }
}

impl WantedServer {
    fn new(entry: &file::Entry) -> Self {
        Self {
            entry: entry.clone(),
            wish: Wish::Connected,
            suspended: false,
            approved: BTreeSet::new(),
            reviewed: false,
            first_seen: false,
        }
    }

    fn take(&mut self, intent: &Intent) {
        match intent {
            Intent::Connect => self.wish = Wish::Connected,
            Intent::Disconnect => self.wish = Wish::Disconnected,
            Intent::Restart | Intent::Pause(_) => {}
            Intent::Quarantine => self.suspended = true,
            Intent::Approve {
                launch,
                epoch,
                first_seen,
                ..
            } => {
                self.suspended = false;
                self.approved.extend(launch.clone());
                self.reviewed |= epoch.is_some();
                self.first_seen |= first_seen;
            }
        }
    }

    fn assert_is(&self, entry: &Entry, server: &ServerName) {
        let Entry { desire, .. } = entry;
        assert_eq!(desire.wish, self.wish, "the wish of {server}");
        assert_eq!(
            desire.suspended, self.suspended,
            "whether {server} is in quarantine"
        );
        assert_eq!(
            desire.approved,
            self.approves(entry),
            "whether the launch of {server} is approved"
        );
        let reviewed = self.reviewed || self.first_seen;
        assert_eq!(
            desire.reviewed, reviewed,
            "whether what {server} offers is approved"
        );
        let spec = desire.spec.as_ref().expect("the entry can be used");
        assert_eq!(
            (spec.enabled, spec.quarantined),
            (self.entry.enabled, self.entry.quarantined)
        );
    }

    fn approves(&self, entry: &Entry) -> bool {
        let launch = entry.desire.launch.as_ref();
        launch.is_some_and(|launch| self.approved.contains(launch.as_str()))
    }

    /// Returns why the server must rest, if it must.
    fn rest(&self, entry: &Entry, paused: bool) -> Option<IdleReason> {
        if !self.entry.enabled {
            Some(IdleReason::Off)
        } else if self.entry.quarantined || self.suspended || !self.approves(entry) {
            Some(IdleReason::Quarantined)
        } else if paused {
            Some(IdleReason::Paused)
        } else if self.wish == Wish::Disconnected {
            Some(IdleReason::Disconnected)
        } else {
            None
        }
    }
}

/// Checks that a server is where it is wanted, as far as the script lets it.
fn assert_phase(entry: &Entry, rest: Option<IdleReason>, script: &Script) {
    let name = entry.name.as_str();
    let phase = &entry.phase;
    match (rest, phase) {
        (Some(why), Phase::Idle(idle)) => {
            assert_eq!(*idle, why, "why {name} rests");
            assert_eq!(script.left(name), 0, "{name} rests, and runs");
        }
        (None, Phase::Connected { .. }) => {
            assert_eq!(
                script.live(name),
                1,
                "{name} is connected, and does not run"
            );
            assert_eq!(script.left(name), 1, "{name} runs more than once");
        }
        (None, Phase::Error { retry_at: None, .. }) => {
            assert!(script.last_failed(name), "{name} was given up, and worked");
            assert_eq!(script.left(name), 0, "{name} was given up, and runs");
        }
        (
            rest,
            Phase::Idle(_)
            | Phase::Connecting { .. }
            | Phase::Connected { .. }
            | Phase::Disconnecting { .. }
            | Phase::Error { .. }
            | Phase::Stopped,
        ) => panic!("{name} is {phase:?}, and is to rest: {rest:?}"),
    }
}

/// Returns what is not yet where it stays.
pub(super) fn moving(view: &View, script: &Script) -> Vec<String> {
    view.read(|now| {
        let moving = now.servers.values().filter(|entry| {
            let name = entry.name.as_str();
            match (&entry.phase, entry.desire.rest(now.paused)) {
                (Phase::Idle(_) | Phase::Error { retry_at: None, .. }, _) => script.left(name) > 0,
                (Phase::Connected { .. }, _) => script.left(name) > 1,
                (
                    Phase::Connecting { .. }
                    | Phase::Disconnecting { .. }
                    | Phase::Error { .. }
                    | Phase::Stopped,
                    _,
                ) => true,
            }
        });
        let moving = moving.map(|entry| format!("{}: {:?}", entry.name, entry.phase));
        let removed =
            file::names().filter(|name| now.server(name).is_none() && script.left(name) > 0);
        moving
            .chain(removed.map(|name| format!("{name}: removed, and not gone")))
            .collect()
    })
}

/// Checks that accepted commands have revisions of their own, growing in the order in which each
/// was answered, and that the event at that revision is the command's and shows what it wished.
pub(super) fn assert_commands_are_in_order(deeds: &[Deed], heard: &Heard) {
    let mut taken = BTreeMap::new();
    for deed in deeds {
        let Ok(accepted) = &deed.outcome else {
            continue;
        };
        if let Some(other) = taken.insert(accepted.revision, deed) {
            panic!("one revision for two: {other:?} and {deed:?}");
        }
        let happenings = heard.commands.get(&*accepted.command);
        let happening = happenings
            .and_then(|happenings| happenings.last())
            .unwrap_or_else(|| panic!("no event of {deed:?}"));
        assert_eq!(happening.revision, accepted.revision, "{deed:?}");
        assert_shows(deed, &happening.change);
    }
    // A command's id counts up; of two the one issued later has the higher revision.
    let issued = |deed: &Deed| -> u64 {
        let accepted = deed.outcome.as_ref().unwrap();
        accepted
            .command
            .rsplit_once("-c")
            .unwrap()
            .1
            .parse()
            .unwrap()
    };
    assert!(
        taken.values().is_sorted_by_key(|deed| issued(deed)),
        "revisions go back"
    );
}

fn assert_shows(deed: &Deed, change: &Change) {
    match (&deed.intent, change) {
        (Intent::Pause(wished), Change::Core { paused, .. }) => assert_eq!(paused, wished),
        (intent, Change::Server(entry)) => {
            let desire = &entry.desire;
            let shows = match intent {
                Intent::Connect | Intent::Restart => desire.wish == Wish::Connected,
                Intent::Disconnect => desire.wish == Wish::Disconnected,
                Intent::Quarantine => desire.suspended,
                Intent::Approve { launch, epoch, .. } => {
                    !desire.suspended
                        && (launch.is_none() || desire.approved)
                        && (epoch.is_none() || desire.reviewed)
                }
                Intent::Pause(_) => false,
            };
            assert!(shows, "{deed:?} is recorded as {desire:?}");
        }
        (_, Change::Core { .. } | Change::Removed(_) | Change::Declined(..)) => {
            panic!("{deed:?} is recorded as {change:?}")
        }
    }
}

/// Checks that no definition was offered before a person approved it.
pub(super) fn assert_only_approved_was_offered(deeds: &[Deed], heard: &Heard) {
    let mut approved: HashMap<(ServerName, DefinitionHash), u64> = HashMap::new();
    for deed in deeds {
        let (Some(server), Some(revision)) = (&deed.server, deed.revision()) else {
            continue;
        };
        let Intent::Approve {
            shown, first_seen, ..
        } = &deed.intent
        else {
            continue;
        };
        let unseen = heard.first_seen.get(server).filter(|_| *first_seen);
        for hash in shown.iter().chain(unseen.into_iter().flatten()) {
            let first = approved.entry((server.clone(), *hash)).or_insert(revision);
            *first = revision.min(*first);
        }
    }
    for (definition, offered) in &heard.offered {
        let approved = approved
            .get(definition)
            .unwrap_or_else(|| panic!("{definition:?} is offered, and nobody approved it"));
        // The approval's own update shows the definition, and at its next revision the approval.
        assert!(
            offered + 1 >= *approved,
            "{definition:?} is offered at {offered}, approved at {approved}"
        );
    }
}

/// Checks that what was decided and wished before a restart holds after it.
pub(super) fn assert_same_wishes(before: &Snapshot, after: &Snapshot) {
    let kept = |now: &Snapshot| {
        let servers = now.servers.iter().map(|(server, entry)| {
            let desire = &entry.desire;
            let decided = (
                desire.wish,
                desire.suspended,
                desire.approved,
                desire.reviewed,
                desire.launch.clone(),
            );
            let offered = entry.catalog.as_ref().map(|catalog| {
                let tools = catalog
                    .tools
                    .iter()
                    .map(|tool| (Arc::clone(&tool.offered_as), tool.state));
                (catalog.epoch, tools.collect::<Vec<_>>())
            });
            (server.clone(), decided, offered)
        });
        (now.paused, servers.collect::<Vec<_>>())
    };
    assert_eq!(kept(before), kept(after));
}
