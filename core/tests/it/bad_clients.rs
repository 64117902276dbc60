//! Clients that send too much, too little or not at all: each gets its answer, and costs the others
//! nothing.

use std::time::Duration;

use narthex_testkit::{core::Core, entry::Entry, session::Session};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(30);

/// What a client may send.
const LIMIT: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn a_message_of_the_limit_is_taken_and_one_byte_more_is_refused_by_name() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let body = |length: usize| {
        let call = |text: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"alpha__echo","arguments":{{"text":"{text}"}}}}}}"#
            )
        };
        let rest = call("").len();
        call(&"x".repeat(length - rest))
    };

    let raw = session.post(&body(LIMIT)).await;
    assert_eq!(raw.status, 200);
    assert!(raw.answer().text().len() > LIMIT - 1024);
    for (length, chunked) in [(LIMIT + 1, true), (LIMIT + LIMIT / 2, false)] {
        let text = body(length);
        let body = if chunked {
            let chunks: Vec<_> = text
                .as_bytes()
                .chunks(1 << 16)
                .map(<[u8]>::to_vec)
                .collect();
            let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
            reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
        } else {
            text.into()
        };
        let raw = core.send(prepare(&core, &session).body(body)).await;
        assert_eq!(raw.status, 413, "{chunked} {length}: {raw:?}");
        let refused = raw.answer();
        assert_eq!(refused.error_kind(), "message_too_long");
        let message = refused.message["error"]["message"].as_str().unwrap();
        assert!(message.contains("16 MB"), "{message}");
        assert_eq!(refused.message["id"], Value::Null);
    }
    works(&session).await;
}

#[tokio::test]
async fn who_asks_first_sends_nothing_that_is_not_taken() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let mut stream = TcpStream::connect(core.address()).await.unwrap();
    let head = head(
        &core,
        &session,
        &format!("content-length: {}\r\nexpect: 100-continue", LIMIT + 1),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("message_too_long"), "{answer}");
}

