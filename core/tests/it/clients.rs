//! What clients do as they come and go: sessions that outlive connections and end for good, HTTP/2,
//! ids, and clients that answer nothing.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use narthex_testkit::{
    core::Core,
    entry::Entry,
    gate::{Gate, HeldEnd},
    session::Session,
    sse::{SseEvent, SseParser},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn after_a_restart_a_client_initializes_anew() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let address = core.address().to_owned();
    let mut session = core.session().await;
    assert!(session.call("alpha__pid", json!({})).await.is_ok());

    let (home, _) = core.end(Signal::TERM).await;
    let core = home.arg("--listen").arg(&address).start().await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;

    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let refused = session.post(ping).await;
    assert_eq!(refused.status, 404, "{refused:?}");
    let refused = refused.answer();
    assert_eq!(refused.error_kind(), "session_not_found");
    assert_eq!(refused.message["id"], "p");
    assert_eq!(session.get(None).await.status(), 404);
    assert_eq!(session.get(Some("1-1")).await.status(), 404);
    assert_eq!(session.delete().await.status, 404);

    let old = session.id().unwrap().to_owned();
    session.initialize().await;
    assert_ne!(session.id().unwrap(), old);
    assert!(session.names().await.contains(&"alpha__pid".to_owned()));
    assert!(session.call("alpha__pid", json!({})).await.is_ok());
}

#[tokio::test]
async fn a_session_outlives_connections_and_ends_for_good() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let mut first = session.listen().await;
    assert!(timeout(SOON, first.next()).await.unwrap().is_some());

    // Another connection, of which the second stream hears from here on.
    let elsewhere = |method, body: &'static str| {
        core.request(method, "/mcp")
            .bearer_auth(core.home.token("client"))
            .header("mcp-session-id", session.id().unwrap())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body)
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let raw = core.send(elsewhere(reqwest::Method::POST, ping)).await;
    assert_eq!(raw.status, 200, "{raw:?}");
    let mut second = session.listen().await;
    assert!(timeout(SOON, first.next()).await.unwrap().is_none());

    assert_eq!(session.delete().await.status, 204);
    while timeout(SOON, second.next()).await.unwrap().is_some() {}
    for method in [
        reqwest::Method::POST,
        reqwest::Method::GET,
        reqwest::Method::DELETE,
    ] {
        let raw = core.send(elsewhere(method, ping)).await;
        assert_eq!(raw.status, 404, "{raw:?}");
        assert_eq!(raw.json()["error"]["code"], -32001);
    }
    let nobody = Session::new(&core.url("/mcp"), Some(&core.home.token("client")));
    for raw in [nobody.post(ping).await, nobody.delete().await] {
        assert_eq!(raw.status, 400, "{raw:?}");
        assert_eq!(raw.json()["error"]["data"]["kind"], "no_session");
    }
    assert_eq!(nobody.get(None).await.status(), 400);
}

#[tokio::test]
async fn a_session_that_ends_takes_its_calls_along() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let (session, gate) = (core.session().await, Gate::open());
    let other = core.session().await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "alpha__hold", "arguments": gate.arguments()}})
    .to_string();
    let ending = async {
        let held = gate.arrived().await;
        assert_eq!(session.delete().await.status, 204);
        held.ended().await
    };
    let (raw, end) = tokio::join!(session.post(&body), ending);
    assert!(!raw.body.contains("result"), "{raw:?}");
    assert_eq!(end, HeldEnd::Cancelled);
    assert!(other.call("alpha__pid", json!({})).await.is_ok());
}

