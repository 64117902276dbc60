//! Storms: eight people, a file that is written again and again, ten servers that are slow, deaf
//! and short-lived, and a thousand readers; in the end all is as it was last wished.
//!
//! `NARTHEX_STORM_SEED=17 cargo test -p narthex-core --test storm` repeats one of them.
#![expect(
    clippy::unwrap_used,
    reason = "what helps a test fails as the test does"
)]

#[path = "storm/cases.rs"]
mod cases;
#[path = "storm/check.rs"]
mod check;
#[path = "storm/clock.rs"]
mod clock;
#[path = "storm/file.rs"]
mod file;
#[path = "storm/people.rs"]
mod people;
#[path = "storm/script.rs"]
mod script;
#[path = "storm/watchers.rs"]
mod watchers;

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use narthex_core::{
    log::LogControl,
    metrics::Metrics,
    settings::Settings,
    supervisor::{FileState, Handle, Logs, Parts, Supervisor},
    trust::Store,
    upstream::Connector,
    view::{Publisher, View},
};
use tokio::{
    runtime,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use check::{Wanted, assert_commands_are_in_order, assert_only_approved_was_offered};
use clock::Clock;
use file::File;
use people::{Intent, Person};
use script::{Nature, Script};
use watchers::{FALLS_BEHIND_AT, Lists, hear_everything, hear_slowly, read_now_and_then};

/// Those who give orders, and how many each gives.
const PEOPLE: u64 = 8;
const ORDERS: usize = 40;

/// How often one who cannot decide pauses all servers and resumes them: each time costs every
/// server a revision, so that together they are more than are kept.
const RUSH: usize = 60;

const READERS: u64 = 1000;

/// Longer than six attempts with a deadline of two seconds and all waits between them.
const SETTLED_AFTER_MAX: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn all_ends_as_last_wished_seeds_0_to_24() {
    storms(0..25).await;
}

#[tokio::test(start_paused = true)]
async fn all_ends_as_last_wished_seeds_25_to_49() {
    storms(25..50).await;
}

#[tokio::test(start_paused = true)]
async fn all_ends_as_last_wished_seeds_50_to_74() {
    storms(50..75).await;
}

#[tokio::test(start_paused = true)]
async fn all_ends_as_last_wished_seeds_75_to_99() {
    storms(75..100).await;
}

async fn storms(seeds: Range<u64>) {
    let only = std::env::var("NARTHEX_STORM_SEED").ok();
    let only: Option<u64> = only.map(|seed| seed.parse().unwrap());
    for seed in seeds.filter(|seed| only.is_none_or(|only| only == *seed)) {
        let _named = Named(seed);
        storm(seed).await;
    }
}

/// Says which seed it was when a storm fails.
struct Named(u64);

impl Drop for Named {
    #[expect(
        clippy::print_stderr,
        reason = "the seed is what a person needs to see it again"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the storm with seed {} failed", self.0);
        }
    }
}

/// Runs one storm.
async fn storm(seed: u64) {
    // The jitter of the actors, which all run on this thread.
    fastrand::seed(seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let tasks_before = alive_tasks();
    let home = home();
    let mut file = File::new(home.path().join("narthex.json"), seed);
    let script = Arc::new(Script::new(seed, natures(&mut random)));
    let core = Core::start(home.path(), &script);
    script.watch(core.view.clone());

    let done = CancellationToken::new();
    let full = tokio::spawn(hear_everything(core.view.clone(), done.clone()));
    let slow = tokio::spawn(hear_slowly(core.view.clone(), done.clone(), random.fork()));
    let lists = Arc::new(Lists::default());
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (view, lists) = (core.view.clone(), Arc::clone(&lists));
        readers.spawn(read_now_and_then(view, lists, done.clone(), random.fork()));
    }

    let clock = Clock::hold(core.handle.clone());
    let mut person = Person::new(core.view.clone(), core.handle.clone(), random.fork());
    let mut deeds = person.approve_most().await;
    let mut people = JoinSet::new();
    for _ in 0..PEOPLE {
        let person = Person::new(core.view.clone(), core.handle.clone(), random.fork());
        people.spawn(person.storm(ORDERS));
    }
    let editing = CancellationToken::new();
    let editor = edit(file, core.handle.clone(), editing.clone(), random.fork());
    let editor = tokio::spawn(editor);
    while !people.is_empty() {
        clock.step(Duration::from_millis(random.u64(1..12))).await;
        while let Some(done) = people.try_join_next() {
            deeds.extend(done.unwrap());
        }
    }
    if seed.is_multiple_of(5) {
        deeds.extend(person.cannot_decide(RUSH, &clock).await);
    }
    editing.cancel();
    file = editor.await.unwrap();
    file.finish();
    core.handle.reload().await.unwrap();

    script.calm();
    let wanted = Wanted::of(&file, &deeds);
    settle(&clock, &core.view, &script).await;
    wanted.assert_holds(&core.view, &script);
    wanted.assert_answers(&core.view).await;
    // What was given up in the storm comes back when it is tried again.
    for paused in [true, false].into_iter().filter(|_| !wanted.paused) {
        deeds.push(person.carry_out(None, Intent::Pause(paused)).await);
        clock.step(Duration::from_millis(10)).await;
    }
    settle(&clock, &core.view, &script).await;
    wanted.assert_holds(&core.view, &script);
    wanted.assert_all_that_can_are_up(&core.view, &script);
    wanted.assert_answers(&core.view).await;
    clock.let_go().await;

    let (view, last) = (core.view.clone(), core.view.snapshot());
    core.stop().await;
    // Whoever listens hears the end as well.
    sleep(Duration::from_millis(1)).await;
    done.cancel();
    let heard = full.await.unwrap();
    let now = view.snapshot();
    assert_eq!(heard.revision, now.revision);
    heard.rebuilt.assert_is(&now);
    let (known, gaps) = slow.await.unwrap();
    known.assert_is(&now);
    assert_eq!(
        gaps > 0,
        now.revision > FALLS_BEHIND_AT,
        "a gap is told of where there is one"
    );
    let mut reads = 0;
    while let Some(read) = readers.join_next().await {
        reads += read.unwrap();
    }
    assert!(reads as u64 > 2 * READERS, "the readers read {reads} times");
    assert_commands_are_in_order(&deeds, &heard);
    assert_only_approved_was_offered(&deeds, &heard);
    assert_nothing_is_left(&script, tasks_before).await;

    // What was wished is there after a restart.
    let core = Core::start(home.path(), &script);
    let clock = Clock::hold(core.handle.clone());
    check::assert_same_wishes(&last, &core.view.snapshot());
    settle(&clock, &core.view, &script).await;
    wanted.assert_all_that_can_are_up(&core.view, &script);
    clock.let_go().await;
    core.stop().await;
    assert_nothing_is_left(&script, tasks_before).await;
}

