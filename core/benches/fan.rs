//! Calls that go in turn to eight servers, of 16 clients: through the smallest gateway that routes
//! and through Narthex, over HTTP and stdio. The rounds are interleaved, and what counts is the
//! median of the ratios within a round.
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
        runtime.block_on(fan::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod fan {
    use std::time::Duration;

    use narthex_testkit::{
        binaries, census,
        core::Core,
        entry::Entry,
        load::{self, Load, Target},
        table::{Table, median, micros, setting},
        upstream::Upstream,
    };

    const SERVERS: usize = 8;
    const CLIENTS: usize = 16;

    /// A figure of a round, and how many decimals of it are shown.
    type Figure = (fn(&Round) -> f64, usize);

    /// What one round gave for one gateway.
    struct Round {
        p50: f64,
        per_second: f64,
        processor_per_call: f64,
    }

    pub(crate) async fn run() {
        println!(
            "256-byte calls of {CLIENTS} clients, each to {SERVERS} servers in turn; medians of {} rounds \
             of {} ms, interleaved. Ratios are Narthex ÷ the smallest routing gateway within a round. \
             To reach: calls/s 0.82, CPU 1.5.\n",
            setting("NARTHEX_BENCH_ROUNDS", 5),
            setting("NARTHEX_BENCH_MS", 2000),
        );
        let mut table = Table::new(&[
            "upstreams",
            "p50 µs smallest",
            "Narthex",
            "**p50 ratio**",
            "calls/s smallest",
            "Narthex",
            "**calls/s ratio**",
            "CPU µs/call smallest",
            "Narthex",
            "**CPU ratio**",
        ]);
        let names: Vec<String> = (0..SERVERS).map(|number| format!("s{number}")).collect();

        let mut webs = Vec::new();
        for _ in 0..SERVERS {
            webs.push(Upstream::start(&[]).await);
        }
        let addresses = webs.iter().map(|web| web.url().to_owned()).collect();
        let entries = webs.iter().map(|web| Entry::url(web.url())).collect();
        table.row(&measure("HTTP", &names, addresses, entries).await);

        let program = binaries::scripted_server().display().to_string();
        let entries = names.iter().map(|_| Entry::scripted([])).collect();
        table.row(&measure("stdio", &names, vec![program; SERVERS], entries).await);
        println!("{}", table.text());
    }

    async fn measure(
        kind: &str,
        names: &[String],
        ways: Vec<String>,
        entries: Vec<Entry>,
    ) -> Vec<String> {
        let written = names
            .iter()
            .zip(ways)
            .map(|(name, way)| format!("{name}={way}"));
        let args: Vec<String> = ["--route".to_owned()].into_iter().chain(written).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let smallest = Upstream::run(&args).await;
        let core = Core::trusted(names.iter().map(String::as_str).zip(entries)).await;
        let tools: Vec<String> = names.iter().map(|name| format!("{name}__echo")).collect();
        let target = |url: String, token| Target {
            url,
            token,
            tools: tools.clone(),
        };
        let ways = [
            (target(smallest.url().to_owned(), None), smallest.pid()),
            (
                target(core.url("/mcp"), Some(core.home.token("client"))),
                core.pid(),
            ),
        ];
        for (target, _) in &ways {
            let there = load::until_all_answer(target).await;
            there.expect("every tool answers in the end");
        }
        let mut rounds = Vec::new();
        for _ in 0..setting("NARTHEX_BENCH_ROUNDS", 5) {
            let mut round = Vec::new();
            for (target, pid) in &ways {
                round.push(one_round(target, *pid).await);
            }
            rounds.push(round);
        }
        let mut cells = vec![kind.to_owned()];
        let figures: [Figure; 3] = [
            (|round| round.p50, 0),
            (|round| round.per_second, 0),
            (|round| round.processor_per_call, 1),
        ];
        for (of, decimals) in figures {
            for way in 0..2 {
                let figure = median(rounds.iter().map(|round| of(&round[way])));
                cells.push(format!("{figure:.decimals$}"));
            }
            let ratio = median(rounds.iter().map(|round| of(&round[1]) / of(&round[0])));
            cells.push(format!("**{ratio:.2}**"));
        }
        cells
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    async fn one_round(target: &Target, pid: u32) -> Round {
        let load = Load {
            clients: CLIENTS,
            warm_up: Duration::from_millis(200),
            duration: Duration::from_millis(setting("NARTHEX_BENCH_MS", 2000)),
            payload: 256,
        };
        let before = census::processor_time(pid);
        let measured = load::over_http(target, load).await;
        let measured = measured.expect("every call is answered");
        let used = census::processor_time(pid) - before;
        // The warm-up's share of the processor time is taken out by its share of the time.
        let counted = load.duration.as_secs_f64() / (load.duration + load.warm_up).as_secs_f64();
        Round {
            p50: micros(measured.quantile(0.5)),
            per_second: measured.per_second(),
            processor_per_call: micros(used) * counted / measured.count() as f64,
        }
    }
}
