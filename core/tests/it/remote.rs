//! Servers at an address that are busy, broken or hostile: each gets its typed answer, and costs
//! nobody else anything.

use std::time::{Duration, SystemTime};

use narthex_testkit::{
    census,
    core::{Core, Home},
    entry::Entry,
    peer::{Asked, Peer},
    session::Answer,
};
use serde_json::json;
use tokio::time::{Instant, timeout};

/// Long enough for any message on a machine that is busy with tests, and far below a call's time.
const SOON: Duration = Duration::from_secs(110);

#[tokio::test]
async fn a_server_that_has_too_much_to_do_is_told_with_when_to_try_again() {
    let in_a_minute = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
    for (status, after, least, most, safe) in [
        (429, Some("7"), 7_000, 7_000, true),
        (503, Some(in_a_minute.as_str()), 1, 60_000, false),
        (503, None, 0, 0, false),
    ] {
        let (peer, core) = connected().await;
        let answer = answered(&peer, &core, |call| {
            let after: Vec<_> = after.iter().map(|it| ("retry-after", *it)).collect();
            call.respond(status, &after, "");
        });
        let answer = answer.await;

        assert_eq!(answer.error_kind(), "server_busy");
        let data = answer.error_data();
        assert_eq!(data["retry_safe"], safe, "{data}");
        let named = data["retry_after_ms"].as_u64();
        assert_eq!(named.is_some(), after.is_some(), "{data}");
        assert!(
            (least..=most).contains(&named.unwrap_or_default()),
            "{data}"
        );
        assert!(core.server("alpha").await.is("connected"));
    }
}

