//! Servers that speak HTTP+SSE, the transport of 2024-11-05.

use std::time::Duration;

use narthex_testkit::{core::Core, entry::Entry, gate::Gate, session::Session, upstream::Upstream};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn it_is_spoken_where_the_entry_says_so_and_found_out_where_it_does_not() {
    for transport in ["sse", "auto"] {
        let upstream = Upstream::start(&["--legacy", "--full", "kit"]).await;
        let entry = Entry::url(upstream.url()).set("transport", transport);
        let core = Core::trusted([("alpha", entry)]).await;
        let session = able(&core).await;

        let answer = session.call("alpha__echo", json!({"text": "hi"})).await;
        assert_eq!(answer.text(), "hi", "{transport}");
        let params = json!({"uri": "kit://static"});
        let read = session.request("resources/read", params).await;
        assert_eq!(read.result()["contents"][0]["uri"], "kit://static");

        let arguments = json!({"steps": 2, "ms": 1});
        let params = json!({"name": "alpha__progress", "arguments": arguments, "_meta": {"progressToken": "mine"}});
        let told = session.request("tools/call", params).await;
        assert_eq!(told.before.len(), 2);
        assert_eq!(told.before[0]["params"]["progressToken"], "mine");

        let arguments = json!({"method": "elicitation/create", "params": {}});
        let params = json!({"name": "alpha__ask", "arguments": arguments});
        let mut stream = session.stream("tools/call", params).await;
        let question = timeout(SOON, stream.message()).await.unwrap();
        session
            .answer(&question, json!({"action": "decline"}))
            .await;
        let answer = timeout(SOON, stream.message()).await.unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        let answered: Value = serde_json::from_str(text).unwrap();
        assert_eq!(answered, json!({"result": {"action": "decline"}}));
    }
}

#[tokio::test]
async fn a_stream_that_ends_is_another_session_and_the_client_goes_on() {
    let upstream = Upstream::start(&["--legacy"]).await;
    let core = Core::trusted([("alpha", Entry::url(upstream.url()))]).await;
    let session = core.session().await;
    let gate = Gate::open();

    let holding = session.call("alpha__hold", gate.arguments());
    let ending = async {
        let held = gate.arrived().await;
        upstream.hang_up().await;
        held
    };
    let (ended, _held) = tokio::join!(holding, ending);

    assert_eq!(ended.error_kind(), "server_ended");
    let answer = session.call("alpha__echo", json!({"text": "b"}));
    assert_eq!(timeout(SOON, answer).await.unwrap().text(), "b");
}

#[tokio::test]
async fn messages_are_not_sent_to_another_origin() {
    let elsewhere = Upstream::start(&[]).await;
    let endpoint = format!("{}?x", elsewhere.url());
    let upstream = Upstream::start(&["--legacy", "--legacy-endpoint", &endpoint]).await;
    let entry = Entry::url(upstream.url()).set("transport", "sse");
    let core = narthex_testkit::core::Home::new()
        .with([("alpha", entry)])
        .trusted()
        .start()
        .await;

    let server = core
        .wait_until("alpha", |server| server.error.is_some())
        .await;

    let error = server.error.unwrap();
    assert_eq!(error.kind, "invalid_reply");
    assert!(error.message.contains("another origin"), "{error:?}");
    assert_eq!(elsewhere.requests().await, 0);
}

#[tokio::test]
async fn an_address_that_speaks_neither_is_told_by_what_the_newer_said() {
    let upstream = Upstream::start(&["--http-status", "404"]).await;
    let core = narthex_testkit::core::Home::new()
        .with([("alpha", Entry::url(upstream.url()))])
        .trusted()
        .start()
        .await;

    let server = core
        .wait_until("alpha", |server| server.error.is_some())
        .await;

    let error = server.error.unwrap();
    assert_eq!(error.kind, "http_status");
    assert!(error.message.contains("404"), "{error:?}");
}

async fn able(core: &Core) -> Session {
    core.session_able("/mcp", json!({"elicitation": {}})).await
}
