//! What servers ask of clients: each question finds the client whose call caused it, and nobody
//! else; where that cannot be told it is refused, and nobody waits.

use std::time::Duration;

use narthex_testkit::{
    core::Core, entry::Entry, gate::Gate, session::Session, sse::SseStream, upstream::Upstream,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_question_reaches_the_client_whose_call_caused_it_and_the_answer_the_server() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;

    for (method, params, result) in [
        (
            "elicitation/create",
            json!({"message": "?", "requestedSchema": {"type": "object", "x": 1.0}}),
            json!({"action": "accept", "content": {"a": 1}}),
        ),
        (
            "elicitation/create",
            json!({"mode": "url", "url": "https://x", "elicitationId": "1"}),
            json!({"action": "decline"}),
        ),
        (
            "sampling/createMessage",
            json!({"messages": [], "maxTokens": 1}),
            json!({"role": "assistant", "content": {"type": "text", "text": "hm"}}),
        ),
    ] {
        let mut stream = ask(&session, json!({"method": method, "params": params})).await;
        let question = timeout(SOON, stream.message()).await.unwrap();
        assert_eq!(
            (&question["method"], &question["params"]),
            (&json!(method), &params)
        );

        let taken = session.answer(&question, result.clone()).await;
        assert_eq!(taken.status, 202);
        assert_eq!(answer(&mut stream).await, json!({"result": result}));

        // A second answer changes nothing.
        assert_eq!(session.answer(&question, json!({})).await.status, 202);
    }
    let nobodys = session.answer(&json!({"id": 4711}), json!({})).await;
    assert_eq!(nobodys.status, 400);
    assert_eq!(nobodys.answer().error_kind(), "unknown_question");
}

#[tokio::test]
async fn a_late_answer_meets_no_question_of_the_session_after() {
    let core = Core::trusted([("alpha", full())]).await;
    let asked =
        json!({"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}});
    let before = able(&core).await;
    let mut stream = ask(&before, asked.clone()).await;
    let earlier = timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(before.delete().await.status, 204);

    let after = able(&core).await;
    let mut stream = ask(&after, asked).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    // JSON's numbers are whole up to 2^53, and some clients count in 32 bits.
    assert!((1..1 << 31).contains(&question["id"].as_u64().unwrap()));
    let late = after.answer(&earlier, json!({"action": "accept"})).await;
    assert_eq!(late.status, 400);
    assert_eq!(late.answer().error_kind(), "unknown_question");
    let declined = json!({"action": "decline"});
    let taken = after.answer(&question, declined.clone()).await;
    assert_eq!(taken.status, 202);
    assert_eq!(answer(&mut stream).await, json!({"result": declined}));
}

#[tokio::test]
async fn an_error_of_the_client_reaches_the_server_as_it_was_written() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;
    let mut stream = ask(&session, json!({"method": "sampling/createMessage"})).await;
    let question = timeout(SOON, stream.message()).await.unwrap();

    let error = json!({"code": -1, "message": "User rejected", "data": {"why": 1.5}});
    let refusal = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
    session.post(&refusal.to_string()).await;

    assert_eq!(answer(&mut stream).await, json!({"error": error}));
}

#[tokio::test]
async fn what_a_client_did_not_declare_is_refused_at_once() {
    let core = Core::trusted([("alpha", full())]).await;
    let plain = core.session().await;
    let forms = core
        .session_able("/mcp", json!({"elicitation": {}, "roots": {}}))
        .await;

    for (session, method, params, code) in [
        (&plain, "sampling/createMessage", json!({}), -32601),
        (&plain, "elicitation/create", json!({}), -32601),
        (&forms, "elicitation/create", json!({"mode": "url"}), -32602),
        // Roots are one client's, and the connection is everybody's.
        (&forms, "roots/list", json!({}), -32601),
        (&forms, "tasks/get", json!({}), -32601),
    ] {
        let arguments = json!({"method": method, "params": params});
        let call = session.call("alpha__ask", arguments);
        let refused = timeout(SOON, call).await.expect("nobody waits");
        let refused: Value = serde_json::from_str(refused.text()).unwrap();
        assert_eq!(refused["error"]["code"], code, "{method}");
        assert_eq!(refused["error"]["data"]["kind"], "not_declared");
    }
    let standing = plain.call("alpha__standing", json!({})).await;
    let standing: Value = serde_json::from_str(standing.text()).unwrap();
    assert_eq!(
        standing["declared"],
        json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}})
    );
}

