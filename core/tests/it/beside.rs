//! Every misbehaviour of the catalogue beside nine good servers: it gets its documented answer
//! (`docs/bad-input.md`), and the nine are listed and answer rightly all the while.

mod answers;
mod clients;
mod definitions;
mod floods;
mod lifecycle;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use narthex_testkit::{
    bad::{Bad, Started},
    census,
    core::{Core, Home, PATIENCE},
    entry::Entry,
    session::{Answer, Session},
    sse::SseStream,
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::words::assert_refused;

/// What the good servers are called.
const GOOD: [&str; 9] = ["g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9"];

/// A core with nine good servers, which are called without a pause, and one bad.
struct Beside {
    core: Core,
    started: Started,
    good: Good,
    pids: Vec<Vec<u32>>,
}

/// A client that lists the tools and calls those of the nine, round after round.
struct Good {
    stop: Arc<AtomicBool>,
    rounds: watch::Receiver<usize>,
    calling: JoinHandle<()>,
}

impl Beside {
    /// Starts everything; returns when the nine are connected and are being called.
    async fn start(bad: Bad) -> Self {
        let started = bad.start().await;
        let mut servers: Vec<(&str, Entry)> = GOOD
            .iter()
            .map(|name| (*name, Entry::scripted(["--tools", "1"])))
            .collect();
        if let Some(entry) = &started.entry {
            // In the middle: neither the first nor the last that is looked at.
            servers.insert(4, ("bad", entry.clone()));
        }
        let core = Home::new().with(servers).trusted().start().await;
        for name in GOOD {
            core.wait_until(name, |server| server.is("connected")).await;
        }
        let pids = GOOD.iter().map(|name| core.pids_of(name)).collect();
        let good = Good::call(core.session().await);
        Self {
            core,
            started,
            good,
            pids,
        }
    }

    /// Waits until the bad server is connected.
    async fn connected(&self) {
        self.core
            .wait_until("bad", |server| server.is("connected"))
            .await;
    }

    /// Calls the bad server's `echo`.
    async fn echo(&self) -> Answer {
        self.call("bad__echo").await
    }

    /// Calls a tool with a text, in a session of its own.
    async fn call(&self, tool: &str) -> Answer {
        let session = self.core.session().await;
        let called = session.call(tool, json!({"text": "x"}));
        let answer = timeout(PATIENCE, called).await;
        answer.unwrap_or_else(|_| panic!("{tool} was never answered"))
    }

    /// Asserts that the bad server answers what is asked rightly.
    async fn assert_well(&self) {
        let answer = self.call("bad__well").await;
        assert_eq!(answer.text(), "x");
    }

    /// Waits until the log of the bad server has a line of the core's with `words` in it.
    async fn logged(&self, words: &str) {
        let path = "/api/v1/servers/bad/logs/stream?lines=1000";
        let request = self
            .core
            .request(reqwest::Method::GET, path)
            .bearer_auth(self.core.home.token("control"));
        let mut lines = SseStream::new(request.send().await.unwrap());
        let told = async {
            while let Some(event) = lines.next().await {
                let line: Value = serde_json::from_str(&event.data).unwrap();
                let text = line["line"].as_str().unwrap_or_default();
                if line["stream"] == "core" && text.contains(words) {
                    return;
                }
            }
            panic!("the log ended without {words:?}");
        };
        let told = timeout(PATIENCE, told).await;
        told.unwrap_or_else(|_| panic!("nothing of the core's about {words:?}"));
    }

    /// Asserts that something the bad server says is counted as dropped for `reason`.
    async fn assert_counted(&self, reason: &str) {
        let request = self
            .core
            .request(reqwest::Method::GET, "/metrics")
            .bearer_auth(self.core.home.token("control"));
        let metrics = self.core.send(request).await.body;
        let counter =
            format!(r#"narthex_messages_dropped_total{{server="bad",reason="{reason}"}} "#);
        let count = metrics.lines().find_map(|line| line.strip_prefix(&counter));
        let count: u64 = count.unwrap_or("0").parse().unwrap();
        assert!(count > 0, "nothing is counted as {reason}");
    }

    /// Asserts that what is resident of the core is less than so many MiB.
    fn assert_resident_below(&self, mebibytes: u64) {
        let resident = census::resident(self.core.pid());
        assert!(resident < mebibytes << 20, "{resident} bytes resident");
    }

    /// Lets the nine be called for some rounds more, and asserts that nothing befell them.
    async fn end(mut self) {
        self.good.rounds(2).await;
        self.good.end().await;
        for (name, pids) in GOOD.iter().zip(&self.pids) {
            let server = self.core.server(name).await;
            assert!(
                server.is("connected") && server.error.is_none(),
                "{server:?}"
            );
            assert_eq!(&self.core.pids_of(name), pids, "{name} was started again");
        }
    }
}

impl Good {
    fn call(session: Session) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (count, rounds) = watch::channel(0);
        let stopped = Arc::clone(&stop);
        let calling = tokio::spawn(async move {
            let mut round = 0;
            while !stopped.load(Ordering::Relaxed) {
                // As text: what a bad server offers is not for every parser.
                let list = r#"{"jsonrpc":"2.0","id":"list","method":"tools/list"}"#;
                let list = session.post(list).await;
                assert_eq!(list.status, 200, "{}", list.body);
                for name in GOOD {
                    let listed = list.body.contains(&format!("\"{name}__echo\""));
                    assert!(listed, "{name} is not listed in round {round}");
                    let text = format!("{name} in round {round}");
                    let tool = format!("{name}__echo");
                    let called = session.call(&tool, json!({"text": text}));
                    let answer = timeout(PATIENCE, called).await;
                    assert_eq!(answer.expect("a good server answers").text(), text);
                }
                round += 1;
                count.send_replace(round);
            }
        });
        Self {
            stop,
            rounds,
            calling,
        }
    }

    /// Waits until all nine were called so many times more.
    async fn rounds(&mut self, more: usize) {
        let from = *self.rounds.borrow();
        let called = self.rounds.wait_for(|round| *round >= from + more);
        match timeout(PATIENCE * 2, called).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => panic!("a call failed: {:?}", (&mut self.calling).await),
            Err(_) => panic!("the good servers were not called {more} times more"),
        }
    }

    async fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(failed) = (&mut self.calling).await {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}

/// Asserts that an answer is a refusal of one of `kinds`, about the bad server, with its `fault`, and
/// says what would help.
#[track_caller]
fn assert_told(answer: &Answer, kinds: &[&str]) {
    assert_refused(answer, kinds);
    let data = answer.error_data();
    assert_eq!(data["server"], "bad", "{data}");
    assert_eq!(data["fault"], "server", "{data}");
    assert!(data["retry_safe"].is_boolean(), "{data}");
    let remedy = data["remedy"].as_str().unwrap_or_default();
    assert!(!remedy.is_empty(), "{data}");
}

/// Returns what an error says.
fn message(answer: &Answer) -> &str {
    answer.message["error"]["message"]
        .as_str()
        .unwrap_or_default()
}
