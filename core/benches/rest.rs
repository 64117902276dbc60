//! `GET /servers` with 100 servers against a minimal server that sends the same bytes, alone and
//! beside eight writers. The writers are paced (`NARTHEX_BENCH_WRITES_PER_S`, 20 each), and then
//! give wishes as fast as they are acknowledged.

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
    use std::time::Duration;

    use narthex_testkit::{
        core::Core,
        entry::Entry,
        load::{self, Target},
        table::{Table, median, micros, setting},
        upstream::Upstream,
    };

    const SERVERS: usize = 100;
    const WRITERS: usize = 8;
    const READS: usize = 2_000;

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
            tool: String::new(),
        };
        let theirs = Target {
            url: minimal.url().to_owned(),
            token: None,
            tool: String::new(),
        };

        let rounds = setting("NARTHEX_BENCH_ROUNDS", 5);
        let paced = Duration::from_millis(1000 / setting("NARTHEX_BENCH_WRITES_PER_S", 20).max(1));
        let mut figures: [Vec<f64>; 6] = [const { Vec::new() }; 6];
        for _ in 0..rounds {
            let measured = [
                read(&theirs).await,
                read(&ours).await,
                beside_writers(&core, &names, paced, &theirs).await,
                beside_writers(&core, &names, paced, &ours).await,
                beside_writers(&core, &names, Duration::ZERO, &theirs).await,
                beside_writers(&core, &names, Duration::ZERO, &ours).await,
            ];
            for (figures, figure) in figures.iter_mut().zip(measured) {
                figures.push(figure);
            }
        }

        println!(
            "GET /servers, {SERVERS} servers, {} bytes; medians of p50 over {rounds} rounds of {READS} \
             reads, interleaved.\n",
            list.len()
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
        let measured = load::get(target, READS, Duration::ZERO).await;
        micros(measured.expect("every read is answered").quantile(0.5))
    }

    /// Reads while the writers write, and for as long as that takes only.
    async fn beside_writers(
        core: &Core,
        names: &[String],
        pause: Duration,
        target: &Target,
    ) -> f64 {
        let writers = (0..WRITERS).map(|writer| write(core, names, writer, pause));
        tokio::select! {
            figure = read(target) => figure,
            _ = futures_util::future::join_all(writers) => unreachable!("writers write on"),
        }
    }

    /// Turns servers of its own off and on again; they are never the same as another writer's.
    async fn write(core: &Core, names: &[String], writer: usize, pause: Duration) {
        for round in 0_usize.. {
            let name = &names[(round / 2 * WRITERS + writer) % SERVERS];
            let wish = if round % 2 == 0 {
                "disconnect"
            } else {
                "connect"
            };
            core.wish(name, wish).await;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}