#[tokio::test]
async fn where_the_wire_does_not_tell_whose_question_it_is_it_is_refused() {
    let core = Core::trusted([("alpha", full())]).await;
    let (a, b) = (able(&core).await, able(&core).await);
    let gate = Gate::open();

    // Over stdio, and both have a call in flight.
    let holding = a.call("alpha__hold", gate.arguments());
    let asking = async {
        let held = gate.arrived().await;
        let arguments = json!({"method": "elicitation/create", "params": {}});
        let asked = timeout(SOON, b.call("alpha__ask", arguments)).await;
        held.let_through("on").await;
        asked.expect("nobody waits")
    };
    let (held, asked) = tokio::join!(holding, asking);

    assert_eq!(held.before, Vec::<Value>::new());
    let refused: Value = serde_json::from_str(asked.text()).unwrap();
    let data = &refused["error"]["data"];
    assert_eq!(data["kind"], "several_clients");
    assert!(data["remedy"].as_str().unwrap().contains("per_client"));
}

#[tokio::test]
async fn over_http_each_question_comes_on_the_stream_of_its_call() {
    let upstream = Upstream::start(&["--full", "kit", "--sse"]).await;
    let core = Core::trusted([("alpha", Entry::url(upstream.url()))]).await;
    let sessions = [able(&core).await, able(&core).await, able(&core).await];
    let mut streams = Vec::new();

    for (number, session) in sessions.iter().enumerate() {
        let params = json!({"message": number});
        let arguments = json!({"method": "elicitation/create", "params": params});
        streams.push(ask(session, arguments).await);
    }
    let mut questions = Vec::new();
    for stream in &mut streams {
        questions.push(timeout(SOON, stream.message()).await.unwrap());
    }
    for (number, question) in questions.iter().enumerate() {
        assert_eq!(question["params"]["message"], number);
    }
    // The last is answered first.
    for number in [2, 0, 1] {
        let content = json!({"action": "accept", "content": {"n": number}});
        sessions[number]
            .answer(&questions[number], content.clone())
            .await;
        assert_eq!(
            answer(&mut streams[number]).await,
            json!({"result": content})
        );
    }
}

#[tokio::test]
async fn whatever_the_order_no_message_reaches_the_wrong_client() {
    const CLIENTS: usize = 3;
    const CALLS: u64 = 100;
    let upstream = Upstream::start(&["--full", "kit", "--sse"]).await;
    let stdio = full().set("session", "per_client");
    let core = Core::trusted([("alpha", Entry::url(upstream.url())), ("beta", stdio)]).await;
    let mut clients = tokio::task::JoinSet::new();

    for number in 0..CLIENTS {
        let session = able(&core).await;
        clients.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(number as u64);
            for call in 0..CALLS {
                // Its own word is in everything that a client asks for.
                let word = format!("{number}-{call}");
                let server = rng.choice(["alpha", "beta"]).unwrap();
                match rng.u8(0..3) {
                    0 => elicited(&session, server, &word).await,
                    1 => progressed(&session, server, &word).await,
                    _ => abandoned(&session, server, &word, &mut rng).await,
                }
            }
        });
    }

    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
}

/// Has the server ask for a word, and answers with it.
async fn elicited(session: &Session, server: &str, word: &str) {
    let arguments = json!({"method": "elicitation/create", "params": {"message": word}});
    let mut stream = ask_of(session, server, arguments).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(question["params"]["message"], word);
    let result = json!({"action": "accept", "content": {"word": word}});
    session.answer(&question, result.clone()).await;
    assert_eq!(answer(&mut stream).await, json!({"result": result}));
}

/// Has progress reported under a token of its own.
async fn progressed(session: &Session, server: &str, word: &str) {
    let params = json!({
        "name": format!("{server}__progress"),
        "arguments": {"steps": 3, "ms": 1},
        "_meta": {"progressToken": word},
    });
    let told = session.request("tools/call", params).await;
    assert!(told.is_ok(), "{told:?}");
    for notice in &told.before {
        assert_eq!(notice["params"]["progressToken"], word);
    }
}

/// Goes away with a question unanswered, at one moment or another.
async fn abandoned(session: &Session, server: &str, word: &str, rng: &mut fastrand::Rng) {
    let arguments = json!({"method": "sampling/createMessage", "params": {"metadata": word}});
    let mut stream = ask_of(session, server, arguments).await;
    if rng.bool() {
        let question = timeout(SOON, stream.message()).await.unwrap();
        assert_eq!(question["params"]["metadata"], word);
    }
    // What it has gone away from ends when others are gone away from: see `resume`.
}

