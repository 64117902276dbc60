//! From exec to callable: ten stdio servers, through the smallest gateway that routes and through
//! Narthex; and what one of three that hangs in `initialize` costs the other two, at the start and
//! while they work.
//!
//! `NARTHEX_BENCH_STARTS` (15) sets how many starts of each kind are measured, and
//! `NARTHEX_BENCH_ROUNDS` (5) and `NARTHEX_BENCH_MS` (2000) how much work.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(start::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod start {
    use std::{
        process::Stdio,
        time::{Duration, Instant},
    };

    use narthex_testkit::{
        binaries, census,
        core::{Core, Home},
        entry::Entry,
        load::{self, Load, Target},
        table::{Table, median, micros, millis, setting},
    };
    use rustix::process::Signal;
    use serde_json::Value;
    use tokio::{
        io::{AsyncBufReadExt, BufReader},
        process::Command,
    };

    const SERVERS: usize = 10;

    /// Something that is started before ten or three servers.
    enum Gateway<'a> {
        Smallest(Vec<String>),
        Narthex(&'a Home),
    }

    pub(crate) async fn run() {
        let starts = setting("NARTHEX_BENCH_STARTS", 15);
        println!(
            "From exec until each tool has answered, in ms; medians of {starts} starts, interleaved. The \
             client asks again every half millisecond. Ratios are taken within a round.\n"
        );
        let mut table = Table::new(&["", "first", "second", "**second ÷ first**", "to reach"]);

        let names: Vec<String> = (0..SERVERS).map(|number| format!("s{number}")).collect();
        let tools: Vec<String> = names.iter().map(|name| format!("{name}__echo")).collect();
        let home = home(
            names
                .iter()
                .map(|name| (name.as_str(), Entry::scripted([]))),
        );
        let smallest = Gateway::Smallest(routes(names.iter().map(|name| (name.as_str(), ""))));
        let pairs = compare(starts, &smallest, &Gateway::Narthex(&home), &tools).await;
        row(
            &mut table,
            "ten stdio servers: smallest, Narthex",
            &pairs,
            "≤ 1.3",
        );

        let (good, tools) = (["s0", "s1", "s2"], &tools[..2]);
        let well = self::home(good.map(|name| (name, Entry::scripted([]))));
        let hung = self::home(good.map(|name| (name, third(name))));
        let pairs = compare(
            starts,
            &Gateway::Narthex(&well),
            &Gateway::Narthex(&hung),
            tools,
        )
        .await;
        row(
            &mut table,
            "two of three callable, Narthex: third well, third hangs",
            &pairs,
            "≤ 1.05",
        );
        let of = |args: &'static str| good.map(|name| (name, if name == "s2" { args } else { "" }));
        let (well, hung) = (routes(of("")), routes(of("--mute")));
        let pairs = compare(
            starts,
            &Gateway::Smallest(well),
            &Gateway::Smallest(hung),
            tools,
        )
        .await;
        row(&mut table, "the same, smallest", &pairs, "");
        println!("{}", table.text());
        at_work(good, tools).await;
    }

    /// What the hanging one costs the others while they work.
    async fn at_work(good: [&str; 3], tools: &[String]) {
        let well = Core::trusted(good.map(|name| (name, Entry::scripted([])))).await;
        let hung = Home::new()
            .with(good.map(|name| (name, third(name))))
            .trusted()
            .start()
            .await;
        let mut table = Table::new(&[
            "calls of 16 clients to two of three",
            "third well",
            "third hangs",
            "**hangs ÷ well**",
            "to reach",
        ]);
        let mut rounds: [Vec<(f64, f64)>; 2] = Default::default();
        for core in [&well, &hung] {
            load::until_all_answer(&target(core, tools))
                .await
                .expect("both answer");
        }
        for _ in 0..setting("NARTHEX_BENCH_ROUNDS", 5) {
            for (core, rounds) in [&well, &hung].into_iter().zip(&mut rounds) {
                let load = Load {
                    clients: 16,
                    warm_up: Duration::from_millis(200),
                    duration: Duration::from_millis(setting("NARTHEX_BENCH_MS", 2000)),
                    payload: 256,
                };
                let measured = load::over_http(&target(core, tools), load).await;
                let measured = measured.expect("every call is answered");
                rounds.push((micros(measured.quantile(0.5)), measured.per_second()));
            }
        }
        let pairs = |of: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let pairs = rounds[0].iter().zip(&rounds[1]);
            pairs.map(|(well, hung)| (of(well), of(hung))).collect()
        };
        row(&mut table, "p50 µs", &pairs(|round| round.0), "≤ 1.05");
        row(&mut table, "calls/s", &pairs(|round| round.1), "≥ 0.95");
        println!("{}", table.text());
    }

    fn target(core: &Core, tools: &[String]) -> Target {
        Target {
            url: core.url("/mcp"),
            token: Some(core.home.token("client")),
            tools: tools.to_vec(),
        }
    }

    fn third(name: &str) -> Entry {
        Entry::scripted((name == "s2").then_some("--mute"))
    }

    fn routes<'a>(servers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let program = binaries::scripted_server().display();
        let written = servers.into_iter().map(|(name, args)| {
            let written = format!("{name}={program} {args}");
            written.trim_end().to_owned()
        });
        ["--route".to_owned()].into_iter().chain(written).collect()
    }

    fn home<'a>(servers: impl IntoIterator<Item = (&'a str, Entry)>) -> Home {
        Home::new().with(servers)
    }

    /// Starts one and the other in turn, and returns how long each took.
    async fn compare(
        starts: u64,
        one: &Gateway<'_>,
        other: &Gateway<'_>,
        tools: &[String],
    ) -> Vec<(f64, f64)> {
        // The first start makes the folder's credentials and databases, and fills the caches.
        started(one, tools).await;
        started(other, tools).await;
        let mut pairs = Vec::new();
        for _ in 0..starts {
            let pair = (started(one, tools).await, started(other, tools).await);
            pairs.push((millis(pair.0), millis(pair.1)));
        }
        pairs
    }

    /// Starts a gateway, and returns how long it took until every tool has answered.
    async fn started(gateway: &Gateway<'_>, tools: &[String]) -> Duration {
        let (mut command, address) = match gateway {
            Gateway::Smallest(args) => {
                let mut command = Command::new(binaries::scripted_server());
                command.args(args);
                (command, "url")
            }
            Gateway::Narthex(home) => {
                let path = home.path().to_str().expect("temporary paths are UTF-8");
                let listen = ["--listen", "127.0.0.1:0", "--trust-config"];
                let args = [&["serve", "--json", "--home", path], &listen[..]].concat();
                (home.command(&args), "mcp")
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .await
            .expect("it says where it listens");
        let said: Value = serde_json::from_str(&line).expect("it says so in JSON");
        let target = Target {
            url: said[address].as_str().expect("an address").to_owned(),
            token: match gateway {
                Gateway::Smallest(_) => None,
                Gateway::Narthex(home) => Some(home.token("client")),
            },
            tools: tools.to_vec(),
        };
        let answered = load::until_all_answer(&target).await;
        let took = began.elapsed();
        answered.expect("every tool answers in the end");
        census::signal(child.id().expect("it runs"), Signal::TERM);
        child.wait().await.expect("it ends");
        took
    }

    fn row(table: &mut Table, name: &str, pairs: &[(f64, f64)], goal: &str) {
        let (first, second) = (
            pairs.iter().map(|pair| pair.0),
            pairs.iter().map(|pair| pair.1),
        );
        let ratio = median(pairs.iter().map(|pair| pair.1 / pair.0));
        table.row(&[
            name.to_owned(),
            format!("{:.1}", median(first)),
            format!("{:.1}", median(second)),
            format!("**{ratio:.2}**"),
            goal.to_owned(),
        ]);
    }
}