#[tokio::test]
async fn a_busy_address_is_not_tried_before_it_wants_to() {
    let peer = Peer::start().await;
    peer.take("initialize");
    let home = Home::new().with([("alpha", Entry::url(peer.url()))]);
    let core = home.trusted().start().await;

    let first = peer.asked("initialize").await;
    let refused = Instant::now();
    first.respond(429, &[("retry-after", "2")], "");
    let server = core
        .wait_until("alpha", |server| server.error.is_some())
        .await;
    peer.leave("initialize");
    core.wait_until("alpha", |server| server.is("connected"))
        .await;

    assert!(refused.elapsed() >= Duration::from_millis(1_990));
    let error = server.error.unwrap();
    assert_eq!(error.kind, "http_status");
    assert!(error.message.contains("429"), "{error:?}");
    assert_eq!(peer.seen("initialize").len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_compressed_is_none() {
    let (peer, core) = connected().await;
    let answer = answered(&peer, &core, |call| {
        // What is in it nobody looks at.
        assert_eq!(call.seen.header("accept-encoding"), "identity");
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        call.respond(200, &headers, vec![0x1f, 0x8b, 8, 0]);
    });
    let answer = answer.await;

    assert_eq!(answer.error_kind(), "invalid_reply");
    let message = answer.message["error"]["message"].as_str().unwrap();
    assert!(message.contains("compressed"), "{message}");
}

#[tokio::test]
async fn a_body_that_stops_in_the_middle_is_told_at_once() {
    for as_events in [false, true] {
        let (peer, core) = connected().await;
        let answer = answered(&peer, &core, |call| {
            let half = call.with(&json!({}))[..20].to_owned();
            if as_events {
                let rest = call.stream();
                rest.write(format!("data: {half}"));
                rest.cut();
            } else {
                let headers = [("content-type", "application/json")];
                let cut = Err(std::io::Error::other("cut"));
                let chunks = futures_util::stream::iter([Ok(half), cut]);
                call.respond(200, &headers, narthex_testkit::peer::chunks(chunks));
            }
        });
        let answer = answer.await;

        assert_eq!(answer.error_kind(), "server_ended");
        assert_eq!(answer.error_data()["retry_safe"], false);
        assert_eq!(peer.seen("tools/call").len(), 1);
    }
}

#[tokio::test]
async fn an_event_that_never_ends_is_let_go_and_beside_it_all_is_well() {
    let (peer, core) = connected().await;
    let answering = answered(&peer, &core, |call| {
        tokio::spawn(endless(call.stream()));
    });
    let (answer, ()) = tokio::join!(answering, well(&core));

    assert_eq!(answer.error_kind(), "reply_too_long");
    assert!(core.server("alpha").await.is("connected"));
    assert_small(&core);
}

#[tokio::test]
async fn an_event_that_never_ends_on_a_standing_stream_marks_the_server() {
    let peer = Peer::start().await;
    peer.take("GET");
    let core = beside_good(Entry::url(peer.url())).await;
    let rest = peer.asked("GET").await.stream();
    peer.take("initialize");

    let ((), ()) = tokio::join!(endless(rest), well(&core));

    // It is lost, and begun anew at once.
    let again = peer.asked("initialize").await;
    let server = core.server("alpha").await;
    assert!(server.is("retrying"), "{server:?}");
    drop(again);
    assert_logged(&core, "64 MB").await;
    assert_small(&core);
}

#[tokio::test]
async fn an_event_that_never_ends_over_http_and_sse_marks_the_server() {
    let peer = Peer::older().await;
    let core = beside_good(Entry::url(peer.url()).set("transport", "sse")).await;
    peer.take("tools/call");
    let session = core.session().await;

    let serving = async {
        peer.asked("tools/call").await.respond(202, &[], "");
        peer.take("GET");
        endless(peer.rest()).await;
    };
    let calling = timeout(SOON, session.call("alpha__call", json!({})));
    let (answer, (), ()) = tokio::join!(calling, serving, well(&core));

    assert_eq!(answer.unwrap().error_kind(), "reply_too_long");
    peer.asked("GET").await;
    assert_logged(&core, "64 MB").await;
    assert_small(&core);
}

#[tokio::test]
async fn a_long_answer_over_http_and_sse_takes_no_longer_than_it_must() {
    let peer = Peer::older().await;
    let core = Core::trusted([("alpha", Entry::url(peer.url()).set("transport", "sse"))]).await;
    peer.take("tools/call");
    let session = core.session().await;

    let serving = async {
        let call = peer.asked("tools/call").await;
        let long = "x".repeat(32 << 20);
        let answer = call.with(&narthex_testkit::peer::text(&long));
        let rest = peer.rest();
        // In the small pieces that a network makes of it.
        rest.write("data: ");
        for piece in answer.as_bytes().chunks(16 * 1024) {
            rest.write(piece.to_vec());
        }
        rest.write("\n\n");
        call.respond(202, &[], "");
    };
    let (answer, ()) = tokio::join!(session.call("alpha__call", json!({})), serving);

    assert_eq!(answer.text().len(), 32 << 20);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_carries_no_credentials() {
    let elsewhere = Peer::start().await;
    let to = [("location", elsewhere.url())];

    let peer = Peer::start().await;
    peer.take("GET");
    let entry = Entry::url(peer.url()).set("headers", json!({"authorization": "Bearer mine"}));
    let core = Core::trusted([("alpha", entry)]).await;
    peer.asked("GET").await.respond(307, &to, "");
    for status in [301, 302, 303, 307, 308] {
        let answer = answered(&peer, &core, |call| {
            assert_eq!(call.seen.header("authorization"), "Bearer mine");
            call.respond(status, &to, "");
        });
        assert_eq!(answer.await.error_kind(), "redirected", "{status}");
    }

    let older = Peer::older().await;
    older.take("GET");
    let entry = Entry::url(older.url()).set("transport", "sse");
    let core = Home::new().with([("alpha", entry)]).trusted().start().await;
    older.asked("GET").await.respond(302, &to, "");
    let server = core
        .wait_until("alpha", |server| server.error.is_some())
        .await;

    assert_eq!(server.error_kind(), "redirected");
    for kind in ["GET", "initialize", "tools/call"] {
        assert_eq!(elsewhere.seen(kind).len(), 0, "{kind}");
    }
}

/// Calls the peer's tool, whose answer is `serve`'s.
async fn answered(peer: &Peer, core: &Core, serve: impl FnOnce(Asked)) -> Answer {
    peer.take("tools/call");
    let session = core.session().await;
    let serving = async { serve(peer.asked("tools/call").await) };
    let calling = timeout(SOON, session.call("alpha__call", json!({})));
    let (answer, ()) = tokio::join!(calling, serving);
    answer.expect("the caller was not told")
}

/// Writes an event without an end until nobody reads it any more.
async fn endless(rest: narthex_testkit::peer::Rest) {
    rest.write("data: ");
    for _ in 0..80 {
        rest.write(vec![b'x'; 1 << 20]);
    }
    let gone = timeout(SOON, rest.unread()).await;
    assert!(gone.is_ok(), "80 MB were read, and more is waited for");
}

/// Asks the good server something, several times.
async fn well(core: &Core) {
    let session = core.session().await;
    for _ in 0..20 {
        let answer = session.call("good__echo", json!({"text": "well"}));
        let answer = timeout(SOON, answer).await;
        assert_eq!(answer.expect("nobody waits for the other").text(), "well");
    }
}

fn assert_small(core: &Core) {
    let resident = census::resident(core.pid());
    assert!(resident < 256 << 20, "{resident} bytes resident");
}

async fn assert_logged(core: &Core, what: &str) {
    let logs = core.get("/servers/alpha/logs?lines=100").await.json();
    let lines = logs["lines"].as_array().unwrap();
    let said = |line: &serde_json::Value| line["line"].as_str().unwrap_or_default().contains(what);
    assert!(lines.iter().any(said), "{logs}");
}

async fn connected() -> (Peer, Core) {
    let peer = Peer::start().await;
    let core = beside_good(Entry::url(peer.url())).await;
    (peer, core)
}

async fn beside_good(entry: Entry) -> Core {
    Core::trusted([("alpha", entry), ("good", Entry::scripted([]))]).await
}
