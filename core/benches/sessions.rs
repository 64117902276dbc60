//! What a session costs that nobody uses: resident memory of the core for each of 500, with nothing
//! open, with a connection kept open, and with the client's own stream open.
//!
//! `NARTHEX_BENCH_SESSIONS` (500) sets how many there are.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(sessions::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod sessions {
    use std::time::Duration;

    use narthex_testkit::{
        census,
        core::Core,
        entry::Entry,
        session::Session,
        sse::SseStream,
        table::{Table, setting},
    };

    /// Sessions opened before anything is counted, so that the first of a kind does not pay for all.
    const WARM_UP: u64 = 50;

    /// What the client of an idle session keeps open.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Open {
        Nothing,
        Connection,
        Stream,
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    pub(crate) async fn run() {
        let count = setting("NARTHEX_BENCH_SESSIONS", 500);
        println!(
            "{count} sessions of one client at `/mcp`, after one call each; a core for each row.\n"
        );
        let mut table = Table::new(&["what is open", "KiB a session", "to reach"]);
        for (open, name) in [
            (Open::Nothing, "nothing"),
            (Open::Connection, "a connection"),
            (Open::Stream, "the client's own stream"),
        ] {
            let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
            let mut kept = Vec::new();
            for _ in 0..WARM_UP {
                kept.push(begin(&core, open).await);
            }
            let before = settled(&core).await;
            for _ in 0..count {
                kept.push(begin(&core, open).await);
            }
            let after = settled(&core).await;
            let each = after.saturating_sub(before) as f64 / 1024.0 / count as f64;
            table.row(&[name.to_owned(), format!("{each:.1}"), "≤ 16".to_owned()]);
        }
        println!("{}", table.text());
    }

    /// Begins a session, and returns what is kept of it.
    async fn begin(core: &Core, open: Open) -> (Option<Session>, Option<SseStream>) {
        let session = core.session().await;
        let text = serde_json::json!({"text": "x"});
        assert_eq!(session.call("alpha__echo", text).await.text(), "x");
        match open {
            Open::Nothing => (None, None),
            Open::Connection => (Some(session), None),
            Open::Stream => {
                let stream = session.listen().await;
                (Some(session), Some(stream))
            }
        }
    }

    /// Returns the core's resident memory once what has ended is cleared away, and what nobody uses
    /// has come to rest: two seconds without a request, and as long until that is seen twice.
    async fn settled(core: &Core) -> u64 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        census::resident(core.pid())
    }
}
