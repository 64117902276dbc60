//! Those who look on: they must never see anything that is not so.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use narthex_core::{
    api::wire::Problem,
    catalog::DefinitionHash,
    server::ServerName,
    view::{Change, Entry, Happening, KEPT, Snapshot, Status, Subject, Subscriber, Told, View},
};
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What can be known from events alone.
#[derive(Debug, Default)]
pub(super) struct Rebuilt {
    servers: BTreeMap<ServerName, Arc<Entry>>,
    paused: bool,
    problems: Vec<Problem>,
}

impl Rebuilt {
    fn of(now: &Snapshot) -> Self {
        Self {
            servers: now
                .servers
                .iter()
                .map(|(name, entry)| (name.clone(), Arc::clone(entry)))
                .collect(),
            paused: now.paused,
            problems: now.problems.to_vec(),
        }
    }

    fn apply(&mut self, happening: &Happening) {
        match &happening.change {
            Change::Server(entry) => {
                self.servers.insert(entry.name.clone(), Arc::clone(entry));
            }
            Change::Removed(server) => {
                self.servers
                    .remove(server)
                    .expect("only what was there is removed");
            }
            Change::Declined(..) => {}
            Change::Core {
                paused, problems, ..
            } => {
                self.paused = *paused;
                self.problems = problems.to_vec();
            }
        }
    }

    /// Checks that it is the same as what the view says.
    pub(super) fn assert_is(&self, now: &Snapshot) {
        let names: Vec<_> = self.servers.keys().collect();
        assert_eq!(names, now.servers.keys().collect::<Vec<_>>());
        for (server, entry) in &self.servers {
            assert!(
                Arc::ptr_eq(entry, &now.servers[server]),
                "{server}: an event was lost: {:?} instead of {:?}",
                entry.status,
                now.servers[server].status,
            );
        }
        assert_eq!(self.paused, now.paused);
        assert_eq!(self.problems, now.problems.to_vec());
    }
}

/// What one heard who heard everything.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What can be known from it.
    pub(super) rebuilt: Rebuilt,
    /// What each command's event showed.
    pub(super) commands: HashMap<Arc<str>, Vec<Arc<Happening>>>,
    /// When a definition was first offered to clients.
    pub(super) offered: HashMap<(ServerName, DefinitionHash), u64>,
    /// What each server offered first.
    pub(super) first_seen: HashMap<ServerName, Vec<DefinitionHash>>,
    /// The last revision.
    pub(super) revision: u64,
}

/// Hears every event, at once.
pub(super) async fn hear_everything(view: View, done: CancellationToken) -> Heard {
    let mut subscriber = Subscriber::after(view.clone(), 1);
    let mut heard = Heard {
        revision: 1,
        ..Heard::default()
    };
    loop {
        let told = tokio::select! {
            biased;
            told = subscriber.next() => told,
            () = done.cancelled() => return heard,
        };
        let Told::Happening(happening) = told else {
            panic!("one that hears everything at once is told of a gap");
        };
        assert_eq!(
            happening.revision,
            heard.revision + 1,
            "revisions are contiguous"
        );
        heard.revision = happening.revision;
        view.read(|now| {
            assert!(
                now.revision >= happening.revision,
                "announced before it was stored"
            );
            check_statuses(now);
        });
        heard.take(happening);
    }
}

impl Heard {
    fn take(&mut self, happening: Arc<Happening>) {
        if let Change::Server(entry) = &happening.change
            && let Some(catalog) = &entry.catalog
        {
            if catalog.epoch == 1 {
                let first = catalog.tools.iter().map(|tool| tool.definition.hash);
                self.first_seen
                    .entry(entry.name.clone())
                    .or_insert_with(|| first.collect());
            }
            if entry.is_listed() {
                for tool in catalog.tools.offered() {
                    let definition = (entry.name.clone(), tool.definition.hash);
                    self.offered.entry(definition).or_insert(happening.revision);
                }
            }
        }
        self.rebuilt.apply(&happening);
        if let Some(command) = &happening.command {
            self.commands
                .entry(Arc::clone(command))
                .or_default()
                .push(happening);
        }
    }
}

/// The revision up to which the slow one sleeps at first.
pub(super) const FALLS_BEHIND_AT: u64 = 1 + KEPT as u64 + 50;