#[tokio::test]
async fn a_length_that_is_not_true_is_refused_and_ends_the_connection_alone() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    // Longer than what comes: it is cut off where the client says no more.
    let mut stream = TcpStream::connect(core.address()).await.unwrap();
    let head_of = |length: &str| head(&core, &session, length);
    let length = format!("content-length: {}", ping.len() + 10);
    stream
        .write_all((head_of(&length) + ping).as_bytes())
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let cut_off = answer(&mut stream).await;
    assert!(!cut_off.contains(r#""result""#), "{cut_off}");

    // Shorter: the message is broken, and what follows is no request.
    let mut stream = TcpStream::connect(core.address()).await.unwrap();
    let length = format!("content-length: {}", ping.len() - 10);
    stream
        .write_all((head_of(&length) + ping).as_bytes())
        .await
        .unwrap();
    let broken = answer(&mut stream).await;
    assert!(broken.contains("parse_error"), "{broken}");
    assert!(!broken.contains(r#""result""#), "{broken}");

    // Neither length nor chunk that can be read.
    for wrong in [
        "content-length: -1",
        "content-length: x",
        "transfer-encoding: chunked",
    ] {
        let mut stream = TcpStream::connect(core.address()).await.unwrap();
        stream
            .write_all((head_of(wrong) + "zz\r\n").as_bytes())
            .await
            .unwrap();
        let refused = answer(&mut stream).await;
        assert!(refused.starts_with("HTTP/1.1 400 "), "{wrong}: {refused}");
    }
    works(&session).await;
}

#[tokio::test]
async fn a_body_in_an_encoding_is_refused_by_name() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for encoding in ["gzip", "br", "identity, gzip"] {
        let request = prepare(&core, &session).header("content-encoding", encoding);
        let raw = core.send(request.body(ping)).await;
        assert_eq!(raw.status, 415, "{raw:?}");
        assert_eq!(raw.answer().error_kind(), "content_encoding");
        assert_eq!(raw.header("accept-encoding"), "identity");
    }
    let request = prepare(&core, &session).header("content-encoding", "identity");
    assert_eq!(core.send(request.body(ping)).await.status, 200);
}

#[tokio::test]
async fn half_requests_hold_up_nobody() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let whole = head(&core, &session, "content-length: 1000") + r#"{"jsonrpc":"#;
    let mut halves = Vec::new();
    for length in [0, 1, 10, 100, whole.len()] {
        for _ in 0..40 {
            let mut stream = TcpStream::connect(core.address()).await.unwrap();
            stream.write_all(&whole.as_bytes()[..length]).await.unwrap();
            halves.push(stream);
        }
        works(&session).await;
    }
    let fresh = core.session().await;
    works(&fresh).await;
    // One that comes after all is served.
    let mut late = halves.swap_remove(50);
    late.write_all(&whole.as_bytes()[1..]).await.unwrap();
    late.write_all(" ".repeat(1000 - 11).as_bytes())
        .await
        .unwrap();
    let answer = answer(&mut late).await;
    assert!(answer.contains("parse_error"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_end_those_that_wait() {
    let core = Core::trusted([("alpha", Entry::scripted(["--full", "kit"]))]).await;
    let session = core.session().await;
    let mut own = session.listen().await;
    let max = allow(&core, 256) / 2;

    let mut idle = Vec::new();
    for _ in 0..max + 100 {
        let mut stream = TcpStream::connect(core.address()).await.unwrap();
        stream.write_all(b"POST /mcp HTTP/1.1\r\n").await.unwrap();
        idle.push(stream);
    }

    // Those that came first are gone, and whoever has a request going on is not.
    let mut byte = [0];
    for stream in &mut idle[..50] {
        let read = timeout(SOON, stream.read(&mut byte))
            .await
            .expect("it was ended");
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    works(&session).await;
    let params = json!({"uri": "kit://static"});
    assert!(
        session
            .request("resources/subscribe", params.clone())
            .await
            .is_ok()
    );
    session.call("alpha__touch", params).await;
    let updated = timeout(SOON, own.message()).await.unwrap();
    assert_eq!(updated["method"], "notifications/resources/updated");
    works(&core.session().await).await;
}

#[tokio::test]
async fn where_all_connections_are_busy_one_more_is_told_so() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    core.look_away();
    let max = allow(&core, 128) / 2;
    let request = |session: &Session| {
        let head = head(&core, session, "x-none: 1").replacen("POST", "GET", 1);
        head.replace("application/json", "text/event-stream")
    };
    let mut sessions = Vec::new();
    for _ in 0..max {
        sessions.push(core.session().await);
    }

    let mut busy = Vec::new();
    for session in &sessions {
        let mut stream = TcpStream::connect(core.address()).await.unwrap();
        stream.write_all(request(session).as_bytes()).await.unwrap();
        let answer = first_line(&mut stream).await;
        if answer.starts_with("HTTP/1.1 503 ") {
            break;
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        busy.push(stream);
    }
    let mut more = TcpStream::connect(core.address()).await.unwrap();
    more.write_all(request(&sessions[0]).as_bytes())
        .await
        .unwrap();
    let refused = first_line(&mut more).await;
    // This process has none open but these, and perhaps one of the events that has not ended yet.
    assert!(busy.len() + 1 >= max, "{} of {max}", busy.len());
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");

    // Each that ends makes room, as soon as the core has learned of it.
    drop(busy.pop());
    let served = async {
        loop {
            let mut stream = TcpStream::connect(core.address()).await.unwrap();
            stream
                .write_all(request(&sessions[0]).as_bytes())
                .await
                .unwrap();
            if first_line(&mut stream).await.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    timeout(SOON, served).await.expect("there is room again");
}

#[tokio::test]
async fn a_client_that_does_not_read_fills_its_own_stream_alone() {
    const STEPS: u64 = 20_000;
    let core = Core::trusted([("alpha", Entry::scripted(["--full", "kit"]))]).await;
    let (slow, quick) = (core.session().await, core.session().await);
    let params = json!({
        "name": "alpha__progress",
        "arguments": {"steps": STEPS, "ms": 0},
        "_meta": {"progressToken": "x".repeat(400)},
    });

    let mut stream = slow.stream("tools/call", params).await;
    // Its other calls, and others', go on; when its call has ended nobody waits for it.
    for _ in 0..20 {
        works(&quick).await;
        works(&slow).await;
    }

    let (mut heard, mut missed, mut at) = (0, 0, 0);
    let answer = loop {
        let message = timeout(SOON, stream.message()).await.unwrap();
        match message["method"].as_str() {
            Some("notifications/progress") => {
                let progress = message["params"]["progress"].as_u64().unwrap();
                assert!(progress > at);
                (heard, at) = (heard + 1, progress);
            }
            Some(_) => missed += message["params"]["data"]["missed"].as_u64().unwrap(),
            None => break message,
        }
    };
    assert_eq!(answer["result"]["content"][0]["text"], "done");
    assert_eq!(heard + missed, STEPS);
}

#[tokio::test]
async fn a_client_that_begins_sessions_without_end_loses_its_own() {
    const SESSIONS_MAX: usize = 10_000;
    let entry = Entry::scripted([]).set("session", "per_client");
    let core = Core::trusted([("alpha", entry)]).await;
    let other = core.post("/clients", json!({"name": "other"})).await.json();
    let other = Session::open(&core.url("/mcp"), other["token"].as_str()).await;
    works(&other).await;
    let first = core.session().await;
    works(&first).await;
    assert_eq!(core.pids_of("alpha").len(), 3);

    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let (url, token) = (core.url("/mcp"), core.home.token("client"));
        opening.spawn(async move {
            let mut session = Session::new(&url, Some(&token));
            for _ in 0..SESSIONS_MAX / 8 {
                session.initialize().await;
            }
            session
        });
    }
    let mut last = Vec::new();
    while let Some(session) = opening.join_next().await {
        last.push(session.unwrap());
    }

    // The one used least recently is gone, with the connection that it had.
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(first.post(ping).await.status, 404);
    let settled = async {
        while core.pids_of("alpha").len() > 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, settled).await.unwrap();
    for session in last.iter().chain([&other]) {
        assert_eq!(session.post(ping).await.status, 200);
    }
    works(&other).await;
}

/// Checks that calls go through.
async fn works(session: &Session) {
    let call = session.call("alpha__echo", json!({"text": "x"}));
    let answer = timeout(SOON, call).await.expect("it is answered");
    assert_eq!(answer.text(), "x");
}

fn prepare(core: &Core, session: &Session) -> reqwest::RequestBuilder {
    core.request(reqwest::Method::POST, "/mcp")
        .bearer_auth(core.home.token("client"))
        .header("mcp-session-id", session.id().unwrap())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
}

/// Returns the head of a POST.
fn head(core: &Core, session: &Session, length: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nmcp-session-id: {}\r\ncontent-type: application/json\r\naccept: application/json\r\n{length}\r\n\r\n",
        core.address(),
        core.home.token("client"),
        session.id().unwrap(),
    )
}

/// Allows the core so many descriptors; returns the number.
fn allow(core: &Core, descriptors: u64) -> usize {
    let pid = rustix::process::Pid::from_raw(i32::try_from(core.pid()).unwrap());
    let limit = rustix::process::Rlimit {
        current: Some(descriptors),
        maximum: Some(descriptors),
    };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).unwrap();
    usize::try_from(descriptors).unwrap()
}

/// Reads until a line has come, or the other side says no more.
async fn first_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut buffer = [0; 1024];
    while !line.contains(&b'\n') {
        match timeout(SOON, stream.read(&mut buffer))
            .await
            .expect("something comes")
        {
            Ok(0) | Err(_) => break,
            Ok(count) => line.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// Reads until the other side says no more, or has said a whole error.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = timeout(SOON, stream.read(&mut buffer)).await;
        match read.expect("something comes") {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
        }
        let text = String::from_utf8_lossy(&answer);
        if text.contains("}}}") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}
