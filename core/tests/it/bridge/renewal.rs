use narthex_testkit::{bridge::Bridge, core::Home, gate::Gate};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{able, bridged, cores, holder, home, starting::end};

#[tokio::test]
async fn a_client_notices_nothing_of_a_core_that_is_restarted() {
    let home = home().await;
    for signal in [Signal::TERM, Signal::KILL] {
        let mut bridge = Bridge::start(&home);
        bridge.hello(able()).await;
        let level = json!({"level": "debug"});
        assert!(bridge.request("logging/setLevel", level).await["result"].is_object());
        let uri = json!({"uri": "kit://watched"});
        assert!(bridge.request("resources/subscribe", uri.clone()).await["result"].is_object());
        bridge.passed();
        end(&home, cores(&home)[0], signal).await;

        // The next word of the client starts another one.
        assert_eq!(
            bridge.text("alpha__echo", json!({"text": "hi"})).await,
            "hi"
        );

        for list in ["tools", "prompts", "resources"] {
            bridge
                .message(&format!("notifications/{list}/list_changed"))
                .await;
        }
        // What was asked for is asked for again, and the client is told that it may have missed some.
        let updated = bridge.message("notifications/resources/updated").await;
        assert_eq!(updated["params"], uri);
        let standing: Value =
            serde_json::from_str(&bridge.text("alpha__standing", json!({})).await).unwrap();
        assert_eq!(standing["subscribed"], json!(["kit://watched"]));
        assert_eq!(standing["level"], "debug");
        bridge.call("alpha__touch", uri.clone()).await;
        let updated = bridge.message("notifications/resources/updated").await;
        assert_eq!(updated["params"]["_meta"]["by"], "touch");
        bridge
            .call(
                "alpha__log",
                json!({"level": "debug", "data": 1, "aside": true}),
            )
            .await;
        bridge.message("notifications/message").await;
        assert!(bridge.end().await.success());
    }
}

#[tokio::test]
async fn a_core_that_comes_back_by_itself_is_followed_without_a_word_of_the_client() {
    let (core, mut bridge) = bridged().await;
    let uri = json!({"uri": "kit://watched"});
    assert!(bridge.request("resources/subscribe", uri.clone()).await["result"].is_object());

    let core = core.restarted().await;

    bridge.message("notifications/tools/list_changed").await;
    let updated = bridge.message("notifications/resources/updated").await;
    assert_eq!(updated["params"], uri);
    core.wait_for_core(|now| now["clients"] == 1).await;
    assert!(cores(&core.home).is_empty(), "the bridge has started none");
}

#[tokio::test]
async fn nobody_but_a_client_that_asks_starts_a_core_again() {
    let home = home().await;
    let mut bridge = Bridge::start(&home);
    bridge.hello(json!({})).await;
    end(&home, cores(&home)[0], Signal::TERM).await;
    bridge
        .notify("notifications/roots/list_changed", json!({}))
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(cores(&home).is_empty(), "a person has ended it");
    assert_eq!(holder(&home), Value::Null);
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(cores(&home).len(), 1);
}

#[tokio::test]
async fn of_calls_in_flight_those_that_do_no_harm_are_made_again() {
    let home = home().await;
    for signal in [Signal::TERM, Signal::KILL] {
        let mut bridge = Bridge::start(&home);
        bridge.hello(json!({})).await;
        // What the client was told of its tools is what counts.
        bridge.request("tools/list", json!({})).await;
        let gate = Gate::open();
        let mut send = async |tool: &str| {
            let params = json!({"name": tool, "arguments": gate.arguments()});
            let id = bridge.send("tools/call", params).await;
            (id, gate.arrived().await)
        };
        let (harmful, _held) = send("alpha__hold").await;
        let (harmless, _held_too) = send("alpha__hold_read_only").await;
        end(&home, cores(&home)[0], signal).await;

        let again = gate.arrived().await;
        again.let_through("again").await;

        let answer = bridge.answer(&harmless).await;
        assert_eq!(answer["result"]["content"][0]["text"], "again", "{answer}");
        let refused = bridge.answer(&harmful).await;
        let data = &refused["error"]["data"];
        assert_eq!(data["kind"], "core_ended", "{refused}");
        assert_eq!(
            (&data["fault"], &data["retry_safe"]),
            (&json!("narthex"), &json!(false))
        );
        assert!(!gate.is_anyone_there().await, "it was not made again");
        assert!(bridge.end().await.success());
    }
}

#[tokio::test]
async fn a_question_of_the_old_core_is_taken_back_and_an_answer_to_it_reaches_nobody() {
    let (core, mut bridge) = bridged().await;
    let question = json!({"method": "elicitation/create", "params": {"message": "old"}});
    let call = json!({"name": "alpha__ask", "arguments": question});
    let id = bridge.send("tools/call", call).await;
    let old = bridge.message("elicitation/create").await;

    let core = core.restarted().await;

    let cancelled = bridge.message("notifications/cancelled").await;
    assert_eq!(cancelled["params"]["requestId"], old["id"]);
    bridge
        .reply(&old, json!({"action": "accept", "content": {"to": "old"}}))
        .await;
    assert_eq!(
        bridge.answer(&id).await["error"]["data"]["kind"],
        "core_ended"
    );
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    let question = json!({"method": "elicitation/create", "params": {"message": "new"}});
    let call = json!({"name": "alpha__ask", "arguments": question});
    let id = bridge.send("tools/call", call).await;
    let new = bridge.message("elicitation/create").await;
    assert_eq!(new["params"]["message"], "new");
    bridge.reply(&new, json!({"action": "decline"})).await;
    let text = bridge.answer(&id).await["result"]["content"][0]["text"].clone();
    assert!(text.as_str().unwrap().contains("decline"), "{text}");
}

#[tokio::test]
async fn a_core_takes_over_from_one_that_hands_over_at_the_same_address() {
    let home = home().await;
    let mut bridge = Bridge::start(&home);
    bridge.hello(json!({})).await;
    let old = holder(&home);
    let token = home.token("control");
    let url = format!(
        "http://{}/api/v1/hand-over",
        old["address"].as_str().unwrap()
    );
    let asked = reqwest::Client::new().post(&url);
    assert_eq!(
        asked
            .bearer_auth(home.token("client"))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let asked = reqwest::Client::new().post(&url).bearer_auth(token);
    assert_eq!(asked.send().await.unwrap().status(), 202);
    let pid = u32::try_from(old["pid"].as_u64().unwrap()).unwrap();
    while cores(&home).contains(&pid) {
        tokio::time::sleep(super::LOOK_EVERY).await;
    }
    assert_eq!(
        bridge.text("alpha__echo", json!({"text": "hi"})).await,
        "hi"
    );
}

#[tokio::test]
async fn a_core_that_a_person_started_is_not_handed_over() {
    let core = Home::new().start().await;
    let refused = core.post("/hand-over", json!({})).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["type"], "urn:narthex:not-handed-over");
    assert!(holder(&core.home).get("hands_over").is_none());
    assert_eq!(core.get("/status").await.status, 200);
}
