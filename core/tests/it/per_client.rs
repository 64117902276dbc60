//! `"session": "per_client"`: each client's session has a connection of its own, which is opened when
//! it is used and ends with the session.

use std::time::Duration;

use narthex_testkit::{
    core::Core, entry::Entry, gate::Gate, session::Session, sse::SseStream, upstream::Upstream,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn each_session_has_a_process_of_its_own_that_ends_with_it() {
    let core = Core::trusted([("alpha", full())]).await;
    let (a, b) = (able(&core).await, able(&core).await);
    assert_eq!(core.pids_of("alpha").len(), 1, "none before it is used");

    let (of_a, of_b) = (pid(&a).await, pid(&b).await);
    assert_ne!(of_a, of_b);
    assert_eq!(pid(&a).await, of_a);
    assert_eq!(core.pids_of("alpha").len(), 3);

    a.delete().await;
    gone(&core, of_a).await;
    assert_eq!(pid(&b).await, of_b);
    core.wish("alpha", "disconnect").await;
    core.wait_until_server_gone("alpha", SOON).await;
}

#[tokio::test]
async fn what_a_server_asks_with_several_calls_in_flight_reaches_its_own_client() {
    let core = Core::trusted([("alpha", full())]).await;
    let sessions = [able(&core).await, able(&core).await, able(&core).await];
    let mut asked = Vec::new();

    for (number, session) in sessions.iter().enumerate() {
        let params = json!({"message": number});
        let arguments = json!({"method": "elicitation/create", "params": params});
        let mut stream = ask(session, arguments).await;
        let question = timeout(SOON, stream.message()).await.unwrap();
        assert_eq!(question["params"]["message"], number);
        asked.push((stream, question));
    }
    for (number, (mut stream, question)) in asked.into_iter().enumerate().rev() {
        let content = json!({"action": "accept", "content": {"n": number}});
        sessions[number].answer(&question, content.clone()).await;
        assert_eq!(answer(&mut stream).await, json!({"result": content}));
    }
}

#[tokio::test]
async fn a_client_is_introduced_with_what_it_declares_and_asked_for_its_roots() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;
    let plain = core.session().await;

    let standing =
        |answer: &str| serde_json::from_str::<Value>(answer).unwrap()["declared"].clone();
    let declared = session.call("alpha__standing", json!({})).await;
    let all = json!({"elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": true}, "sampling": {"tools": {}}});
    assert_eq!(standing(declared.text()), all);
    let declared = plain.call("alpha__standing", json!({})).await;
    assert_eq!(standing(declared.text()), json!({}));

    let mut stream = ask(&session, json!({"method": "roots/list"})).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    let roots = json!({"roots": [{"uri": "file:///a"}]});
    session.answer(&question, roots.clone()).await;
    assert_eq!(answer(&mut stream).await, json!({"result": roots}));
    let refused = plain
        .call("alpha__ask", json!({"method": "roots/list"}))
        .await;
    assert!(refused.text().contains("not_declared"), "{refused:?}");

    session
        .notify("notifications/roots/list_changed", json!({}))
        .await;
    timeout(SOON, async {
        loop {
            let heard = session.call("alpha__heard", json!({})).await;
            let heard: Value = serde_json::from_str(heard.text()).unwrap();
            if heard["notifications/roots/list_changed"] == 1 {
                return;
            }
        }
    })
    .await
    .expect("the server hears that roots have changed");
}

#[tokio::test]
async fn what_is_asked_beside_a_call_outlives_it() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;

    let mut stream = ask(&session, json!({"method": "roots/list", "later": true})).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(question["method"], "roots/list");
    assert_eq!(answer(&mut stream).await, json!("asked"));
    let roots = json!({"roots": [{"uri": "file:///a"}]});
    session.answer(&question, roots.clone()).await;

    timeout(SOON, async {
        loop {
            let standing = session.call("alpha__standing", json!({})).await;
            let standing: Value = serde_json::from_str(standing.text()).unwrap();
            if let Some(answers) = standing["answers"].as_object()
                && let Some(answer) = answers.values().next()
            {
                assert_eq!(*answer, json!({"result": roots}));
                return;
            }
        }
    })
    .await
    .expect("the server hears the answer");
}

