//! What reading and replacing the present costs, beside what is usually done in its place.
//!
//! `cargo bench -p narthex-core --bench view`

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use divan::{Bencher, black_box};
use narthex_core::{
    api::wire::Stage,
    desired::Desire,
    metrics::Metrics,
    server::{Phase, ServerName, Spec, Transport},
    view::{Cache, KEPT, Publisher, Reporter, View},
};
use tokio::time::Instant;

const SERVERS: [usize; 4] = [10, 100, 1000, 10_000];

fn main() {
    divan::main();
}

/// A worker's way to the present: the pointer it keeps, checked.
#[divan::bench]
fn snapshot_by_cache(bencher: Bencher<'_, '_>) {
    let scene = Scene::of(100);
    let mut cache = scene.view.cache();
    bencher.bench_local(|| black_box(&mut cache).load().revision);
}

/// For comparison: the load that a cache saves.
#[divan::bench]
fn snapshot_by_plain_load(bencher: Bencher<'_, '_>) {
    let present = ArcSwap::from_pointee(1_u64);
    bencher.bench_local(|| **black_box(&present).load());
}

#[divan::bench]
fn snapshot_by_read(bencher: Bencher<'_, '_>) {
    let scene = Scene::of(100);
    bencher.bench_local(|| black_box(&scene.view).read(|now| now.revision));
}

#[divan::bench]
fn snapshot_to_keep(bencher: Bencher<'_, '_>) {
    let scene = Scene::of(100);
    bencher.bench_local(|| black_box(&scene.view).snapshot().revision);
}

#[divan::bench(args = SERVERS)]
fn read_one(bencher: Bencher<'_, '_>, servers: usize) {
    let scene = Scene::of(servers);
    let mut cache: Cache = scene.view.cache();
    let mut names = scene.names.iter().cycle();
    bencher.bench_local(move || {
        let name = names.next().expect("a cycle has no end");
        let now = cache.load();
        now.server(name.as_str()).map(|entry| entry.incarnation)
    });
}

/// For comparison: a hash map with the standard hasher behind a plain load.
#[divan::bench(args = SERVERS)]
fn read_one_of_a_std_map(bencher: Bencher<'_, '_>, servers: usize) {
    let scene = Scene::of(servers);
    let map = scene.std_map();
    let mut names = scene.names.iter().cycle();
    bencher.bench_local(move || {
        let name = names.next().expect("a cycle has no end");
        map.load().get(name).map(|entry| entry.incarnation)
    });
}

/// One transition of one server: derived, stored, logged, announced. The log is full, as it is in a
/// core that has run for a while.
#[divan::bench(args = SERVERS, sample_count = 400, sample_size = 32)]
fn update_one(bencher: Bencher<'_, '_>, servers: usize) {
    let scene = Scene::of(servers);
    let mut turn = 0;
    while turn <= KEPT {
        turn += 1;
        scene.step(turn);
    }
    bencher.bench_local(|| {
        turn += 1;
        scene.step(turn);
    });
}

/// For comparison: a hash map with the standard hasher, cloned, one entry put in, stored.
#[divan::bench(args = SERVERS)]
fn update_one_of_a_std_map(bencher: Bencher<'_, '_>, servers: usize) {
    let scene = Scene::of(servers);
    let map = scene.std_map();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn += 1;
        let name = &scene.names[turn % scene.names.len()];
        let last = map.load();
        let mut next = HashMap::clone(&last);
        let entry = Arc::clone(&next[name]);
        next.insert(name.clone(), entry);
        map.store(Arc::new(next));
    });
}

/// The list of servers as `GET /servers` puts it together after one of them has changed.
#[divan::bench(args = [100])]
fn list_after_one_change(bencher: Bencher<'_, '_>, servers: usize) {
    let scene = Scene::of(servers);
    let mut turn = 0;
    bencher
        .with_inputs(|| {
            turn += 1;
            scene.step(turn);
        })
        .bench_local_values(|()| scene.list());
}

/// The same, nothing being encoded yet.
#[divan::bench(args = [100])]
fn list_from_nothing(bencher: Bencher<'_, '_>, servers: usize) {
    bencher
        .with_inputs(|| Scene::of(servers))
        .bench_local_refs(|scene| scene.list());
}

/// For comparison: the bytes of the list, copied.
#[divan::bench(args = [100])]
fn list_copied(bencher: Bencher<'_, '_>, servers: usize) {
    let list = Scene::of(servers).list();
    bencher.bench_local(|| black_box(&list).clone());
}

/// A view of so many servers, all on their way up.
struct Scene {
    view: View,
    names: Vec<ServerName>,
    reporters: Vec<Reporter>,
}

impl Scene {
    fn of(servers: usize) -> Self {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        let metrics = METRICS.get_or_init(Metrics::new).view();
        let publisher = Arc::new(Publisher::new("bench".to_owned(), metrics));
        let names: Vec<_> = (0..servers)
            .map(|number| ServerName::new(&format!("server-{number}")).expect("a name"))
            .collect();
        publisher.update(|draft| {
            for name in &names {
                draft.desire(name, Arc::new(desire(name)), None);
            }
        });
        let reporters = names
            .iter()
            .map(|name| publisher.reporter(name).expect("it is there"))
            .collect();
        Self {
            view: publisher.view().clone(),
            names,
            reporters,
        }
    }

    /// Has one server come a stage further.
    fn step(&self, turn: usize) {
        let stage = if turn.is_multiple_of(2) {
            Stage::Starting
        } else {
            Stage::Initializing
        };
        self.reporters[turn % self.reporters.len()].phase(Phase::Connecting {
            attempt: 1,
            stage,
            since: Instant::now(),
        });
    }

    fn list(&self) -> Vec<u8> {
        let now = self.view.snapshot();
        let mut list = Vec::with_capacity(now.servers.len() * 640);
        for entry in now.servers.values() {
            list.extend_from_slice(entry.encoded(&self.view));
            list.push(b',');
        }
        list
    }

    fn std_map(&self) -> ArcSwap<HashMap<ServerName, Arc<narthex_core::view::Entry>>> {
        let now = self.view.snapshot();
        let entries = now.servers.iter();
        ArcSwap::from_pointee(
            entries
                .map(|(name, entry)| (name.clone(), Arc::clone(entry)))
                .collect(),
        )
    }
}

/// Returns a desire of a server that may run.
fn desire(name: &ServerName) -> Desire {
    let transport = Transport::Stdio {
        command: "npx".to_owned(),
        args: vec!["-y".to_owned(), name.to_string()],
        cwd: None,
        env: Default::default(),
    };
    Desire {
        spec: Some(Arc::new(Spec::new(transport))),
        approved: true,
        reviewed: true,
        ..Desire::new()
    }
}
