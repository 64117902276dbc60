//! Streams over HTTP that break off, and are gone on with: nothing is lost, nothing comes twice.

use std::time::{Duration, Instant};

use narthex_testkit::{
    core::Core,
    entry::Entry,
    peer::{Peer, text},
    session::Answer,
};
use serde_json::{Value, json};

#[tokio::test]
async fn an_answer_that_breaks_off_is_gone_on_with_where_it_did() {
    let (peer, core) = connected().await;
    peer.take("tools/call");
    peer.take("GET");
    let session = core.session().await;
    let params = json!({"name": "alpha__call", "_meta": {"progressToken": "mine"}});

    let serving = async {
        let call = peer.asked("tools/call").await;
        let token = call.seen.message["params"]["_meta"]["progressToken"].clone();
        let (first, second) = (progress(&token, 1), progress(&token, 2));
        let answer = call.with(&text("whole"));
        // It says when to ask again, and ends in order.
        let rest = call.stream();
        rest.write("retry: 300\nid: p-1\ndata: \n\n");
        drop(rest);
        let ended = Instant::now();

        let get = peer.asked("GET").await;
        assert!(ended.elapsed() >= Duration::from_millis(300));
        assert_eq!(get.seen.header("last-event-id"), "p-1");
        assert_eq!(get.seen.header("mcp-session-id"), "session-0");
        assert_eq!(get.seen.header("mcp-protocol-version"), "2025-11-25");
        let rest = get.stream();
        rest.write(format!("id: p-2\ndata: {first}\n\n"));
        rest.write("id: p-3\ndata: {\"half");
        rest.cut();

        // Half an event is none.
        let get = peer.asked("GET").await;
        assert_eq!(get.seen.header("last-event-id"), "p-2");
        get.respond(503, &[("retry-after", "1")], "");
        let refused = Instant::now();
        let get = peer.asked("GET").await;
        assert!(refused.elapsed() >= Duration::from_millis(990));
        assert_eq!(get.seen.header("last-event-id"), "p-2");
        let rest = get.stream();
        rest.write(format!("id: p-3\ndata: {second}\n\n"));
        rest.write(format!("id: p-4\ndata: {answer}\n\n"));
    };
    let (answer, ()) = tokio::join!(session.request("tools/call", params), serving);

    assert_eq!(answer.text(), "whole");
    let steps = |answer: &Answer| -> Vec<Value> {
        let told = answer.before.iter();
        told.map(|it| it["params"]["progress"].clone()).collect()
    };
    assert_eq!(steps(&answer), [json!(1), json!(2)]);
    assert_eq!(peer.seen("tools/call").len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_without_a_place_to_go_on_from_is_told_at_once() {
    let (peer, core) = connected().await;
    peer.take("tools/call");
    let session = core.session().await;
    let gets = peer.seen("GET").len();

    let serving = async {
        let rest = peer.asked("tools/call").await.stream();
        rest.write("data: \n\nid: taken back\n\nid\n\n: nothing\n\n");
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);

    assert_eq!(answer.error_kind(), "server_ended");
    assert_eq!(peer.seen("GET").len(), gets);
    assert!(core.server("alpha").await.is("connected"));
}

#[tokio::test]
async fn a_server_that_does_not_go_on_is_told_at_once() {
    for refusal in [405, 400, 404] {
        let (peer, core) = connected().await;
        peer.take("tools/call");
        let session = core.session().await;

        let serving = async {
            let rest = peer.asked("tools/call").await.stream();
            peer.take("GET");
            rest.write("id: 1\nretry: 1\n\n");
            drop(rest);
            peer.asked("GET").await.respond(refusal, &[], "");
        };
        let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);

        assert_eq!(answer.error_kind(), "server_ended", "{refusal}");
        assert_eq!(
            peer.seen("initialize").len(),
            1,
            "{refusal}: it knows pings"
        );
    }
}

#[tokio::test]
async fn an_answer_is_waited_for_until_the_deadline_of_its_call() {
    let peer = Peer::start().await;
    let entry = Entry::url(peer.url()).set("callTimeout", 1);
    let core = Core::trusted([("alpha", entry)]).await;
    peer.take("tools/call");
    peer.take("notifications/cancelled");
    let session = core.session().await;

    let serving = async {
        let call = peer.asked("tools/call").await;
        let id = call.seen.message["id"].clone();
        peer.take("GET");
        let rest = call.stream();
        rest.write("id: 1\nretry: 50\n\n");
        drop(rest);
        // A stream that stays open, and brings nothing.
        let open = peer.asked("GET").await.stream();
        let cancelled = peer.asked("notifications/cancelled").await;
        assert_eq!(cancelled.seen.message["params"]["requestId"], id);
        open.unread().await;
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);

    assert_eq!(answer.error_kind(), "timed_out");
}

#[tokio::test]
async fn what_the_server_says_by_itself_goes_on_where_it_broke_off() {
    let peer = Peer::start().await;
    peer.take("GET");
    let core = Core::trusted([("alpha", Entry::url(peer.url()))]).await;
    let session = core.session_with("alpha").await;
    session
        .request("resources/subscribe", json!({"uri": "x://y"}))
        .await
        .result();
    let mut stream = session.listen().await;
    let updated = |count: u32| {
        let params = json!({"uri": "x://y", "count": count});
        json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params})
    };

    let get = peer.asked("GET").await;
    assert_eq!(get.seen.header("last-event-id"), "");
    let rest = get.stream();
    rest.write(format!("retry: 200\n\nid: 7\ndata: {}\n\n", updated(1)));
    rest.write("id: 8\ndata: {\"half");
    rest.cut();
    let get = peer.asked("GET").await;
    assert_eq!(get.seen.header("last-event-id"), "7");
    get.respond(502, &[], "");
    let get = peer.asked("GET").await;
    assert_eq!(get.seen.header("last-event-id"), "7");
    let rest = get.stream();
    rest.write(format!("id: 8\ndata: {}\n\n", updated(2)));
    drop(rest);
    let get = peer.asked("GET").await;
    assert_eq!(get.seen.header("last-event-id"), "8");
    let rest = get.stream();
    rest.write(format!("id: 9\ndata: {}\n\n", updated(3)));

    for count in 1..=3 {
        let heard = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
        assert_eq!(heard.unwrap(), updated(count));
    }
    assert!(core.server("alpha").await.error.is_none());
}

#[tokio::test]
async fn an_answer_on_the_standing_stream_finds_its_call() {
    let peer = Peer::start().await;
    peer.take("GET");
    let core = Core::trusted([("alpha", Entry::url(peer.url()))]).await;
    let standing = peer.asked("GET").await.stream();
    peer.take("tools/call");
    let session = core.session().await;

    let serving = async {
        let call = peer.asked("tools/call").await;
        let answer = call.with(&text("here"));
        let rest = call.stream();
        rest.write("id: 1\nretry: 60000\n\n");
        drop(rest);
        // As one does that knows one stream a session.
        standing.write(format!("data: {answer}\n\ndata: {answer}\n\n"));
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);

    assert_eq!(answer.text(), "here");
    peer.leave("tools/call");
    let next = session.call("alpha__call", json!({})).await;
    assert_eq!(next.text(), "usual", "the second one was for nobody");
}

fn progress(token: &Value, step: u32) -> Value {
    let params = json!({"progressToken": token, "progress": step});
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
}

async fn connected() -> (Peer, Core) {
    let peer = Peer::start().await;
    let core = Core::trusted([("alpha", Entry::url(peer.url()))]).await;
    (peer, core)
}