#[tokio::test]
async fn http_2_is_spoken_at_the_same_address() {
    let core = Core::trusted([("alpha", Entry::scripted(["--full", "kit"]))]).await;
    let token = core.home.token("client");
    let stream = TcpStream::connect(core.address()).await.unwrap();
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let send = async |method: &str, path: &str, session: &str, body: Value| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(core.url(path))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", session)
            .body(Full::<Bytes>::from(body))
            .unwrap();
        client.clone().send_request(request).await.unwrap()
    };
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "two", "version": "1"}}});
    let hello = send("POST", "/mcp", "", initialize).await;
    assert_eq!(hello.version(), hyper::Version::HTTP_2);
    let id = hello.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();

    // A stream and many calls beside each other on one connection.
    let own = send("GET", "/mcp", &id, Value::Null).await;
    assert_eq!(own.headers()["content-type"], "text/event-stream");
    let call = |number: usize| {
        json!({"jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {"name": "alpha__echo", "arguments": {"text": number.to_string()}}})
    };
    let calls = (0..50).map(|number| send("POST", "/mcp", &id, call(number)));
    for (number, response) in futures_util::future::join_all(calls)
        .await
        .into_iter()
        .enumerate()
    {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["id"], number);
        assert_eq!(answer["result"]["content"][0]["text"], number.to_string());
    }

    // A question on the stream of its call, which breaks and is gone on with.
    let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "tools/call", "params":
        {"name": "alpha__ask", "arguments": {"method": "elicitation/create", "params": {}}}});
    let asked = send("POST", "/mcp", &id, ask).await;
    let events = read(asked.into_body(), 2).await;
    let question: Value = serde_json::from_str(&events[1].data).unwrap();
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    assert_eq!(send("POST", "/mcp", &id, answer).await.status(), 202);
    let again = Request::builder()
        .uri(core.url("/mcp"))
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-session-id", &id)
        .header("last-event-id", &events[1].id)
        .body(Full::<Bytes>::default())
        .unwrap();
    let again = client.clone().send_request(again).await.unwrap();
    let answered = read(again.into_body(), 1).await;
    assert!(answered[0].data.contains("decline"), "{answered:?}");

    // What is refused over HTTP/1.1 is refused here.
    let foreign = Request::builder()
        .uri(format!("http://evil.example{}", "/mcp"))
        .header("authorization", format!("Bearer {token}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    assert_eq!(
        client.clone().send_request(foreign).await.unwrap().status(),
        403
    );
    assert_eq!(send("GET", "/health", "", Value::Null).await.status(), 200);
    assert_eq!(send("DELETE", "/mcp", &id, Value::Null).await.status(), 204);

    // The core ends, and tells its clients.
    let (_home, status) = core.end(Signal::TERM).await;
    assert!(status.success());
    timeout(SOON, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_comes_before_initialize_is_refused_and_costs_nothing() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let mut session = Session::new(&core.url("/mcp"), Some(&core.home.token("client")));

    for method in [
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/roots/list_changed",
    ] {
        let notification = json!({"jsonrpc": "2.0", "method": method, "params": {"requestId": 1}});
        let raw = session.post(&notification.to_string()).await;
        assert_eq!(raw.status, 400, "{method}: {raw:?}");
        let refused = raw.answer();
        assert_eq!(refused.error_kind(), "no_session");
        assert!(
            refused.error_data()["remedy"]
                .as_str()
                .unwrap()
                .contains("Initialize")
        );
    }

    session.initialize().await;
    assert!(session.call("alpha__pid", json!({})).await.is_ok());
}

#[tokio::test]
async fn what_is_not_utf_8_is_refused_and_costs_nothing() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let mut body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"alpha__echo","arguments":{"text":"X"}}}"#.to_vec();
    let at = body.iter().position(|byte| *byte == b'X').unwrap();
    for bytes in [&[0xff][..], &[0xc0, 0xaf], &[0xed, 0xa0, 0x80], &[0xf5]] {
        let mut body = body.clone();
        body.splice(at..=at, bytes.iter().copied());
        let raw = core
            .send(
                core.request(reqwest::Method::POST, "/mcp")
                    .bearer_auth(core.home.token("client"))
                    .header("mcp-session-id", session.id().unwrap())
                    .header("content-type", "application/json")
                    .body(body),
            )
            .await;
        assert_eq!(raw.status, 400, "{bytes:?}: {raw:?}");
        let refused = raw.answer();
        assert_eq!(refused.error_kind(), "parse_error");
        assert_eq!(refused.message["error"]["code"], -32700);
        let message = refused.message["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("byte {at}")), "{message}");
    }
    body[at] = b'x';
    let raw = session.post(std::str::from_utf8(&body).unwrap()).await;
    assert_eq!(raw.answer().text(), "x");
}

#[tokio::test]
async fn a_client_that_answers_nothing_holds_up_nobody_and_waits_for_nothing() {
    let entry = Entry::scripted(["--full", "kit"]).set("session", "per_client");
    let core = Core::trusted([("alpha", entry)]).await;
    let roots = json!({"roots": {"listChanged": true}});
    // It opens no GET stream.
    let silent = core.session_able("/mcp", roots.clone()).await;
    let other = core.session_able("/mcp", roots).await;

    // Its first call opens its connection, and is answered without a word about roots.
    assert_eq!(
        silent
            .call("alpha__echo", json!({"text": "1"}))
            .await
            .text(),
        "1"
    );
    let params = json!({"name": "alpha__ask", "arguments": {"method": "roots/list"}});
    let mut stream = silent.stream("tools/call", params).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(question["method"], "roots/list");

    // The question is open, on its connection alone, while all of this goes on.
    for _ in 0..3 {
        for (session, waiting) in [(&silent, 1), (&other, 0)] {
            assert_eq!(
                session
                    .call("alpha__echo", json!({"text": "2"}))
                    .await
                    .text(),
                "2"
            );
            let standing = session.call("alpha__standing", json!({})).await;
            let standing: Value = serde_json::from_str(standing.text()).unwrap();
            assert_eq!(standing["waiting"], waiting);
        }
    }
    assert!(silent.list().await.len() > 3);

    // Where it could not be asked, nobody waits to find out.
    let body = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params":
        {"name": "alpha__ask", "arguments": {"method": "roots/list"}}});
    let refused = timeout(SOON, other.post_for_json(&body.to_string())).await;
    let refused = refused.unwrap().answer();
    assert!(refused.text().contains("no_stream"), "{refused:?}");
    // And its end is the question's.
    assert_eq!(silent.delete().await.status, 204);
    while timeout(SOON, stream.next()).await.unwrap().is_some() {}
}

/// Reads so many events of a body.
async fn read(mut body: hyper::body::Incoming, count: usize) -> Vec<SseEvent> {
    let (mut parser, mut events) = (SseParser::default(), Vec::new());
    while events.len() < count {
        let frame = timeout(SOON, body.frame()).await.unwrap();
        let data = frame.expect("more events").unwrap().into_data().unwrap();
        events.extend(parser.feed(&data));
    }
    events
}
