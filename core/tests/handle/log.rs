use futures_util::StreamExt as _;
use narthex_core::{
    api::wire::{LogEvent, LogStream},
    client::LogEvents,
};
use serde_json::json;

use super::Here;

/// A server that cannot be started has its log written by the core.
const CONFIG: &str = r#"{"mcpServers": {"gone": {"command": "/nowhere/mcp-gone"}}}"#;

#[tokio::test]
async fn lines_are_told_as_they_are_written_until_the_server_is_removed() {
    let here = Here::trusted(CONFIG).await;
    let client = here.core.client();
    let mut inside = client.follow_log("gone", 100).await.unwrap();
    let mut outside = here.outside().follow_log("gone", 100).await.unwrap();

    let line = next(&mut inside).await;
    assert_eq!(next(&mut outside).await, line);

    client
        .patch("gone", json!({"command": "/nowhere/else"}))
        .await
        .unwrap();
    let (mut last_inside, mut last_outside) = (line.clone(), line);
    while !last_inside.contains("else") {
        last_inside = next(&mut inside).await;
    }
    while !last_outside.contains("else") {
        last_outside = next(&mut outside).await;
    }

    client.remove("gone").await.unwrap();
    assert_eq!(rest(inside).await, rest(outside).await);
    let error = client.follow_log("gone", 1).await.err().unwrap();
    let other = here.outside().follow_log("gone", 1).await.err().unwrap();
    assert_eq!((error.kind(), other.kind()), ("not-found", "not-found"));
    here.end().await;
}

#[tokio::test]
async fn a_log_ends_with_the_core() {
    let here = Here::start(CONFIG).await;
    let inside = here.core.client().follow_log("gone", 0).await.unwrap();
    let outside = here.outside().follow_log("gone", 0).await.unwrap();
    here.end().await;
    assert_eq!(rest(inside).await, rest(outside).await);
}

async fn next(events: &mut LogEvents) -> String {
    match events.next().await.unwrap().unwrap() {
        LogEvent::Line(line) => {
            assert_eq!(line.stream, LogStream::Core);
            line.line
        }
        LogEvent::Gap(missed) => panic!("{missed:?}"),
    }
}

async fn rest(events: LogEvents) -> Vec<LogEvent> {
    events.map(Result::unwrap).collect().await
}
