//! What planning costs, whatever the servers do.
//!
//! `cargo bench -p narthex-core --bench plan`

use std::{collections::BTreeMap, sync::Arc};

use divan::{Bencher, black_box};
use narthex_core::{
    desired::{Aim, Desire, Desired},
    server::{ServerName, Spec, Transport},
    supervisor::plan,
};
use tokio::sync::watch;

const SERVERS: [usize; 3] = [100, 1000, 10_000];

type Running = BTreeMap<ServerName, watch::Sender<Aim>>;

fn main() {
    divan::main();
}

#[divan::bench(args = SERVERS)]
fn nothing_changed(bencher: Bencher<'_, '_>, servers: usize) {
    let desired = desired(servers);
    let running = running(&desired);
    bencher.bench_local(|| plan(black_box(&desired), black_box(&running)));
}

/// Every server is to rest.
#[divan::bench(args = SERVERS)]
fn all_changed(bencher: Bencher<'_, '_>, servers: usize) {
    let mut desired = desired(servers);
    let running = running(&desired);
    desired.paused = true;
    bencher.bench_local(|| plan(black_box(&desired), black_box(&running)));
}

/// Every server is new.
#[divan::bench(args = SERVERS)]
fn all_new(bencher: Bencher<'_, '_>, servers: usize) {
    let (desired, running) = (desired(servers), Running::new());
    bencher.bench_local(|| plan(black_box(&desired), black_box(&running)));
}

/// For comparison: the two maps walked side by side, each server's name compared.
#[divan::bench(args = SERVERS)]
fn walk(bencher: Bencher<'_, '_>, servers: usize) {
    let desired = desired(servers);
    let running = running(&desired);
    bencher.bench_local(|| {
        let (desired, running) = (black_box(&desired), black_box(&running));
        desired
            .servers
            .keys()
            .zip(running.keys())
            .filter(|(a, b)| a == b)
            .count()
    });
}

fn desired(servers: usize) -> Desired {
    let servers = (0..servers).map(|number| {
        let name = ServerName::new(&format!("server-{number}")).expect("a name");
        let transport = Transport::Stdio {
            command: "npx".to_owned(),
            args: vec!["-y".to_owned(), name.to_string()],
            cwd: None,
            env: Default::default(),
        };
        let desire = Desire {
            spec: Some(Arc::new(Spec::new(transport))),
            approved: true,
            reviewed: true,
            ..Desire::new()
        };
        (name, Arc::new(desire))
    });
    Desired {
        servers: servers.collect(),
        paused: false,
    }
}

fn running(desired: &Desired) -> Running {
    let aims = desired.servers.iter();
    aims.map(|(name, desire)| (name.clone(), watch::Sender::new(desire.aim(desired.paused))))
        .collect()
}
