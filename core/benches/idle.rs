//! What Narthex costs while nobody uses it: memory and wake-ups with 20 stdio servers.
//!
//! `NARTHEX_BENCH_IDLE_S` (60) sets how long it rests before it is measured, and how long it is
//! watched then.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(idle::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod idle {
    use std::time::{Duration, Instant};

    use narthex_testkit::{
        census::{self, Process},
        core::Core,
        entry::Entry,
        table::{Table, median, setting},
    };

    const SERVERS: usize = 20;

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and sizes are far below 2^52"
    )]
    pub(crate) async fn run() {
        let names: Vec<String> = (0..SERVERS)
            .map(|number| format!("server-{number}"))
            .collect();
        let started = Instant::now();
        let core = Core::trusted(
            names
                .iter()
                .map(|name| (name.as_str(), Entry::scripted([]))),
        )
        .await;
        let ready = started.elapsed();
        core.look_away();
        let rest = Duration::from_secs(setting("NARTHEX_BENCH_IDLE_S", 60));
        tokio::time::sleep(rest).await;

        let resident = census::resident(core.pid());
        let guards: Vec<Process> = census::descendants(core.pid())
            .into_iter()
            .filter(|process| {
                let program = process.command_line.first();
                program.is_some_and(|program| program.ends_with("narthex-guard"))
            })
            .collect();
        let switches = || {
            let guards: u64 = guards
                .iter()
                .map(|guard| census::context_switches(guard.pid))
                .sum();
            (census::context_switches(core.pid()), guards)
        };
        let time = || {
            let guards: Duration = guards
                .iter()
                .map(|guard| census::processor_time(guard.pid))
                .sum();
            census::processor_time(core.pid()) + guards
        };
        let (before, time_before) = (switches(), time());
        tokio::time::sleep(rest).await;
        let (after, time_after) = (switches(), time());

        let per_second = |count: u64| format!("{:.2}", count as f64 / rest.as_secs_f64());
        let private: Vec<f64> = guards
            .iter()
            .map(|guard| census::private(guard.pid) as f64 / 1024.0)
            .collect();
        println!(
            "{SERVERS} stdio servers, all connected {:.0} ms after the start; {} s at rest, then watched \
             for as long, with no subscriber.\n",
            ready.as_secs_f64() * 1e3,
            rest.as_secs()
        );
        let mut table = Table::new(&["", "measured", "to reach"]);
        let mut row = |name: &str, measured: String, goal: &str| {
            table.row(&[name.to_owned(), measured, goal.to_owned()]);
        };
        row(
            "RSS of the core, MiB",
            format!("{:.2}", resident as f64 / (1 << 20) as f64),
            "< 12",
        );
        row(
            "guards and their warden",
            guards.len().to_string(),
            &(SERVERS + 1).to_string(),
        );
        if !private.is_empty() {
            row(
                "private memory of a guard, kB",
                format!("{:.0}", median(private)),
                "< 400",
            );
        }
        row(
            "wake-ups of the core per second",
            per_second(after.0 - before.0),
            "",
        );
        row(
            "wake-ups of all guards per second",
            per_second(after.1 - before.1),
            "",
        );
        row(
            "wake-ups of all our processes per second",
            per_second(after.0 + after.1 - before.0 - before.1),
            "< 1",
        );
        row(
            "CPU of all our processes, ms per minute",
            format!(
                "{:.1}",
                (time_after - time_before).as_secs_f64() * 1e3 * 60.0 / rest.as_secs_f64()
            ),
            "",
        );
        println!("{}", table.text());
    }
}
