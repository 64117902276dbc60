//! A call that its client gives up ends, and its server hears that: under the id that the server
//! knows, and before whatever the client says next. What was not given up goes on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use narthex_testkit::{
    core::Core,
    entry::Entry,
    gate::{Gate, HeldEnd},
    peer::Peer,
    session::Session,
    upstream::Upstream,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(10);

/// A server that keeps what it is sent, by one of the transports.
struct Way {
    entry: Entry,
    record: PathBuf,
    /// Whether messages of one connection arrive in the order they were sent.
    in_order: bool,
    _folder: tempfile::TempDir,
    _upstream: Option<Upstream>,
}

impl Way {
    async fn all() -> Vec<Self> {
        vec![
            Self::new(None).await,
            Self::new(Some(&[][..])).await,
            Self::new(Some(&["--sse"])).await,
            Self::new(Some(&["--legacy"])).await,
        ]
    }

    /// Over HTTP with these arguments, or over stdio.
    async fn new(over_http: Option<&[&str]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record");
        let mut args = vec!["--record", record.to_str().unwrap()];
        args.extend(over_http.unwrap_or_default());
        let upstream = match over_http {
            Some(_) => Some(Upstream::start(&args).await),
            None => None,
        };
        let entry = match &upstream {
            Some(upstream) => Entry::url(upstream.url()),
            None => Entry::scripted(args),
        };
        Self {
            entry,
            record: record.clone(),
            in_order: upstream.is_none(),
            _folder: folder,
            _upstream: upstream,
        }
    }

    /// Returns what the server was sent, in order.
    fn messages(&self) -> Vec<Value> {
        let record = std::fs::read_to_string(&self.record).unwrap();
        let lines = record.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_and_its_server_hears_it_before_anything_later() {
    for way in Way::all().await {
        let core = Core::trusted([("alpha", way.entry.clone())]).await;
        for (session, prefix) in [
            (core.session().await, "alpha__"),
            (core.session_with("alpha").await, ""),
        ] {
            let gate = Gate::open();
            let body = call(&json!("mine"), &format!("{prefix}hold"), gate.arguments());
            let (raw, end) = tokio::join!(session.post(&body), async {
                let held = gate.arrived().await;
                cancel(&session, &json!("mine")).await;
                let later = json!({"text": "later"});
                let later = session.call(&format!("{prefix}echo"), later).await;
                assert_eq!(later.text(), "later");
                held.ended().await
            });

            assert_eq!(end, HeldEnd::Cancelled);
            // The call has ended, and with nothing: its client waits for no answer.
            assert!(!raw.body.contains("jsonrpc"), "{raw:?}");
            let messages = way.messages();
            let position = |of: &dyn Fn(&Value) -> bool| messages.iter().rposition(of).unwrap();
            let held = position(&|it| it["params"]["name"] == "hold");
            let cancelled = position(&|it| it["method"] == "notifications/cancelled");
            assert_eq!(
                messages[cancelled]["params"]["requestId"],
                messages[held]["id"]
            );
            if way.in_order {
                let later = position(&|it| it["params"]["name"] == "echo");
                assert!(held < cancelled && cancelled < later, "{messages:?}");
            }
        }
        let cancelled = |it: &&Value| it["method"] == "notifications/cancelled";
        assert_eq!(way.messages().iter().filter(cancelled).count(), 2);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_has_its_call_cancelled() {
    for way in Way::all().await {
        let core = Core::trusted([("alpha", way.entry.clone())]).await;
        let session = Arc::new(core.session().await);
        for accept in ["application/json", "application/json, text/event-stream"] {
            let gate = Gate::open();
            let body = call(&json!(7), "alpha__hold", gate.arguments());
            let calling = Arc::clone(&session);
            let waiting = tokio::spawn(async move { calling.send(body, accept).await });
            let held = gate.arrived().await;
            waiting.abort();
            assert_eq!(held.ended().await, HeldEnd::Cancelled, "{accept}");
        }
    }
}

#[tokio::test]
async fn only_what_is_meant_is_cancelled() {
    for way in Way::all().await {
        let core = Core::trusted([("alpha", way.entry.clone())]).await;
        let [a, b] = [core.session().await, core.session().await].map(Arc::new);
        let gate = Gate::open();
        let mut calls = Vec::new();
        // The ids read alike, and one client's are the other's, too.
        for (session, id) in [
            (&a, json!(1)),
            (&a, json!("1")),
            (&b, json!(1)),
            (&b, json!("1")),
        ] {
            let body = call(&id, "alpha__hold", gate.arguments());
            let session = Arc::clone(session);
            let answer = tokio::spawn(async move { session.post(&body).await });
            calls.push((gate.arrived().await, answer));
        }

        cancel(&a, &json!("1")).await;
        let (held, answer) = calls.remove(1);
        assert_eq!(held.ended().await, HeldEnd::Cancelled);
        assert!(!answer.await.unwrap().body.contains("jsonrpc"));

        // What is over, and what never was, is nobody's.
        for id in [json!("1"), json!(2), json!(null), json!({"id": 1})] {
            cancel(&a, &id).await;
        }
        for (number, (held, answer)) in calls.into_iter().enumerate() {
            let word = number.to_string();
            held.let_through(&word).await;
            let answer = timeout(SOON, answer).await.unwrap().unwrap().answer();
            assert_eq!(answer.text(), word);
        }
        let cancelled = |it: &&Value| it["method"] == "notifications/cancelled";
        assert_eq!(way.messages().iter().filter(cancelled).count(), 1);
    }
}

fn call(id: &Value, tool: &str, arguments: Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

async fn cancel(session: &Session, id: &Value) {
    let params = json!({"requestId": id});
    session.notify("notifications/cancelled", params).await;
}

#[tokio::test]
async fn a_subscription_whose_client_goes_keeps_nobody_waiting() {
    let peer = Peer::start().await;
    let core = Core::trusted([("alpha", Entry::url(peer.url()))]).await;
    peer.take("resources/subscribe");
    peer.take("notifications/cancelled");
    let subscribe = async |session: &Session| {
        let uri = json!({"uri": "x://y"});
        session.request("resources/subscribe", uri).await
    };
    for by_connection in [true, false] {
        let goes = Arc::new(core.session_with("alpha").await);
        let stays = core.session_with("alpha").await;
        let asking = tokio::spawn({
            let goes = Arc::clone(&goes);
            async move {
                let uri = json!({"uri": "x://y"});
                goes.request("resources/subscribe", uri).await
            }
        });
        let unanswered = peer.asked("resources/subscribe").await;
        let ending = async {
            if by_connection {
                asking.abort();
            } else {
                assert_eq!(goes.delete().await.status, 204);
            }
            let told = timeout(SOON / 2, peer.asked("notifications/cancelled")).await;
            let told = told.expect("the server is told at once");
            let id = &unanswered.seen.message["id"];
            assert_eq!(&told.seen.message["params"]["requestId"], id);
            told.respond(202, &[], "");
            let next = timeout(SOON / 2, peer.asked("resources/subscribe")).await;
            next.expect("the next one is asked for").result(&json!({}));
        };
        let (answer, ()) = tokio::join!(subscribe(&stays), ending);
        answer.result();
        stays.delete().await;
    }
}
