//! What is long: results of 1 MiB, and lists of 10, 100 and 1,000 tools. Calls a second direct,
//! through the blind forwarder and through Narthex, interleaved; what counts is the median of the
//! ratios to direct within a round.
//!
//! The direct list comes from a server that answers everything with the bytes of a file, which is
//! as fast as a list can be had; Narthex answers its own from bytes made once, and asks nobody.
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
        runtime.block_on(payload::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod payload {
    use std::{io::Write, time::Duration};

    use narthex_testkit::{
        core::Core,
        entry::Entry,
        load::{self, Load, Target},
        session::Session,
        table::{Table, median, setting},
        upstream::Upstream,
    };
    use serde_json::json;

    /// The bytes of a long result's text.
    const LONG: usize = 1 << 20;

    pub(crate) async fn run() {
        println!(
            "Medians of {} rounds of {} ms, interleaved; ratios to direct are taken within a round.\n",
            setting("NARTHEX_BENCH_ROUNDS", 5),
            setting("NARTHEX_BENCH_MS", 2000),
        );
        let mut table = Table::new(&[
            "what, clients",
            "bytes",
            "a second direct",
            "blind",
            "Narthex",
            "blind ÷ direct",
            "**Narthex ÷ direct**",
            "to reach",
        ]);
        results(&mut table).await;
        for tools in [10, 100, 1_000] {
            lists(&mut table, tools).await;
        }
        println!("{}", table.text());
    }

    async fn results(table: &mut Table) {
        let web = Upstream::start(&[]).await;
        let blind = Upstream::run(&["--forward", web.url()]).await;
        let core = Core::trusted([("web", Entry::url(web.url()))]).await;
        let ways = [
            (Target::open(web.url(), ""), "large"),
            (Target::open(blind.url(), ""), "large"),
            (through(&core, "/mcp"), "web__large"),
        ];
        for clients in [1, 16] {
            let mut rounds = Vec::new();
            for _ in 0..setting("NARTHEX_BENCH_ROUNDS", 5) {
                let mut round = Vec::new();
                for (target, tool) in &ways {
                    let params = json!({"name": tool, "arguments": {"bytes": LONG}}).to_string();
                    round.push(measure(target, "tools/call", &params, LONG, clients).await);
                }
                rounds.push(round);
            }
            row(table, &format!("result, {clients}"), LONG, "0.78", &rounds);
        }
    }

    async fn lists(table: &mut Table, tools: usize) {
        let count = tools.to_string();
        // Its own tools are no part of the count.
        let entry = Entry::scripted(["--tools", &count, "--bare"]);
        let core = Core::trusted([("many", entry)]).await;
        for path in ["/mcp", "/mcp/s/many"] {
            let token = core.home.token("client");
            let session = Session::open(&core.url(path), Some(&token)).await;
            let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
            let answer = session.post_for_json(&ask.to_string()).await;
            let listed = answer.json()["result"]["tools"].as_array().map(Vec::len);
            assert_eq!(listed, Some(tools), "{path}");
            let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
            file.write_all(answer.body.as_bytes())
                .expect("it can be written");
            let file = file.path().to_str().expect("temporary paths are UTF-8");

            let direct = Upstream::run(&["--bytes", file]).await;
            let blind = Upstream::run(&["--forward", direct.url()]).await;
            let ways = [
                Target::open(direct.url(), ""),
                Target::open(blind.url(), ""),
                through(&core, path),
            ];
            let mut rounds = Vec::new();
            for _ in 0..setting("NARTHEX_BENCH_ROUNDS", 5) {
                let mut round = Vec::new();
                for target in &ways {
                    round.push(measure(target, "tools/list", "{}", answer.body.len(), 16).await);
                }
                rounds.push(round);
            }
            let name = format!("{tools} tools at `{path}`, 16");
            let goal = if tools == 1_000 { "0.95" } else { "" };
            row(table, &name, answer.body.len(), goal, &rounds);
        }
    }

    /// Returns answers a second.
    async fn measure(
        target: &Target,
        method: &str,
        params: &str,
        least: usize,
        clients: usize,
    ) -> f64 {
        let load = Load {
            clients,
            warm_up: Duration::from_millis(200),
            duration: Duration::from_millis(setting("NARTHEX_BENCH_MS", 2000)),
            payload: 0,
        };
        let measured = load::same_over_http(target, method, params, least, load).await;
        measured.expect("every request is answered").per_second()
    }

    fn row(table: &mut Table, name: &str, bytes: usize, goal: &str, rounds: &[Vec<f64>]) {
        let figure = |way: usize| format!("{:.0}", median(rounds.iter().map(|round| round[way])));
        let ratio = |way: usize| median(rounds.iter().map(|round| round[way] / round[0]));
        table.row(&[
            name.to_owned(),
            bytes.to_string(),
            figure(0),
            figure(1),
            figure(2),
            format!("{:.2}", ratio(1)),
            format!("**{:.2}**", ratio(2)),
            goal.to_owned(),
        ]);
    }

    fn through(core: &Core, path: &str) -> Target {
        Target {
            url: core.url(path),
            token: Some(core.home.token("client")),
            tools: Vec::new(),
        }
    }
}
