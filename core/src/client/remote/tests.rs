use axum::response::Response;
use futures_util::StreamExt;
use serde_json::json;

use super::*;
use crate::{
    api::wire::{Event, Gap, Hello, ServerRemoved},
    client::stub::{self, Seen, Stub},
};

#[tokio::test]
async fn names_are_encoded_and_the_credential_is_sent() {
    let core = Stub::start(|_| stub::json(200, &json!({"command": "c1", "revision": 7}))).await;
    let name = "a/b c?d%e#f";
    let accepted = remote(&core).wish(name, Command::Restart).await.unwrap();
    assert_eq!(accepted.revision, 7);
    let [seen] = &core.seen()[..] else {
        panic!("one request")
    };
    assert_eq!(seen.target, "/api/v1/servers/a%2Fb%20c%3Fd%25e%23f/restart");
    assert_eq!(seen.headers["authorization"], "Bearer narthex_control_x");
}

#[tokio::test]
async fn a_refusal_keeps_its_remedy() {
    let core = Stub::start(|_| {
        let body = json!({"type": "urn:narthex:paused", "title": "Paused", "status": 409,
            "detail": "all servers are paused", "remedy": "Resume them."});
        stub::response(409, "application/problem+json", body.to_string())
    })
    .await;
    let error = remote(&core).wish("a", Command::Connect).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    assert_eq!(error.to_string(), "all servers are paused");
    assert_eq!(error.remedy(), Some("Resume them."));
}

#[tokio::test]
async fn an_approval_may_wait_for_the_desktop() {
    let core = Stub::start(|seen: &Seen| match seen.body["launch"].as_str() {
        Some("asked") => stub::json(202, &json!({"command": "c", "pending": "confirmation"})),
        _ => stub::json(200, &json!({"command": "c", "revision": 1})),
    })
    .await;
    let approval = |launch: &str| Approval {
        launch: Some(launch.to_owned()),
        ..Approval::default()
    };
    let remote = remote(&core);
    let waiting = remote.approve("a", &approval("asked")).await.unwrap();
    assert!(matches!(waiting, Approved::Pending(_)), "{waiting:?}");
    let given = remote.approve("a", &approval("other")).await.unwrap();
    assert!(matches!(given, Approved::Accepted(_)), "{given:?}");
    assert_eq!(core.seen()[0].body, json!({"launch": "asked"}));
}

#[tokio::test]
async fn a_core_that_is_gone_is_none() {
    let core = Stub::start(|_| stub::json(200, &json!({}))).await;
    let remote = remote(&core);
    drop(core);
    // The task of the listener ends at its next turn.
    tokio::task::yield_now().await;
    let error = remote.status().await.unwrap_err();
    assert!(matches!(error, ClientError::NoCore), "{error:?}");
}

#[tokio::test]
async fn a_credential_never_leaves_the_machine() {
    let elsewhere = "192.0.2.1:7410".parse().unwrap();
    let error = Remote::attach(elsewhere, Secret::new("t")).unwrap_err();
    assert!(matches!(error, ClientError::NotLoopback(_)), "{error:?}");
}

#[tokio::test]
async fn events_are_taken_up_again_where_they_broke() {
    let core = Stub::start(resuming).await;
    let mut events = remote(&core).events();
    let mut all = Vec::new();
    let mut errors = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => all.push(event),
            Err(error) => errors.push(error.to_string()),
        }
    }
    assert_eq!(errors, ["busy", "not you"]);
    assert_eq!(
        all,
        [
            Event::Hello(Hello {
                instance: "i".into(),
                revision: 1
            }),
            Event::Removed(ServerRemoved {
                revision: 2,
                name: "a".into()
            }),
            Event::Gap(Gap { revision: 9 }),
        ]
    );
    let named: Vec<_> = core.seen().iter().map(last_event_id).collect();
    assert_eq!(named, ["", "i-2", "i-2", "i-9"]);
}

/// First the beginning, then a moment of trouble, then a gap, then a refusal for good.
fn resuming(seen: &Seen) -> Response {
    static ATTEMPTS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    match ATTEMPTS.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => stub::sse(
            "event: hello\nid: i-1\ndata: {\"instance\":\"i\",\"revision\":1}\n\n\
             : still here\n\n\
             event: removed\nid: i-2\ndata: {\"revision\":2,\"name\":\"a\"}\n\n\
             event: of-a-later-version\nid: i-2\ndata: {}\n\n",
        ),
        1 => stub::json(503, &problem("busy", 503)),
        2 => stub::sse("event: gap\nid: i-9\ndata: {\"revision\":9}\n\n"),
        _ => {
            assert_eq!(last_event_id(seen), "i-9");
            stub::json(401, &problem("not you", 401))
        }
    }
}

fn problem(detail: &str, status: u16) -> Value {
    json!({"type": "about:blank", "title": "", "status": status, "detail": detail, "remedy": ""})
}

fn last_event_id(seen: &Seen) -> String {
    seen.headers
        .get("last-event-id")
        .cloned()
        .unwrap_or_default()
}

fn remote(core: &Stub) -> Remote {
    Remote::attach(core.address, Secret::new("narthex_control_x")).unwrap()
}
