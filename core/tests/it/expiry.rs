//! Sessions that a server forgets: another is begun, and nobody notices.

use futures_util::future::join_all;
use narthex_testkit::{
    core::Core,
    entry::Entry,
    peer::{Asked, Peer, text},
};
use serde_json::{Value, json};

#[tokio::test]
async fn calls_that_a_server_forgot_the_session_of_are_sent_again_in_one_other() {
    const CALLS: usize = 5;
    let (peer, core) = connected().await;
    let session = core.session().await;
    let follower = core.events(None).await;
    peer.take("tools/call");

    let calling = join_all((0..CALLS).map(|_| session.call("alpha__call", json!({}))));
    let serving = async {
        let first = all_asked(&peer, CALLS).await;
        for call in first {
            assert_eq!(call.seen.header("mcp-session-id"), "session-0");
            call.respond(404, &[], "");
        }
        for call in all_asked(&peer, CALLS).await {
            assert_eq!(call.seen.header("mcp-session-id"), "session-1");
            call.result(&text("again"));
        }
    };
    let (answers, ()) = tokio::join!(calling, serving);

    assert!(answers.iter().all(|answer| answer.text() == "again"));
    let begun = peer.seen("initialize");
    assert_eq!(begun.len(), 2);
    assert_eq!(begun[1].header("mcp-session-id"), "");
    assert_eq!(begun[1].header("mcp-protocol-version"), "");
    assert_eq!(peer.seen("notifications/initialized").len(), 2);
    // It is no restart, no failure and nothing that a person would be told of.
    let server = core.server("alpha").await;
    assert!(
        server.is("connected") && server.error.is_none(),
        "{server:?}"
    );
    let metrics = core
        .send(core.request(reqwest::Method::GET, "/metrics"))
        .await;
    assert!(
        !metrics.body.contains("narthex_server_restarts_total{"),
        "{}",
        metrics.body
    );
    drop(follower);
}

#[tokio::test]
async fn calls_in_flight_go_on_in_the_session_that_was_left() {
    let (peer, core) = connected().await;
    let (one, other) = (core.session().await, core.session().await);
    peer.take("tools/call");

    let serving = async {
        let held = peer.asked("tools/call").await;
        let refused = tokio::spawn(async move { other.call("alpha__call", json!({})).await });
        peer.asked("tools/call").await.respond(404, &[], "");
        peer.asked("tools/call").await.result(&text("renewed"));
        assert_eq!(refused.await.unwrap().text(), "renewed");
        assert_eq!(peer.seen("initialize").len(), 2);
        held.result(&text("held"));
    };
    let (answer, ()) = tokio::join!(one.call("alpha__call", json!({})), serving);

    assert_eq!(answer.text(), "held");
}

#[tokio::test]
async fn quarantine_reaches_the_calls_in_a_session_that_was_left() {
    let (peer, core) = connected().await;
    let (one, other) = (core.session().await, core.session().await);
    peer.take("tools/call");

    let serving = async {
        let held = peer.asked("tools/call").await;
        let refused = tokio::spawn(async move { other.call("alpha__call", json!({})).await });
        peer.asked("tools/call").await.respond(404, &[], "");
        peer.asked("tools/call").await.result(&text("renewed"));
        assert_eq!(refused.await.unwrap().text(), "renewed");
        core.wish("alpha", "quarantine").await;
        held
    };
    let (answer, _held) = tokio::join!(one.call("alpha__call", json!({})), serving);

    assert_eq!(answer.error_kind(), "in_quarantine");
}

#[tokio::test]
async fn a_400_means_the_same_where_a_ping_gets_it_too() {
    let (peer, core) = connected().await;
    let session = core.session().await;
    peer.take("tools/call");
    peer.take("ping");

    let serving = async {
        peer.asked("tools/call").await.respond(400, &[], "");
        peer.asked("ping").await.respond(400, &[], "");
        let again = peer.asked("tools/call").await;
        assert_eq!(again.seen.header("mcp-session-id"), "session-1");
        again.result(&text("again"));
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);
    assert_eq!(answer.text(), "again");

    // One that knows the session still did not like the call.
    let serving = async {
        peer.asked("tools/call").await.respond(400, &[], "");
        peer.asked("ping").await.result(&json!({}));
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);
    assert_eq!(answer.error_kind(), "http_status");
    assert_eq!(peer.seen("initialize").len(), 2);
}

