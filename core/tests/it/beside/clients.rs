//! Clients that misbehave.

use narthex_testkit::{
    bad::{At, Bad, HalfRequests, Sessions},
    gate::{Gate, HeldEnd},
    session::{Raw, Session},
};
use serde_json::{Value, json};

use super::Beside;

/// Posts a ping in the session of this id.
async fn ping(beside: &Beside, session: &str) -> Raw {
    let request = beside
        .core
        .request(reqwest::Method::POST, "/mcp")
        .bearer_auth(beside.core.home.token("client"))
        .header("mcp-session-id", session)
        .header("accept", "application/json")
        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    beside.core.send(request).await
}

#[tokio::test]
async fn ten_thousand_sessions() {
    let beside = Beside::start(Bad::TenThousandSessions).await;

    let sessions = Sessions::open(&At::of(&beside.core), 10_050).await;

    // It has lost its own oldest ones, and is told to begin anew.
    let oldest = ping(&beside, &sessions.ids[0]).await;
    assert_eq!(oldest.status, 404, "{}", oldest.body);
    assert_eq!(oldest.json()["error"]["data"]["kind"], "session_not_found");
    let newest = ping(&beside, sessions.ids.last().unwrap()).await;
    assert_eq!(newest.status, 200, "{}", newest.body);
    beside.end().await;
}

#[tokio::test]
async fn half_requests() {
    let mut beside = Beside::start(Bad::HalfRequests).await;

    let half = HalfRequests::send(&At::of(&beside.core), 300).await;

    beside.good.rounds(3).await;
    // Others connect and are served.
    let session: Session = beside.core.session().await;
    assert!(session.names().await.contains(&"g1__echo".to_owned()));
    drop(half);
    beside.end().await;
}

#[tokio::test]
async fn the_ids_1_and_the_text_1_in_flight_together() {
    let beside = Beside::start(Bad::HalfRequests).await;
    let session = beside.core.session().await;
    let (of_number, of_text) = (Gate::open(), Gate::open());
    let call = |id: Value, gate: &Gate| {
        let params = json!({"name": "g1__hold", "arguments": gate.arguments()});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let session = &session;
        async move { session.post(&message.to_string()).await }
    };

    // Each gets its own answer, the later one first.
    let (number, text, ()) = tokio::join!(
        call(json!(1), &of_number),
        call(json!("1"), &of_text),
        async {
            let number = of_number.arrived().await;
            of_text.arrived().await.let_through("text").await;
            number.let_through("number").await;
        }
    );
    let (number, text) = (number.answer(), text.answer());
    assert_eq!(
        (&number.message["id"], number.text()),
        (&json!(1), "number")
    );
    assert_eq!((&text.message["id"], text.text()), (&json!("1"), "text"));

    // One of the two is cancelled, and the other goes on.
    let (number, _, ()) = tokio::join!(
        call(json!(1), &of_number),
        call(json!("1"), &of_text),
        async {
            let number = of_number.arrived().await;
            let text = of_text.arrived().await;
            let cancelled = json!({"requestId": "1"});
            session.notify("notifications/cancelled", cancelled).await;
            assert_eq!(text.ended().await, HeldEnd::Cancelled);
            number.let_through("number").await;
        }
    );
    assert_eq!(number.answer().text(), "number");
    beside.end().await;
}
