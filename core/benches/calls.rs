//! A tool call direct, through a blind forwarder on the same stack, and through Narthex, at 1, 16
//! and 64 clients, over HTTP and stdio. The rounds of the three are interleaved, and what counts is
//! the median of the ratios within a round: machines change their pace, and all three with them.
//!
//! `NARTHEX_BENCH_ROUNDS` (5) and `NARTHEX_BENCH_MS` (2000) set how much is measured;
//! `NARTHEX_BENCH_WITHOUT_CORE=1` leaves Narthex out, to try the tools themselves.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(calls::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod calls {
    use std::time::Duration;

    use narthex_testkit::{
        binaries, census,
        core::Core,
        entry::Entry,
        load::{self, Load, Measured, Target},
        pipe::Pipe,
        table::{Table, median, micros, setting},
        upstream::Upstream,
    };

    /// The bytes of text in a call.
    const PAYLOAD: usize = 256;

    /// A way to the tool.
    enum Way {
        Http { target: Target, pid: u32 },
        Pipe { pipe: Pipe },
    }

    /// What one round gave for one way.
    struct Round {
        p50: f64,
        p99: f64,
        per_second: f64,
        processor_per_call: f64,
    }

    pub(crate) async fn run() {
        let server = binaries::scripted_server()
            .to_str()
            .expect("paths are UTF-8");
        let web = Upstream::start(&[]).await;
        let forwarder = Upstream::run(&["--forward", web.url()]).await;
        let bridge = Upstream::run(&["--bridge", server]).await;
        let pipe = Pipe::start(tokio::process::Command::new(server)).expect("it starts");
        let core = if setting("NARTHEX_BENCH_WITHOUT_CORE", 0) == 0 {
            let servers = [
                ("web", Entry::url(web.url())),
                ("pipe", Entry::scripted([])),
            ];
            Some(Core::trusted(servers).await)
        } else {
            None
        };
        let through_core = |tool: &str| {
            core.as_ref().map(|core| Way::Http {
                target: Target {
                    url: core.url("/mcp"),
                    token: Some(core.home.token("client")),
                    tools: vec![tool.to_owned()],
                },
                pid: core.pid(),
            })
        };

        let over_http = [
            Some(http(&web)),
            Some(http(&forwarder)),
            through_core("web__echo"),
        ];
        let over_stdio = [
            Some(Way::Pipe { pipe }),
            Some(http(&bridge)),
            through_core("pipe__echo"),
        ];
        println!(
            "256-byte calls; medians of {} rounds of {} ms, interleaved. Ratios are Narthex ÷ blind \
             forwarder within a round.\n",
            setting("NARTHEX_BENCH_ROUNDS", 5),
            setting("NARTHEX_BENCH_MS", 2000),
        );
        let mut table = Table::new(&[
            "upstream, clients",
            "p50 µs direct",
            "blind",
            "Narthex",
            "**p50 ratio**",
            "p99 µs blind",
            "Narthex",
            "calls/s direct",
            "blind",
            "Narthex",
            "**calls/s ratio**",
            "CPU µs/call blind",
            "Narthex",
            "**CPU ratio**",
        ]);
        for (name, ways) in [("HTTP", &over_http), ("stdio", &over_stdio)] {
            for clients in [1, 16, 64] {
                table.row(&measure(name, ways, clients).await);
            }
        }
        println!("{}", table.text());
    }

    async fn measure(name: &str, ways: &[Option<Way>; 3], clients: usize) -> Vec<String> {
        let mut rounds: [Vec<Round>; 3] = [const { Vec::new() }; 3];
        for _ in 0..setting("NARTHEX_BENCH_ROUNDS", 5) {
            for (way, rounds) in ways.iter().zip(&mut rounds) {
                if let Some(way) = way {
                    rounds.push(round(way, clients).await);
                }
            }
        }
        let [direct, blind, narthex] = &rounds;
        let figure = |rounds: &[Round], of: fn(&Round) -> f64| {
            if rounds.is_empty() {
                "–".to_owned()
            } else {
                format!("{:.0}", median(rounds.iter().map(of)))
            }
        };
        let processor = |rounds: &[Round]| {
            if rounds.is_empty() {
                "–".to_owned()
            } else {
                format!(
                    "{:.1}",
                    median(rounds.iter().map(|round| round.processor_per_call))
                )
            }
        };
        let ratio = |of: fn(&Round) -> f64| {
            if narthex.is_empty() {
                "–".to_owned()
            } else {
                let pairs = narthex.iter().zip(blind);
                format!(
                    "**{:.2}**",
                    median(pairs.map(|(ours, theirs)| of(ours) / of(theirs)))
                )
            }
        };
        vec![
            format!("{name}, {clients}"),
            figure(direct, |round| round.p50),
            figure(blind, |round| round.p50),
            figure(narthex, |round| round.p50),
            ratio(|round| round.p50),
            figure(blind, |round| round.p99),
            figure(narthex, |round| round.p99),
            figure(direct, |round| round.per_second),
            figure(blind, |round| round.per_second),
            figure(narthex, |round| round.per_second),
            ratio(|round| round.per_second),
            processor(blind),
            processor(narthex),
            ratio(|round| round.processor_per_call),
        ]
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    async fn round(way: &Way, clients: usize) -> Round {
        let load = Load {
            clients,
            warm_up: Duration::from_millis(300),
            duration: Duration::from_millis(setting("NARTHEX_BENCH_MS", 2000)),
            payload: PAYLOAD,
        };
        let pid = match way {
            Way::Http { pid, .. } => *pid,
            Way::Pipe { pipe } => pipe.pid().expect("it has not ended"),
        };
        let before = census::processor_time(pid);
        let measured: Measured = match way {
            Way::Http { target, .. } => load::over_http(target, load).await,
            Way::Pipe { pipe } => load::over_pipe(pipe, "echo", load).await,
        }
        .expect("every call is answered");
        // The warm-up's share of the processor time is taken out by its share of the time.
        let used = census::processor_time(pid) - before;
        let counted = load.duration.as_secs_f64() / (load.duration + load.warm_up).as_secs_f64();
        Round {
            p50: micros(measured.quantile(0.5)),
            p99: micros(measured.quantile(0.99)),
            per_second: measured.per_second(),
            processor_per_call: micros(used) * counted / measured.count() as f64,
        }
    }

    fn http(upstream: &Upstream) -> Way {
        Way::Http {
            target: Target::open(upstream.url(), "echo"),
            pid: upstream.pid(),
        }
    }
}