#[tokio::test]
async fn what_clients_follow_is_asked_for_in_the_other_session() {
    let (peer, core) = connected().await;
    let session = core.session_with("alpha").await;
    let following = session.request("resources/subscribe", json!({"uri": "x://y"}));
    following.await.result();
    peer.take("tools/call");
    peer.take("resources/subscribe");
    peer.take("logging/setLevel");
    let level = session.request("logging/setLevel", json!({"level": "info"}));
    level.await.result();
    peer.asked("logging/setLevel").await.result(&json!({}));

    let serving = async {
        peer.asked("tools/call").await.respond(404, &[], "");
        let subscribed = peer.asked("resources/subscribe").await;
        assert_eq!(subscribed.seen.header("mcp-session-id"), "session-1");
        assert_eq!(subscribed.seen.message["params"]["uri"], "x://y");
        subscribed.result(&json!({}));
        let level = peer.asked("logging/setLevel").await;
        assert_eq!(level.seen.header("mcp-session-id"), "session-1");
        assert_eq!(level.seen.message["params"]["level"], "info");
        level.result(&json!({}));
        peer.asked("tools/call").await.result(&text("again"));
    };
    let (answer, ()) = tokio::join!(session.call("call", json!({})), serving);

    assert_eq!(answer.text(), "again");
}

#[tokio::test]
async fn a_server_that_forgets_every_session_counts_as_lost_in_the_end() {
    let (peer, core) = connected().await;
    let session = core.session().await;
    peer.take("tools/call");

    let forgetting = async {
        loop {
            peer.asked("tools/call").await.respond(404, &[], "");
        }
    };
    let calling = async {
        // Each call is sent a bounded number of times, and ten sessions are begun for nothing.
        for count in 1.. {
            let answer = session.call("alpha__call", json!({})).await;
            assert_eq!(answer.error_kind(), "not_connected", "{}", answer.message);
            assert!(peer.seen("tools/call").len() <= 3 * count);
            let server = core.server("alpha").await;
            if let Some(error) = server.error {
                assert_eq!(error.kind, "session_expired");
                return;
            }
            assert!(count < 12, "{}", peer.seen("initialize").len());
        }
    };
    tokio::select! {
        () = forgetting => {}
        () = calling => {}
    }
    assert!(peer.seen("initialize").len() > 10);
}

#[tokio::test]
async fn a_clients_own_session_is_begun_anew_on_its_own_connection() {
    let peer = Peer::start().await;
    let entry = Entry::url(peer.url()).set("session", "per_client");
    let core = Core::trusted([("alpha", entry)]).await;
    let session = core.session().await;
    assert_eq!(session.call("alpha__call", json!({})).await.text(), "usual");
    peer.take("tools/call");

    let serving = async {
        let call = peer.asked("tools/call").await;
        assert_eq!(call.seen.header("mcp-session-id"), "session-1");
        call.respond(404, &[], "");
        let again = peer.asked("tools/call").await;
        assert_eq!(again.seen.header("mcp-session-id"), "session-2");
        again.result(&text("again"));
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);

    assert_eq!(answer.text(), "again");
    let names = peer.seen("initialize");
    let names: Vec<&Value> = names
        .iter()
        .map(|it| &it.message["params"]["clientInfo"]["name"])
        .collect();
    assert_eq!(names[1], names[2]);
    assert_ne!(names[0], names[1], "the connection that is watched goes on");
}

async fn all_asked(peer: &Peer, count: usize) -> Vec<Asked> {
    let mut all = Vec::new();
    while all.len() < count {
        all.push(peer.asked("tools/call").await);
    }
    all
}

async fn connected() -> (Peer, Core) {
    let peer = Peer::start().await;
    let core = Core::trusted([("alpha", Entry::url(peer.url()))]).await;
    (peer, core)
}