#[tokio::test]
async fn a_client_without_an_event_stream_is_asked_on_its_own_stream_or_not_at_all() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;
    let body = &json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "alpha__ask", "arguments": {"method": "elicitation/create", "params": {}}},
    })
    .to_string();

    let refused = timeout(SOON, session.post_for_json(body)).await;
    let refused = refused.expect("nobody waits").answer();
    assert!(refused.text().contains("no_stream"), "{refused:?}");

    let mut own = session.listen().await;
    let asked = session.post_for_json(body);
    let answering = async {
        let question = timeout(SOON, own.message()).await.unwrap();
        session.answer(&question, json!({"action": "cancel"})).await;
    };
    let (asked, ()) = tokio::join!(asked, answering);
    assert_eq!(
        serde_json::from_str::<Value>(asked.answer().text()).unwrap(),
        json!({"result": {"action": "cancel"}})
    );
}

#[tokio::test]
async fn a_question_outlives_another_call_of_its_client() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;
    let gate = Gate::open();

    // Over stdio either of them may have caused it.
    let holding = session.call("alpha__hold", gate.arguments());
    let asking = async {
        let held = gate.arrived().await;
        let arguments = json!({"method": "elicitation/create", "params": {"message": "?"}});
        let params = json!({"name": "alpha__ask", "arguments": arguments});
        let asked = session.request("tools/call", params);
        let letting = async {
            // It has asked when it waits.
            while waiting(&session).await == 0 {}
            held.let_through("on").await;
        };
        tokio::join!(asked, letting).0
    };
    let answering = async {
        let held = holding.await;
        let answer = json!({"action": "accept"});
        session.answer(&held.before[0], answer).await;
        held
    };
    let (asked, held) = tokio::join!(asking, answering);

    assert_eq!(held.text(), "on");
    assert_eq!(
        serde_json::from_str::<Value>(asked.text()).unwrap(),
        json!({"result": {"action": "accept"}})
    );
}

#[tokio::test]
async fn a_question_ends_with_its_call_or_when_it_is_taken_back() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;

    // Taken back: the client is told, under the id that it knows.
    let arguments = json!({"method": "elicitation/create", "params": {}, "withdraw": true});
    let mut stream = ask(&session, arguments).await;
    let question = timeout(SOON, stream.message()).await.unwrap();
    let cancelled = timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
    assert_eq!(session.answer(&question, json!({})).await.status, 202);

    // The client ends its session: the server is answered all the same.
    let mut stream = ask(
        &session,
        json!({"method": "elicitation/create", "params": {}}),
    )
    .await;
    timeout(SOON, stream.message()).await.unwrap();
    assert_eq!(session.delete().await.status, 204);
    let other = core.session().await;
    timeout(SOON, async { while waiting(&other).await > 0 {} })
        .await
        .expect("nobody waits");
}

#[tokio::test]
async fn progress_on_a_question_reaches_the_server_under_its_own_token() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let record = record.to_str().unwrap();
    let core = Core::trusted([(
        "alpha",
        Entry::scripted(["--full", "kit", "--record", record]),
    )])
    .await;
    let session = able(&core).await;
    let params = json!({"messages": [], "_meta": {"progressToken": "the server's"}});
    let mut stream = ask(
        &session,
        json!({"method": "sampling/createMessage", "params": params}),
    )
    .await;
    let question = timeout(SOON, stream.message()).await.unwrap();

    let token = &question["params"]["_meta"]["progressToken"];
    assert_eq!(token, &question["id"]);
    session
        .notify(
            "notifications/progress",
            json!({"progressToken": token, "progress": 1}),
        )
        .await;
    session.answer(&question, json!({})).await;
    answer(&mut stream).await;

    let record = std::fs::read_to_string(record).unwrap();
    assert!(
        record.contains(r#""params":{"progress":1,"progressToken":"the server's"}"#)
            || record.contains(r#""params":{"progressToken":"the server's","progress":1}"#),
        "{record}"
    );
}

/// Returns how many questions of the server wait for an answer.
async fn waiting(session: &Session) -> u64 {
    let standing = session.call("alpha__standing", json!({})).await;
    let standing: Value = serde_json::from_str(standing.text()).unwrap();
    standing["waiting"].as_u64().unwrap()
}

fn full() -> Entry {
    Entry::scripted(["--full", "kit"])
}

async fn able(core: &Core) -> Session {
    let all = json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}});
    core.session_able("/mcp", all).await
}

async fn ask(session: &Session, arguments: Value) -> SseStream {
    ask_of(session, "alpha", arguments).await
}

async fn ask_of(session: &Session, server: &str, arguments: Value) -> SseStream {
    let params = json!({"name": format!("{server}__ask"), "arguments": arguments});
    session.stream("tools/call", params).await
}

/// Returns what the server was answered, as its tool tells.
async fn answer(stream: &mut SseStream) -> Value {
    let answer = timeout(SOON, stream.message()).await.unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    serde_json::from_str(text).unwrap()
}
