//! `GET /servers` with 100 servers against a minimal server that sends the same bytes, alone and
//! beside eight writers. The writers are paced (`NARTHEX_BENCH_WRITES_PER_S`, 20 each), and then
//! give wishes as fast as they are acknowledged. They write from a thread of their own and are at it
//! before the reader begins; the minimal server is read beside the same writers, so that what they
//! take of the machine can be told from what they take of Narthex.
//!
//! `NARTHEX_BENCH_ROUNDS` (5) and `NARTHEX_BENCH_MS` (2000) set how much is measured.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(rest::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod rest {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicU32, Ordering},
        },
        thread,
        time::{Duration, Instant},
    };

    use narthex_testkit::{
        core::Core,
        entry::Entry,
        load::{self, Target},
        table::{Table, median, micros, setting},
        upstream::Upstream,
    };

    const SERVERS: usize = 100;
    const WRITERS: usize = 8;

    pub(crate) async fn run() {
        let names: Vec<String> = (0..SERVERS)
            .map(|number| format!("server-{number}"))
            .collect();
        let servers = names
            .iter()
            .map(|name| (name.as_str(), Entry::scripted(["--bare", "--tools", "5"])));
        let core = Core::trusted(servers).await;
        let list = core.get("/servers").await.body;
        let file = tempfile::NamedTempFile::new().expect("there is a place for a file");
        std::fs::write(file.path(), &list).expect("it can be written");
        let path = file.path().to_str().expect("temporary paths are UTF-8");
        let minimal = Upstream::run(&["--bytes", path]).await;
        let ours = Target {
            url: core.url("/api/v1/servers"),
            token: Some(core.home.token("control")),
            tools: Vec::new(),
        };
        let theirs = Target {
            url: minimal.url().to_owned(),
            token: None,
            tools: Vec::new(),
        };

        let rounds = setting("NARTHEX_BENCH_ROUNDS", 5);
        let paced = Duration::from_millis(1000 / setting("NARTHEX_BENCH_WRITES_PER_S", 20).max(1));
        let mut figures: [Vec<f64>; 6] = [const { Vec::new() }; 6];
        let mut writes = [0.0, 0.0];
        for _ in 0..rounds {
            let alone = [read(&theirs).await, read(&ours).await];
            let slow = Writers::start(&core, paced);
            let beside_slow = [read(&theirs).await, read(&ours).await];
            writes[0] = slow.stop();
            let fast = Writers::start(&core, Duration::ZERO);
            let beside_fast = [read(&theirs).await, read(&ours).await];
            writes[1] = fast.stop();
            let measured = [alone, beside_slow, beside_fast].concat();
            for (figures, figure) in figures.iter_mut().zip(measured) {
                figures.push(figure);
            }
        }

        println!(
            "GET /servers, {SERVERS} servers, {} bytes; medians of p50 over {rounds} rounds, interleaved. \
             The paced writers gave {:.0} wishes a second, those without pause {:.0}.\n",
            list.len(),
            writes[0],
            writes[1],
        );
        let mut table = Table::new(&[
            "",
            "minimal server µs",
            "Narthex µs",
            "**Narthex ÷ minimal**",
            "minimal ÷ itself alone",
            "**Narthex ÷ itself alone**",
        ]);
        for (number, name) in [
            "alone",
            "beside 8 paced writers",
            "beside 8 writers without pause",
        ]
        .into_iter()
        .enumerate()
        {
            let (theirs, ours) = (&figures[2 * number], &figures[2 * number + 1]);
            let ratio = |over: &[f64], under: &[f64]| {
                median(over.iter().zip(under).map(|(over, under)| over / under))
            };
            table.row(&[
                name.to_owned(),
                format!("{:.0}", median(theirs.iter().copied())),
                format!("{:.0}", median(ours.iter().copied())),
                format!("**{:.2}**", ratio(ours, theirs)),
                format!("{:.2}", ratio(theirs, &figures[0])),
                format!("**{:.2}**", ratio(ours, &figures[1])),
            ]);
        }
        println!("{}", table.text());
    }

    async fn read(target: &Target) -> f64 {
        let duration = Duration::from_millis(setting("NARTHEX_BENCH_MS", 2000));
        let measured = load::get(target, duration).await;
        micros(measured.expect("every read is answered").quantile(0.5))
    }

    /// Eight writers in a thread of their own.
    struct Writers {
        thread: thread::JoinHandle<()>,
        over: Arc<AtomicBool>,
        given: Arc<AtomicU32>,
        started: Instant,
    }

    impl Writers {
        /// Starts them; returns when they are at it.
        fn start(core: &Core, pause: Duration) -> Self {
            let over = Arc::new(AtomicBool::new(false));
            let given = Arc::new(AtomicU32::new(0));
            let address = core.url("/api/v1/servers");
            let token = core.home.token("control");
            let (is_over, counted) = (Arc::clone(&over), Arc::clone(&given));
            let thread = thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made");
                let writers = (0..WRITERS)
                    .map(|writer| write(&address, &token, writer, pause, &is_over, &counted));
                runtime.block_on(futures_util::future::join_all(writers));
            });
            while given.load(Ordering::Relaxed) < 2 * u32::try_from(WRITERS).expect("eight") {
                thread::yield_now();
            }
            given.store(0, Ordering::Relaxed);
            Self {
                thread,
                over,
                given,
                started: Instant::now(),
            }
        }

        /// Stops them; returns how many wishes a second they gave.
        fn stop(self) -> f64 {
            let given = f64::from(self.given.load(Ordering::Relaxed));
            let per_second = given / self.started.elapsed().as_secs_f64();
            self.over.store(true, Ordering::Relaxed);
            self.thread.join().expect("every wish is accepted");
            per_second
        }
    }

    /// Turns servers off and on again that no other writer touches, and leaves them on.
    async fn write(
        address: &str,
        token: &str,
        writer: usize,
        pause: Duration,
        over: &AtomicBool,
        given: &AtomicU32,
    ) {
        let client = reqwest::Client::new();
        for round in 0_usize.. {
            let turns_off = round % 2 == 0;
            if turns_off && over.load(Ordering::Relaxed) {
                return;
            }
            let server = writer + WRITERS * (round / 2 % (SERVERS / WRITERS));
            let wish = if turns_off { "disconnect" } else { "connect" };
            let answer = client
                .post(format!("{address}/server-{server}/{wish}"))
                .bearer_auth(token)
                .json(&serde_json::json!({}))
                .send()
                .await
                .expect("the core answers");
            assert_eq!(answer.status(), 200, "{wish} {server}");
            given.fetch_add(1, Ordering::Relaxed);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}
