//! Servers that talk without end.

use std::time::Instant;

use narthex_testkit::bad::{Bad, MANY};

use super::{Beside, assert_told};

/// How often lists are read again at most.
const LIST_PAUSE_MS: u128 = 250;

#[tokio::test]
async fn standard_error_without_end() {
    let mut beside = Beside::start(Bad::StderrFlood).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    beside.assert_well().await;
    beside.assert_resident_below(160);
    beside.end().await;
}

#[tokio::test]
async fn lines_without_end_that_are_no_messages() {
    let mut beside = Beside::start(Bad::NoiseFlood).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    beside.assert_well().await;
    let logs = beside.core.get("/servers/bad/logs?lines=10").await.json();
    assert_eq!(logs["lines"][0]["stream"], "stdout", "{logs}");
    beside.assert_resident_below(160);
    beside.end().await;
}

#[tokio::test]
async fn changed_lists_without_end() {
    let started = Instant::now();
    let mut beside = Beside::start(Bad::ListChangedFlood).await;
    // What has changed is held; what has not is offered on.
    let server = beside
        .core
        .wait_until("bad", |server| {
            server.is("connected") && server.tools.held == 1
        })
        .await;
    assert_eq!(server.tools.offered, MANY + 1);

    beside.good.rounds(5).await;

    // However many changes were announced, the lists were read again now and then.
    let most = started.elapsed().as_millis() / LIST_PAUSE_MS + 2;
    let epoch = beside.core.server("bad").await.epoch.unwrap();
    assert!(
        u128::from(epoch) <= most,
        "read {epoch} times, at most {most}"
    );
    beside.assert_well().await;
    beside.end().await;
}

#[tokio::test]
async fn answers_without_end_that_nobody_asked_for() {
    let mut beside = Beside::start(Bad::RepliesToNobody).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    // The only request in flight may be what the answer under another id is to.
    let answer = beside.call("bad__well").await;
    if answer.is_ok() {
        assert_eq!(answer.text(), "x");
    } else {
        assert_told(&answer, &["invalid_reply"]);
    }
    beside.logged("nobody waits for").await;
    beside.assert_counted("nobody_waits").await;
    beside.assert_resident_below(160);
    beside.end().await;
}

#[tokio::test]
async fn questions_without_end() {
    let mut beside = Beside::start(Bad::QuestionFlood).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    beside.assert_well().await;
    beside.assert_resident_below(160);
    beside.end().await;
}

#[tokio::test]
async fn events_without_end() {
    let mut beside = Beside::start(Bad::EventFlood).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    beside.assert_well().await;
    beside.assert_resident_below(160);
    beside.end().await;
}

#[tokio::test]
async fn events_without_end_where_the_stream_is_the_connection() {
    let mut beside = Beside::start(Bad::EventFloodOlder).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    // Its answers stand in a row with all else that it says.
    let answer = beside.call("bad__well").await;
    if answer.is_ok() {
        assert_eq!(answer.text(), "x");
    } else {
        assert_told(&answer, &["timed_out"]);
    }
    beside.assert_resident_below(160);
    beside.end().await;
}

#[tokio::test]
async fn comments_without_end() {
    let mut beside = Beside::start(Bad::CommentFlood).await;
    beside.connected().await;

    beside.good.rounds(5).await;

    beside.assert_well().await;
    beside.assert_resident_below(160);
    beside.end().await;
}