#[tokio::test]
async fn one_clients_crash_is_its_own() {
    let core = Core::trusted([("alpha", full())]).await;
    let (a, b) = (able(&core).await, able(&core).await);
    let (of_a, of_b) = (pid(&a).await, pid(&b).await);
    let gate = Gate::open();

    let holding = b.call("alpha__hold", gate.arguments());
    let crashing = async {
        let held = gate.arrived().await;
        let crash = a.call("alpha__crash", json!({})).await;
        assert_eq!(crash.error_kind(), "server_ended");
        let again = timeout(SOON, pid(&a)).await.unwrap();
        assert_ne!(again, of_a);
        held.let_through("on").await;
    };
    let (held, ()) = tokio::join!(holding, crashing);

    assert_eq!(held.text(), "on");
    assert_eq!(pid(&b).await, of_b);
    assert!(core.server("alpha").await.is("connected"));
}

#[tokio::test]
async fn a_quarantine_ends_what_every_client_has_in_flight() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;
    let gate = Gate::open();

    let holding = session.call("alpha__hold", gate.arguments());
    let deciding = async {
        let _held = gate.arrived().await;
        core.wish("alpha", "quarantine").await;
    };
    let (held, ()) = tokio::join!(holding, deciding);

    assert_eq!(held.error_kind(), "in_quarantine");
    core.wait_until_server_gone("alpha", SOON).await;
}

#[tokio::test]
async fn updates_and_log_messages_come_on_the_clients_own_stream() {
    let core = Core::trusted([("alpha", full())]).await;
    let (a, b) = (able(&core).await, able(&core).await);
    let (mut of_a, mut of_b) = (a.listen().await, b.listen().await);
    let watched = json!({"uri": "kit://watched"});

    a.request("resources/subscribe", watched.clone())
        .await
        .result();
    // Another client's resource of the same name is another process's.
    assert_eq!(
        b.call("alpha__touch", watched.clone()).await.text(),
        "false"
    );
    assert_eq!(a.call("alpha__touch", watched.clone()).await.text(), "true");
    let update = timeout(SOON, of_a.message()).await.unwrap();
    assert_eq!(update["params"]["uri"], "kit://watched");
    // It is followed on the connection that replaces one that has crashed.
    a.call("alpha__crash", json!({})).await;
    assert_eq!(a.call("alpha__touch", watched.clone()).await.text(), "true");
    timeout(SOON, of_a.message()).await.unwrap();

    for (session, level) in [(&a, "error"), (&b, "debug")] {
        session
            .request("logging/setLevel", json!({"level": level}))
            .await
            .result();
    }
    let said = a.call("alpha__log", json!({"level": "info"})).await;
    assert_eq!(said.before, Vec::<Value>::new());
    let said = b.call("alpha__log", json!({"level": "info"})).await;
    assert_eq!(said.before.len(), 1);
    b.request("resources/subscribe", watched.clone())
        .await
        .result();
    b.call("alpha__touch", watched).await;
    let update = timeout(SOON, of_b.message()).await.unwrap();
    assert_eq!(update["method"], "notifications/resources/updated");
}

#[tokio::test]
async fn over_http_each_client_has_a_session_of_its_own_at_the_server() {
    let upstream = Upstream::start(&["--full", "kit", "--sse"]).await;
    let entry = Entry::url(upstream.url()).set("session", "per_client");
    let core = Core::trusted([("alpha", entry)]).await;
    let session = able(&core).await;

    let mut stream = ask(&session, json!({"method": "roots/list"})).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    session.answer(&question, json!({"roots": []})).await;

    assert_eq!(answer(&mut stream).await, json!({"result": {"roots": []}}));
}

fn full() -> Entry {
    Entry::scripted(["--full", "kit"]).set("session", "per_client")
}

async fn able(core: &Core) -> Session {
    let all = json!({
        "sampling": {"tools": {}},
        "elicitation": {"form": {}, "url": {}},
        "roots": {"listChanged": true},
        "tasks": {},
    });
    core.session_able("/mcp", all).await
}

async fn pid(session: &Session) -> u32 {
    let pid = session.call("alpha__pid", json!({})).await;
    pid.text().parse().unwrap()
}

async fn gone(core: &Core, pid: u32) {
    timeout(SOON, async {
        while core.pids_of("alpha").contains(&pid) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its process ends");
}

async fn ask(session: &Session, arguments: Value) -> SseStream {
    let params = json!({"name": "alpha__ask", "arguments": arguments});
    session.stream("tools/call", params).await
}

/// Returns what the server was answered, as its tool tells.
async fn answer(stream: &mut SseStream) -> Value {
    let answer = timeout(SOON, stream.message()).await.unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    serde_json::from_str(text).unwrap()
}
