//! A client that loses a stream comes back to it: it hears what it missed of that stream and of no
//! other, and what goes on; where something is no longer kept it is told so.

use std::time::Duration;

use narthex_testkit::{
    core::Core,
    entry::Entry,
    gate::{Gate, HeldEnd},
    session::Session,
    sse::{SseEvent, SseStream},
    upstream::Upstream,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(20);

/// Streams without a connection that are kept of one session.
const LOOSE_MAX: usize = 16;

/// Messages kept of one stream.
const EVENTS_MAX: u64 = 256;

#[tokio::test]
async fn a_stream_begins_with_an_id_and_is_gone_on_with_from_any_event_of_it() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = able(&core).await;

    let mut stream = ask(&session, "one").await;
    let primed = event(&mut stream).await;
    assert_eq!(
        (primed.data.as_str(), primed.name.as_str()),
        ("", "message")
    );
    let (asked, question) = message(&mut stream).await;
    drop(stream);

    // The call goes on though its connection broke, and hears the answer to its question.
    let taken = session.answer(&question, json!({"action": "cancel"})).await;
    assert_eq!(taken.status, 202);
    let mut stream = session.resume(&asked).await;
    let (last, answer) = message(&mut stream).await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("cancel"), "{answer}");
    assert!(timeout(SOON, stream.next()).await.unwrap().is_none());

    // All of it is said again, as often as it is asked for.
    for _ in 0..2 {
        let mut stream = session.resume(&primed.id).await;
        assert_eq!(
            message(&mut stream).await,
            (asked.clone(), question.clone())
        );
        assert_eq!(message(&mut stream).await, (last.clone(), answer.clone()));
        assert!(timeout(SOON, stream.next()).await.unwrap().is_none());
    }
    refused(&session, &last, "stream_ended").await;
    let number = last.split_once('-').unwrap().0;
    for unknown in [format!("{number}-99"), "99-1".into(), "x".into()] {
        refused(&session, &unknown, "unknown_event").await;
    }
    let other = able(&core).await;
    refused(&other, &primed.id, "unknown_event").await;
}

#[tokio::test]
async fn no_stream_tells_of_another() {
    // Over HTTP, where the wire says whose a question is.
    let upstream = Upstream::start(&["--full", "kit", "--sse"]).await;
    let core = Core::trusted([("alpha", Entry::url(upstream.url()))]).await;
    let session = able(&core).await;
    let params = json!({"uri": "kit://static"});
    assert!(session.request("resources/subscribe", params).await.is_ok());
    let mut own = session.listen().await;
    let primed = event(&mut own).await.id;

    let (mut one, mut two) = (ask(&session, "one").await, ask(&session, "two").await);
    let first = message(&mut one).await;
    let second = message(&mut two).await;
    session
        .call("alpha__touch", json!({"uri": "kit://static"}))
        .await;
    let updated = message(&mut own).await;
    assert_eq!(updated.1["method"], "notifications/resources/updated");
    drop((own, one, two));
    session
        .call("alpha__touch", json!({"uri": "kit://static"}))
        .await;

    for (before, words) in [(&first, "one"), (&second, "two")] {
        assert_eq!(before.1["params"]["message"], words);
        session.answer(&before.1, json!({"action": words})).await;
        let mut stream = session.resume(&before.0).await;
        let (_, answer) = message(&mut stream).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(words), "{answer}");
        assert!(timeout(SOON, stream.next()).await.unwrap().is_none());
    }
    // What came while nobody listened is heard too, once.
    let mut own = session.resume(&primed).await;
    assert_eq!(message(&mut own).await, updated);
    let missed = message(&mut own).await;
    assert_eq!(missed.1, updated.1);
    session
        .call("alpha__touch", json!({"uri": "kit://static"}))
        .await;
    assert_eq!(message(&mut own).await.1, updated.1);
    drop(own);
    let mut fresh = session.listen().await;
    session
        .call("alpha__touch", json!({"uri": "kit://static"}))
        .await;
    let (id, _) = message(&mut fresh).await;
    let count = id.split_once('-').unwrap().1;
    assert_eq!(count, "4", "a new stream is told nothing twice");
}

#[tokio::test]
async fn progress_is_gone_on_with_in_order_and_what_fell_out_is_counted() {
    const STEPS: u64 = 1000;
    let core = Core::trusted([("alpha", full())]).await;
    let session = core.session().await;
    let params = json!({
        "name": "alpha__progress",
        "arguments": {"steps": STEPS, "ms": 0},
        "_meta": {"progressToken": "t"},
    });

    let mut stream = session.stream("tools/call", params).await;
    let (mut last, first) = message(&mut stream).await;
    assert_eq!(first["params"]["progress"], 1);
    drop(stream);
    let (mut heard, mut missed, mut at) = (1, 0, 1);
    // It breaks again and again.
    let answer = 'call: loop {
        let mut stream = session.resume(&last).await;
        for _ in 0..100 {
            let (id, message) = message(&mut stream).await;
            last = id;
            match message["method"].as_str() {
                Some("notifications/progress") => {
                    let progress = message["params"]["progress"].as_u64().unwrap();
                    assert!(progress > at, "{progress} after {at}");
                    (heard, at) = (heard + 1, progress);
                }
                Some("notifications/message") => {
                    let data = &message["params"]["data"];
                    assert_eq!(data["kind"], "events_missed");
                    missed += data["missed"].as_u64().unwrap();
                }
                Some(other) => panic!("{other}"),
                None => break 'call message,
            }
        }
    };
    assert_eq!(answer["result"]["content"][0]["text"], "done");
    assert_eq!(heard + missed, STEPS);
    assert!(heard >= EVENTS_MAX.min(STEPS), "{heard}");
}