/// Changes the file now and then, until it is told to stop.
async fn edit(
    mut file: File,
    supervisor: Handle,
    done: CancellationToken,
    mut random: fastrand::Rng,
) -> File {
    loop {
        tokio::select! {
            biased;
            () = done.cancelled() => return file,
            () = sleep(Duration::from_millis(random.u64(..200))) => {}
        }
        if random.u8(..8) == 0 {
            file.break_for_a_while();
        } else {
            file.change();
        }
        match random.u8(..4) {
            // Read with the next change.
            0 => {}
            1 => {
                supervisor.reload().await.unwrap();
            }
            _ => supervisor.file_changed(),
        }
    }
}

/// Lets time pass until every server is where it stays.
async fn settle(clock: &Clock, view: &View, script: &Script) {
    let started = Instant::now();
    let mut quiet = 0;
    while quiet < 10 {
        clock.step(Duration::from_millis(50)).await;
        let moving = check::moving(view, script);
        quiet = if moving.is_empty() { quiet + 1 } else { 0 };
        assert!(
            started.elapsed() < SETTLED_AFTER_MAX,
            "still moving: {moving:#?}"
        );
    }
}

async fn assert_nothing_is_left(script: &Script, tasks_before: usize) {
    for name in file::names() {
        assert_eq!(script.left(&name), 0, "connections to {name} are left");
    }
    assert_eq!(script.violations(), [""; 0]);
    for _ in 0..100 {
        if alive_tasks() == tasks_before {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} tasks are left", alive_tasks() - tasks_before);
}

fn alive_tasks() -> usize {
    runtime::Handle::current().metrics().num_alive_tasks()
}

/// Returns a folder where making a decision durable costs little: the disk is not what is tested.
fn home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Says which two of the servers are broken for good.
fn natures(random: &mut fastrand::Rng) -> Vec<(String, Nature)> {
    let mut natures: Vec<_> = file::names().map(|name| (name, Nature::Healthy)).collect();
    natures[random.usize(..5)].1 = Nature::Deaf;
    natures[5 + random.usize(..5)].1 = Nature::Crashing;
    natures
}

/// A core without its surfaces.
struct Core {
    view: View,
    handle: Handle,
    metrics: Metrics,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Core {
    fn start(home: &Path, script: &Arc<Script>) -> Self {
        let (store, contents) = Store::open(&home.join("trust.db")).unwrap();
        let metrics = Metrics::new();
        let publisher = Arc::new(Publisher::new("storm".to_owned(), metrics.view()));
        let view = publisher.view().clone();
        let (supervisor, handle) = Supervisor::new(Parts {
            publisher,
            store: Arc::new(store),
            contents,
            file: FileState::new(home.join("narthex.json")),
            settings: Settings::new(([127, 0, 0, 1], 7410).into(), LogControl::default()),
            trust_config: false,
            metrics: metrics.clone(),
            connector: Arc::clone(script) as Arc<dyn Connector>,
            logs: Logs::default(),
            audience: Default::default(),
        });
        let stop = CancellationToken::new();
        let running = tokio::spawn(supervisor.run(stop.clone()));
        Self {
            view,
            handle,
            metrics,
            stop,
            running,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
        let counted = self.metrics.text(std::iter::empty());
        for reason in ["panicked", "aborted"] {
            assert!(!counted.contains(reason), "an actor {reason}");
        }
    }
}
