//! Servers whose answers are wrong, or never come to an end.

use narthex_testkit::{bad::Bad, core::PATIENCE};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Beside, assert_told, message};

/// What is resident of a core with ten servers that was sent 64 MB and more, in MiB.
const RESIDENT_MAX: u64 = 200;

#[tokio::test]
async fn an_answer_under_another_id() {
    let beside = Beside::start(Bad::AnotherId).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["invalid_reply"]);
    beside.logged("nobody waits for").await;
    beside.assert_counted("nobody_waits").await;
    beside.assert_well().await;
    beside.end().await;
}

#[tokio::test]
async fn an_answer_that_comes_twice() {
    let beside = Beside::start(Bad::Twice).await;
    beside.connected().await;

    let session = beside.core.session().await;
    for number in 0..20 {
        let text = number.to_string();
        let answer = session.call("bad__echo", json!({"text": text})).await;
        assert_eq!(answer.text(), text, "an answer went to another call");
    }
    beside.logged("nobody waits for").await;
    beside.assert_counted("nobody_waits").await;
    beside.end().await;
}

#[tokio::test]
async fn half_a_message_and_then_silence() {
    let beside = Beside::start(Bad::HalfAMessage).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["timed_out"]);
    let told = message(&answer);
    assert!(told.contains("middle of a message"), "{told}");
    beside.logged("middle of a message").await;
    beside.assert_counted("unfinished").await;
    beside.end().await;
}

#[tokio::test]
async fn notifications_before_initialize() {
    let beside = Beside::start(Bad::EarlyNotifications).await;
    beside.connected().await;

    beside.assert_well().await;
    beside.end().await;
}

#[tokio::test]
async fn questions_under_1_and_the_text_1_at_once() {
    let beside = Beside::start(Bad::SameIds).await;
    beside.connected().await;
    let able = json!({"elicitation": {"form": {}}});
    let session = beside.core.session_able("/mcp", able).await;

    let params = json!({"name": "bad__echo", "arguments": {"text": "x"}});
    let mut stream = session.stream("tools/call", params).await;
    for _ in 0..2 {
        let question = timeout(PATIENCE, stream.message()).await.unwrap();
        // The question says under which id the server asked it.
        let own = &question["params"]["message"];
        let result = json!({"action": "accept", "content": {"own": own}});
        assert_eq!(session.answer(&question, result).await.status, 202);
    }

    let answer = timeout(PATIENCE, stream.message()).await.unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let told: Vec<(String, Value)> = serde_json::from_str(text).unwrap();
    assert_eq!(told.len(), 2);
    for (id, answer) in told {
        assert_eq!(answer["content"]["own"], id, "an answer went astray");
    }
    beside.end().await;
}

#[tokio::test]
async fn an_answer_that_is_no_utf8() {
    let beside = Beside::start(Bad::InvalidUtf8).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["invalid_reply"]);
    assert!(message(&answer).contains("UTF-8"), "{}", message(&answer));
    beside.logged("UTF-8").await;
    beside.assert_counted("unreadable").await;
    beside.assert_well().await;
    beside.end().await;
}

#[tokio::test]
async fn a_line_of_100_mb() {
    let beside = Beside::start(Bad::LongLine).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["reply_too_long"]);
    beside.logged("more than 64 MB").await;
    // It is started again; what was read of the line is not kept.
    beside.assert_well().await;
    beside.assert_resident_below(RESIDENT_MAX);
    beside.end().await;
}

#[tokio::test]
async fn an_event_that_never_ends() {
    is_let_go(Bad::EndlessEvent, &["reply_too_long"]).await;
}

#[tokio::test]
async fn an_event_that_never_ends_where_the_stream_is_the_connection() {
    is_let_go(Bad::EndlessEventOlder, &["reply_too_long"]).await;
}

#[tokio::test]
async fn a_gzip_bomb() {
    // It is never unpacked: that would be a gigabyte.
    is_let_go(Bad::GzipBomb, &["invalid_reply", "not_mcp"]).await;
}

/// Has an answer that is too much be one of `kinds` to its caller, and nothing of it be kept.
async fn is_let_go(bad: Bad, kinds: &[&str]) {
    let beside = Beside::start(bad).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, kinds);
    beside.assert_well().await;
    beside.assert_resident_below(RESIDENT_MAX);
    beside.end().await;
}

#[tokio::test]
async fn a_redirect_to_another_origin() {
    let beside = Beside::start(Bad::Redirect).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["redirected"]);
    let elsewhere = beside.started.elsewhere.as_ref().unwrap();
    assert_eq!(
        elsewhere.requests().await,
        0,
        "what was approved is one address"
    );
    beside.assert_well().await;
    beside.end().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_in_the_middle() {
    let beside = Beside::start(Bad::BrokenBody).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["server_ended"]);
    assert_eq!(answer.error_data()["retry_safe"], false);
    beside.assert_well().await;
    beside.end().await;
}

#[tokio::test]
async fn a_body_that_stops_in_the_middle() {
    let beside = Beside::start(Bad::StalledBody).await;
    beside.connected().await;

    let answer = beside.echo().await;

    assert_told(&answer, &["timed_out"]);
    beside.assert_well().await;
    beside.end().await;
}