#[tokio::test]
async fn streams_that_nobody_comes_back_to_are_bounded_and_the_oldest_call_is_cancelled() {
    let upstream = Upstream::start(&["--full", "kit", "--sse"]).await;
    let core = Core::trusted([("alpha", Entry::url(upstream.url()))]).await;
    let session = able(&core).await;
    let mut ids = Vec::new();

    for number in 0..=LOOSE_MAX {
        let mut stream = ask(&session, &number.to_string()).await;
        ids.push(message(&mut stream).await.0);
        drop(stream);
    }

    // The core learns of each end by itself.
    let is_kept = async |id: &str| session.get(Some(id)).await.status() == 200;
    let settled = async { while is_kept(&ids[0]).await {} };
    timeout(SOON, settled).await.unwrap();
    refused(&session, &ids[0], "unknown_event").await;
    for id in &ids[1..] {
        assert!(is_kept(id).await, "{id}");
    }
    let mut last = session.resume(&ids[LOOSE_MAX]).await;
    assert_eq!(session.delete().await.status, 204);
    assert!(timeout(SOON, last.next()).await.unwrap().is_none());
    let settled = async { while open_questions(&core).await != 0 {} };
    timeout(SOON, settled).await.unwrap();
}

#[tokio::test]
async fn a_call_without_a_stream_is_cancelled_with_its_connection() {
    let core = Core::trusted([("alpha", full())]).await;
    let session = core.session().await;
    let gate = Gate::open();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "alpha__hold", "arguments": gate.arguments()}})
    .to_string();

    let held = {
        let posting = session.post(&body);
        tokio::select! {
            raw = posting => panic!("{raw:?}"),
            held = gate.arrived() => held,
        }
    };

    assert_eq!(held.ended().await, HeldEnd::Cancelled);
}

#[tokio::test]
async fn ids_are_given_from_the_revision_on_that_knows_them() {
    let core = Core::trusted([("alpha", full())]).await;
    let token = core.home.token("client");
    for (revision, has_ids, is_primed) in [
        ("2024-11-05", false, false),
        ("2025-03-26", true, false),
        ("2025-06-18", true, false),
        ("2025-11-25", true, true),
    ] {
        let mut session = Session::new(&core.url("/mcp"), Some(&token)).speaking(revision);
        session.initialize().await;
        let params = json!({
            "name": "alpha__progress",
            "arguments": {"steps": 2, "ms": 0},
            "_meta": {"progressToken": "t"},
        });
        let mut stream = session.stream("tools/call", params).await;
        let mut events = Vec::new();
        while let Some(event) = timeout(SOON, stream.next()).await.unwrap() {
            events.push(event);
        }
        assert_eq!(events[0].data.is_empty(), is_primed, "{revision}");
        let identified = events.iter().all(|event| !event.id.is_empty());
        assert_eq!(identified, has_ids, "{revision}: {events:?}");
        assert_eq!(events.len(), 3 + usize::from(is_primed));
    }
}

async fn refused(session: &Session, last: &str, kind: &str) {
    let response = session.get(Some(last)).await;
    assert_eq!(response.status(), 400, "{last}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["data"]["kind"], kind, "{last}: {body}");
    assert_eq!(body["error"]["code"], -32600);
}

/// Returns how many questions its server waits for answers to.
async fn open_questions(core: &Core) -> u64 {
    let standing = core
        .session()
        .await
        .call("alpha__standing", json!({}))
        .await;
    let standing: Value = serde_json::from_str(standing.text()).unwrap();
    standing["waiting"].as_u64().unwrap()
}

fn full() -> Entry {
    Entry::scripted(["--full", "kit"])
}

async fn able(core: &Core) -> Session {
    core.session_able("/mcp", json!({"elicitation": {"form": {}}}))
        .await
}

async fn ask(session: &Session, words: &str) -> SseStream {
    let arguments = json!({"method": "elicitation/create", "params": {"message": words}});
    let params = json!({"name": "alpha__ask", "arguments": arguments});
    session.stream("tools/call", params).await
}

async fn event(stream: &mut SseStream) -> SseEvent {
    let event = timeout(SOON, stream.next()).await.expect("an event comes");
    event.expect("an event before the end")
}

async fn message(stream: &mut SseStream) -> (String, Value) {
    let message = timeout(SOON, stream.identified()).await;
    message.expect("a message comes")
}
