use std::{
    fs::{self, File},
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::client::stub::{self, Seen, Stub};

#[tokio::test]
async fn the_session_is_kept_and_messages_go_through_unread() {
    let core = Stub::start(|seen: &Seen| session(seen, "s1")).await;
    let (link, mut output, _home) = bridge(&core).await;

    begin(&link, &mut output).await;
    carry(&link, r#"{"jsonrpc":"2.0","id":7.0,"method":"tools/list"}"#).await;

    // Both kinds of answer become one line each, with the spelling they had.
    assert_eq!(
        output.recv().await.unwrap(),
        r#"{"n":1e400, "in":"two lines"}"#
    );
    assert_eq!(output.recv().await.unwrap(), r#"{"second":true}"#);
    let seen = core.seen();
    let list = seen
        .iter()
        .find(|seen| seen.body["method"] == "tools/list")
        .unwrap();
    assert_eq!(list.headers["mcp-session-id"], "s1");
    assert_eq!(list.headers["mcp-protocol-version"], "2025-11-25");
    assert_eq!(list.headers["narthex-client"], "Test");
    assert_eq!(list.target, "/mcp");
}

#[tokio::test]
async fn the_bridge_listens_once_the_session_has_begun_and_ends_it() {
    let core = Stub::start(|seen: &Seen| session(seen, "s1")).await;
    let (link, mut output, _home) = bridge(&core).await;
    begin(&link, &mut output).await;

    link.listen();

    assert_eq!(output.recv().await.unwrap(), r#"{"unasked":true}"#);
    link.end().await;
    let last = core.seen().pop().unwrap();
    assert_eq!(last.method, "DELETE");
    assert_eq!(last.headers["mcp-session-id"], "s1");
}

#[tokio::test]
async fn a_session_that_is_gone_is_begun_again_with_the_words_of_the_client() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    let core = Stub::start(|seen: &Seen| {
        if seen.body["method"] == "initialize" {
            let number = BEGUN.fetch_add(1, Ordering::SeqCst) + 1;
            return session(seen, &format!("s{number}"));
        }
        match seen.headers.get("mcp-session-id").map(String::as_str) {
            Some("s1") if seen.body["method"] == "tools/list" => {
                stub::json(404, &json!({"error": "no such session"}))
            }
            _ if seen.method == "GET" => stub::response(405, "text/plain", ""),
            _ => session(seen, ""),
        }
    })
    .await;
    let (link, mut output, _home) = bridge(&core).await;
    begin(&link, &mut output).await;

    carry(&link, r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#).await;

    // The second answer to `initialize` is not the client's business; that lists may differ is.
    let changed: Value = serde_json::from_str(&output.recv().await.unwrap()).unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(
        output.recv().await.unwrap(),
        r#"{"n":1e400, "in":"two lines"}"#
    );
    let initializes: Vec<_> = core
        .seen()
        .into_iter()
        .filter(|seen| seen.body["method"] == "initialize")
        .map(|seen| seen.body)
        .collect();
    assert_eq!(initializes.len(), 2);
    assert_eq!(initializes[0], initializes[1]);
}

#[tokio::test]
async fn calls_do_not_wait_for_each_other() {
    static QUICK_WAS_ASKED: Notify = Notify::const_new();
    let core = Stub::start(|seen: &Seen| {
        let slow = seen.body["method"] == "slow";
        if seen.body["method"] == "quick" {
            QUICK_WAS_ASKED.notify_one();
        }
        let body = if slow {
            axum::body::Body::from_stream(futures_util::stream::once(async {
                QUICK_WAS_ASKED.notified().await;
                Ok::<_, std::convert::Infallible>("{\"answer\":\"slow\"}")
            }))
        } else {
            "{\"answer\":\"quick\"}".into()
        };
        stub::response(200, "application/json", body)
    })
    .await;
    let (link, mut output, _home) = bridge(&core).await;
    tokio::join!(
        carry(&link, r#"{"jsonrpc":"2.0","id":1,"method":"slow"}"#),
        carry(&link, r#"{"jsonrpc":"2.0","id":2,"method":"quick"}"#),
    );
    let mut answers = [output.recv().await.unwrap(), output.recv().await.unwrap()];
    answers.sort();
    assert_eq!(answers, [r#"{"answer":"quick"}"#, r#"{"answer":"slow"}"#]);
}

#[tokio::test]
async fn what_is_refused_is_answered_under_the_id_of_the_call() {
    let core = Stub::start(|_| {
        let problem =
            json!({"type": "t", "title": "", "status": 401, "detail": "not you", "remedy": "r"});
        stub::response(401, "application/problem+json", problem.to_string())
    })
    .await;
    let (link, mut output, _home) = bridge(&core).await;
    carry(&link, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#).await;
    carry(&link, r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#).await;
    let refusal: Value = serde_json::from_str(&output.recv().await.unwrap()).unwrap();
    assert_eq!(refusal["id"], "a");
    assert_eq!(refusal["error"]["message"], "not you");
    assert_eq!(refusal["error"]["data"]["remedy"], "r");
}

/// A bridge to a core that holds a home folder.
async fn bridge(core: &Stub) -> (Arc<Link>, mpsc::Receiver<String>, (TempDir, File)) {
    let home = tempfile::tempdir().unwrap();
    let holder =
        json!({"pid": 1, "kind": "serve", "address": core.address.to_string(), "since": "t"});
    let lock = home.path().join("core.lock");
    fs::write(&lock, holder.to_string()).unwrap();
    let lock = File::open(lock).unwrap();
    lock.lock().unwrap();
    fs::write(home.path().join("client.token"), "narthex_client_x\n").unwrap();
    let (output, lines) = mpsc::channel(64);
    let place = Some(home.path().to_owned());
    let link = Link::new(place, Some("Test".into()), output).unwrap();
    link.prepare().await;
    (Arc::new(link), lines, (home, lock))
}

async fn begin(link: &Link, output: &mut mpsc::Receiver<String>) {
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"x":1}}"#;
    link.initialize(&Envelope::read(initialize.into()).unwrap())
        .await;
    let answer: Value = serde_json::from_str(&output.recv().await.unwrap()).unwrap();
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
}

async fn carry(link: &Link, line: &str) {
    let envelope = Envelope::read(Bytes::copy_from_slice(line.as_bytes())).unwrap();
    link.carry(&envelope).await;
}

/// Answers as a core does whose session has this id.
fn session(seen: &Seen, id: &str) -> Response {
    match (seen.method.as_str(), seen.body["method"].as_str()) {
        (_, Some("initialize")) => {
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}}});
            let reply = json!({"jsonrpc": "2.0", "id": seen.body["id"], "result": result});
            ([("mcp-session-id", id.to_owned())], stub::json(200, &reply)).into_response()
        }
        (_, Some("tools/list")) => stub::sse(
            "data: {\"n\":1e400,\ndata: \"in\":\"two lines\"}\n\ndata: {\"second\":true}\n\n",
        ),
        ("GET", _) => stub::sse("data: {\"unasked\":true}\n\n"),
        _ => stub::response(202, "text/plain", ""),
    }
}
