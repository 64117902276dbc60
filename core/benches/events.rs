//! From the acknowledgement of a wish to the event that it is fulfilled, for the demo server, and
//! from the death of a server to its being back.
//!
//! `NARTHEX_BENCH_WISHES` (200) and `NARTHEX_BENCH_KILLS` (5) set how much is measured.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(events::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod events {
    use std::time::{Duration, Instant};

    use narthex_testkit::{
        binaries, census,
        core::Core,
        entry::Entry,
        events::Event,
        load::Measured,
        table::{Table, millis, setting},
    };
    use serde_json::json;
    use tokio::sync::mpsc;

    /// A connection that lasted this long is restarted at once: the interface says 10 s.
    const LASTED: Duration = Duration::from_millis(10_500);

    pub(crate) async fn run() {
        let demo = Entry::new(json!({"command": binaries::narthex(), "args": ["demo"]}));
        let core = Core::trusted([("demo", demo), ("scripted", Entry::scripted([]))]).await;
        let mut stream = core.events(None).await;
        // Its own task takes the time: the one that waits for the acknowledgement is busy.
        let (sender, mut events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = stream.next().await {
                if sender.send((Instant::now(), event)).is_err() {
                    return;
                }
            }
        });

        let mut table = Table::new(&["", "n", "p50 ms", "p99 ms", "max ms"]);
        let mut disconnects = Vec::new();
        let mut connects = Vec::new();
        for _ in 0..setting("NARTHEX_BENCH_WISHES", 200) {
            for (wish, condition, figures) in [
                ("disconnect", "disconnected", &mut disconnects),
                ("connect", "connected", &mut connects),
            ] {
                let revision = core.wish("demo", wish).await;
                let acknowledged = Instant::now();
                let happened = next(&mut events, |event| {
                    event.revision() >= revision && is(event, "demo", condition)
                })
                .await;
                // An event before the acknowledgement arrived has taken no time.
                figures.push(happened.saturating_duration_since(acknowledged));
            }
        }
        row(&mut table, "acknowledged disconnect to event", disconnects);
        row(&mut table, "acknowledged connect to event", connects);

        for (server, program) in [("demo", "narthex"), ("scripted", "narthex-testkit-server")] {
            let session = core.session().await;
            let mut back = Vec::new();
            let mut called = Vec::new();
            for _ in 0..setting("NARTHEX_BENCH_KILLS", 5) {
                tokio::time::sleep(LASTED).await;
                let victim = core
                    .processes_of(server)
                    .into_iter()
                    .find(|process| process.command_line[0].ends_with(&format!("/{program}")))
                    .expect("the server runs");
                while events.try_recv().is_ok() {}
                let killed = Instant::now();
                census::kill(victim.pid);
                let mut away = false;
                let happened = next(&mut events, |event| {
                    away |= !is(event, server, "connected") && event.server() == Some(server);
                    away && is(event, server, "connected")
                })
                .await;
                back.push(happened - killed);
                tokio::time::sleep(LASTED).await;
                let victim = core
                    .processes_of(server)
                    .into_iter()
                    .find(|process| process.command_line[0].ends_with(&format!("/{program}")))
                    .expect("the server runs");
                let killed = Instant::now();
                census::kill(victim.pid);
                // A call that was in the pipe when its reader died gets an error; the next is good.
                while !session
                    .call(&format!("{server}__echo"), json!({"text": "x"}))
                    .await
                    .is_ok()
                {}
                called.push(killed.elapsed());
            }
            row(
                &mut table,
                &format!("kill -9 of {server} to connected"),
                back,
            );
            row(
                &mut table,
                &format!("kill -9 of {server} to the session's next good answer"),
                called,
            );
        }
        println!("{}", table.text());
    }

    async fn next(
        events: &mut mpsc::UnboundedReceiver<(Instant, Event)>,
        mut predicate: impl FnMut(&Event) -> bool,
    ) -> Instant {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
            let (time, event) = next.expect("it happens").expect("the events go on");
            if predicate(&event) {
                return time;
            }
        }
    }

    fn is(event: &Event, server: &str, condition: &str) -> bool {
        event.server() == Some(server) && event.data["server"]["condition"] == condition
    }

    fn row(table: &mut Table, name: &str, figures: Vec<Duration>) {
        let measured = Measured::new(figures, Duration::ZERO);
        let figure = |share: f64| format!("{:.2}", millis(measured.quantile(share)));
        table.row(&[
            name.to_owned(),
            measured.count().to_string(),
            figure(0.5),
            figure(0.99),
            figure(1.0),
        ]);
    }
}
