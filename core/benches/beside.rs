//! What every misbehaviour of the catalogue costs nine good servers: the time that their calls take
//! beside it, against the same without it. The rounds of the two are interleaved on one core, and what
//! counts is the median of the ratios within a round: machines change their pace.
//!
//! `NARTHEX_BENCH_ROUNDS` (5) and `NARTHEX_BENCH_MS` (2000) set how much is measured;
//! `NARTHEX_BENCH_BAD` names some misbehaviours, with commas between, where not all are wanted.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(beside::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod beside {
    use std::{
        env, thread,
        time::{Duration, Instant},
    };

    use narthex_testkit::{
        bad::{At, Bad, Started},
        census,
        core::{Core, Home},
        entry::Entry,
        load::{self, Load, Target},
        table::{Table, median, micros, millis, setting},
    };
    use tokio::sync::oneshot;

    const GOOD: [&str; 9] = ["g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9"];

    /// How long a client rests between two calls: nine of them leave most of a processor free, so
    /// that what is measured is the wait for others and not for the processor.
    const PAUSE: Duration = Duration::from_millis(4);

    /// The ratio to reach.
    const TO_REACH: f64 = 1.2;

    /// What one round gave.
    struct Round {
        p50: f64,
        p99: f64,
        /// The processor time of the core, in milliseconds a second.
        processor: f64,
    }

    /// A misbehaviour beside nine good servers.
    struct Scene {
        bad: Bad,
        core: Core,
        _started: Started,
        targets: Vec<Target>,
    }

    pub(crate) async fn run() {
        let rounds = setting("NARTHEX_BENCH_ROUNDS", 5);
        println!(
            "Calls of nine good servers, each by a client that rests 4 ms between two; medians of {rounds} \
             rounds of {} ms, interleaved. Ratios are beside ÷ alone within a round; to reach: ≤ {TO_REACH}.\n",
            setting("NARTHEX_BENCH_MS", 2000),
        );
        let mut table = Table::new(&[
            "beside",
            "p50 µs alone",
            "beside",
            "p50 ratio",
            "p99 µs alone",
            "beside",
            "**p99 ratio**",
            "CPU of the core, ms/s alone",
            "beside",
        ]);
        for bad in wanted() {
            table.row(&measure(bad, rounds).await);
        }
        println!("{}", table.text());
    }

    /// Returns the misbehaviours that are asked for.
    fn wanted() -> Vec<Bad> {
        let Ok(names) = env::var("NARTHEX_BENCH_BAD") else {
            return Bad::ALL.to_vec();
        };
        let of = |name: &str| Bad::of(name).unwrap_or_else(|| panic!("no `{name}`"));
        names.split(',').map(of).collect()
    }

    async fn measure(bad: Bad, rounds: u64) -> Vec<String> {
        let scene = Scene::start(bad).await;
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            scene.part().await;
            alone.push(scene.round().await);
            scene.meet().await;
            beside.push(scene.misbehaving().await);
        }
        let figure = |rounds: &[Round], of: fn(&Round) -> f64| {
            format!("{:.0}", median(rounds.iter().map(of)))
        };
        let ratio = |of: fn(&Round) -> f64| {
            let pairs = beside.iter().zip(&alone);
            median(pairs.map(|(beside, alone)| of(beside) / of(alone)))
        };
        vec![
            bad.name().to_owned(),
            figure(&alone, |round| round.p50),
            figure(&beside, |round| round.p50),
            format!("{:.2}", ratio(|round| round.p50)),
            figure(&alone, |round| round.p99),
            figure(&beside, |round| round.p99),
            format!("**{:.2}**", ratio(|round| round.p99)),
            figure(&alone, |round| round.processor),
            figure(&beside, |round| round.processor),
        ]
    }

    impl Scene {
        async fn start(bad: Bad) -> Self {
            let started = bad.start().await;
            let mut servers: Vec<(&str, Entry)> = GOOD
                .iter()
                .map(|name| (*name, Entry::scripted(["--tools", "1"])))
                .collect();
            if let Some(entry) = &started.entry {
                servers.push(("bad", entry.clone()));
            }
            let core = Home::new().with(servers).trusted().start().await;
            for name in GOOD {
                core.wait_until(name, |server| server.is("connected")).await;
            }
            let target = |name| Target {
                url: core.url("/mcp"),
                token: Some(core.home.token("client")),
                tools: vec![format!("{name}__echo")],
            };
            let targets = GOOD.into_iter().map(target).collect();
            Self {
                bad,
                core,
                _started: started,
                targets,
            }
        }

        /// Disconnects the bad server.
        async fn part(&self) {
            if !self.bad.is_client() {
                self.core.wish("bad", "disconnect").await;
                let down = |server: &narthex_testkit::view::Server| server.is("disconnected");
                self.core.wait_until("bad", down).await;
                let patience = Duration::from_secs(20);
                self.core.wait_until_server_gone("bad", patience).await;
            }
        }

        /// Connects the bad server, and waits until it is there, or fails.
        async fn meet(&self) {
            if !self.bad.is_client() {
                self.core.wish("bad", "connect").await;
                self.core
                    .wait_until("bad", |server| {
                        server.is("connected") || server.error.is_some()
                    })
                    .await;
            }
        }

        async fn round(&self) -> Round {
            let load = Load {
                clients: 1,
                warm_up: Duration::from_millis(300),
                duration: Duration::from_millis(setting("NARTHEX_BENCH_MS", 2000)),
                payload: 256,
            };
            let (before, began) = (census::processor_time(self.core.pid()), Instant::now());
            let measured = load::over_http_at_ease(&self.targets, load, PAUSE).await;
            let measured = measured.expect("every call is answered");
            let used = census::processor_time(self.core.pid()) - before;
            Round {
                p50: micros(measured.quantile(0.5)),
                p99: micros(measured.quantile(0.99)),
                processor: millis(used) / began.elapsed().as_secs_f64(),
            }
        }

        /// Measures while the misbehaviour is kept up, on a thread of its own.
        async fn misbehaving(&self) -> Round {
            let (bad, at) = (self.bad, At::of(&self.core));
            let (stop, stopped) = oneshot::channel::<()>();
            let misbehaving = thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made");
                runtime.block_on(async {
                    tokio::select! {
                        () = bad.keep_up(&at) => {}
                        _ = stopped => {}
                    }
                });
            });
            let round = self.round().await;
            drop(stop);
            misbehaving.join().expect("misbehaving goes on");
            round
        }
    }
}