/// Hears what it can, in its own time. Returns what it knows in the end, and how often it was told
/// that it missed something.
pub(super) async fn hear_slowly(
    view: View,
    done: CancellationToken,
    mut random: fastrand::Rng,
) -> (Rebuilt, usize) {
    let mut subscriber = Subscriber::after(view.clone(), 1);
    let (mut known, mut revision, mut gaps) = (Rebuilt::default(), 1, 0);
    // The first nap is long enough for a gap.
    tokio::select! {
        biased;
        () = done.cancelled() => {}
        () = view.wait_for(|now| (now.revision > FALLS_BEHIND_AT).then_some(())) => {}
    }
    loop {
        if !done.is_cancelled() && random.u8(..8) == 0 {
            let nap = Duration::from_millis(random.u64(..2000));
            tokio::select! { biased; () = done.cancelled() => {} () = sleep(nap) => {} }
        }
        let missed = view.read(|now| now.revision) - revision;
        let told = tokio::select! {
            biased;
            told = subscriber.next() => told,
            () = done.cancelled() => return (known, gaps),
        };
        match told {
            // What came before the snapshot that it fetched after a gap is known already.
            Told::Happening(happening) if happening.revision <= revision => {}
            Told::Happening(happening) => {
                assert_eq!(
                    happening.revision,
                    revision + 1,
                    "something is lost in silence"
                );
                revision = happening.revision;
                known.apply(&happening);
            }
            Told::Gap(at) => {
                assert!(missed > KEPT as u64, "a gap where all is kept");
                let now = view.snapshot();
                assert!(now.revision >= at, "the present is older than the gap");
                (known, revision) = (Rebuilt::of(&now), now.revision);
                gaps += 1;
            }
        }
    }
}

/// Checks lists for all readers: parsing each of them once is enough.
#[derive(Debug, Default)]
pub(super) struct Lists {
    last: Mutex<Option<(u64, Arc<[String]>)>>,
}

impl Lists {
    fn of(&self, now: &Snapshot) -> Arc<[String]> {
        let mut last = self.last.lock().unwrap();
        let generation = now.offers.generation(Subject::Tools);
        if let Some((kept, names)) = &*last
            && *kept == generation
        {
            return Arc::clone(names);
        }
        let names = listed(&now.offers.tools().list.concat());
        for name in &*names {
            let route = now
                .offers
                .tools()
                .route(name)
                .expect("what is listed can be called");
            assert_eq!(*route.item.offered_as, **name);
        }
        *last = Some((generation, Arc::clone(&names)));
        names
    }
}

fn listed(list: &[u8]) -> Arc<[String]> {
    #[derive(Deserialize)]
    struct List {
        tools: Vec<Tool>,
    }
    #[derive(Deserialize)]
    struct Tool {
        name: String,
    }
    let list: List = serde_json::from_slice(list).unwrap();
    list.tools.into_iter().map(|tool| tool.name).collect()
}

/// Reads the present now and then. Returns how often.
pub(super) async fn read_now_and_then(
    view: View,
    lists: Arc<Lists>,
    done: CancellationToken,
    mut random: fastrand::Rng,
) -> usize {
    let (mut last, mut reads) = (0, 0);
    let mut cache = view.cache();
    loop {
        let nap = Duration::from_millis(random.u64(1..1500));
        tokio::select! {
            biased;
            () = done.cancelled() => return reads,
            () = sleep(nap) => {}
        }
        let now = if random.bool() {
            view.snapshot()
        } else {
            Arc::clone(cache.load())
        };
        assert!(now.revision >= last, "the present went back");
        last = now.revision;
        check_lists(&now, &lists);
        reads += 1;
    }
}

/// Checks that clients are offered what is listed and approved, and nothing else.
fn check_lists(now: &Snapshot, lists: &Lists) {
    let offered = lists.of(now);
    let mut offered = offered.iter();
    for (server, entry) in &now.servers {
        assert_eq!(*server, entry.name);
        if entry.desire.in_quarantine() || now.paused {
            assert!(!entry.is_listed(), "{server} is listed all the same");
        }
        if entry.is_listed() {
            for tool in entry
                .catalog
                .iter()
                .flat_map(|catalog| catalog.tools.offered())
            {
                assert_eq!(offered.next().map(String::as_str), Some(&*tool.offered_as));
            }
        }
    }
    assert_eq!(offered.next(), None, "offered, but not listed");
}

/// Checks that every word said of a server follows from what else the same snapshot says of it.
fn check_statuses(now: &Snapshot) {
    for (server, entry) in &now.servers {
        let derived = Status::derive(
            &entry.desire,
            now.paused,
            &entry.phase,
            entry.last_cause.as_deref(),
            entry.catalog.as_deref(),
        );
        assert_eq!(
            entry.status, derived,
            "{server} at revision {}",
            now.revision
        );
    }
}
