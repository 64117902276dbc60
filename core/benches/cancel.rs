//! How long a cancellation takes: from when the client begins to post it until the server, which
//! holds the call, has read it. To reach: 50 ms.
//!
//! `NARTHEX_BENCH_CANCELS` (500) sets how many are measured for each transport.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[cfg(target_os = "linux")]
fn main() {
    if narthex_testkit::table::is_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(cancel::run());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("measured on Linux only");
}

#[cfg(target_os = "linux")]
mod cancel {
    use std::time::{Duration, Instant};

    use narthex_testkit::{
        core::Core,
        entry::Entry,
        gate::{Gate, HeldEnd},
        session::Session,
        table::{Table, micros, setting},
        upstream::Upstream,
    };
    use serde_json::json;

    pub(crate) async fn run() {
        let count = setting("NARTHEX_BENCH_CANCELS", 500);
        let web = Upstream::start(&[]).await;
        let legacy = Upstream::start(&["--legacy"]).await;
        let core = Core::trusted([
            ("pipe", Entry::scripted([])),
            ("web", Entry::url(web.url())),
            ("legacy", Entry::url(legacy.url())),
        ])
        .await;
        println!(
            "{count} calls each, cancelled while the server holds them: µs from the client's post of \
             `notifications/cancelled` to the server's receipt.\n"
        );
        let mut table = Table::new(&["server over", "p50 µs", "**p99 µs**", "slowest µs"]);
        for (name, server) in [
            ("stdio", "pipe"),
            ("Streamable HTTP", "web"),
            ("HTTP+SSE", "legacy"),
        ] {
            let session = core.session().await;
            let mut times = Vec::new();
            for number in 0..count {
                times.push(cancelled(&session, server, number).await);
            }
            times.sort_unstable();
            let at =
                |percent: usize| format!("{:.0}", micros(times[(times.len() - 1) * percent / 100]));
            table.row(&[name.to_owned(), at(50), format!("**{}**", at(99)), at(100)]);
        }
        println!("{}", table.text());
    }

    /// Has a call held and cancels it.
    async fn cancelled(session: &Session, server: &str, id: u64) -> Duration {
        let gate = Gate::open();
        let params = json!({"name": format!("{server}__hold"), "arguments": gate.arguments()});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let call = call.to_string();
        let cancelling = async {
            let held = gate.arrived().await;
            let started = Instant::now();
            let params = json!({"requestId": id});
            let heard = async {
                let end = held.ended().await;
                (end, started.elapsed())
            };
            let (heard, ()) =
                tokio::join!(heard, session.notify("notifications/cancelled", params));
            heard
        };
        let (_, (end, took)) = tokio::join!(session.post(&call), cancelling);
        assert_eq!(end, HeldEnd::Cancelled);
        took
    }
}
