use std::future::ready;

use futures_util::StreamExt as _;
use narthex_core::{
    api::wire::{Approval, Approved, Event},
    client::{Client, ClientError, Command},
};
use serde_json::{Value, json};

use super::Here;

const CONFIG: &str = r#"{"mcpServers": {
    "files": {"command": "mcp-files", "args": ["--root", "/tmp"], "env": {"TOKEN": "x"}},
    "off": {"command": "mcp-off", "enabled": false},
    "broken": {"args": ["nothing to run"]}
}}"#;

#[tokio::test]
async fn what_is_true_is_the_same() {
    let here = Here::start(CONFIG).await;
    let (inside, outside) = (here.core.client(), here.outside());
    assert!(inside.is_local() && !outside.is_local());

    same(&inside, &outside, |core| async move {
        core.status().await.unwrap()
    })
    .await;
    let servers = same(&inside, &outside, |core| async move {
        core.servers().await.unwrap()
    })
    .await;
    assert_eq!(servers.servers.len(), 3);
    for name in ["files", "off", "broken"] {
        same(&inside, &outside, |core| async move {
            core.server(name).await.unwrap()
        })
        .await;
        same(&inside, &outside, |core| async move {
            core.tools(name).await.unwrap()
        })
        .await;
        same(&inside, &outside, |core| async move {
            core.logs(name, 10).await.unwrap()
        })
        .await;
    }
    here.end().await;
}

#[tokio::test]
async fn a_refusal_is_the_same() {
    let here = Here::start(CONFIG).await;
    let (inside, outside) = (here.core.client(), here.outside());

    for client in [&inside, &outside] {
        let unknown = client.server("nobody").await.unwrap_err();
        assert!(matches!(unknown, ClientError::NotFound(_)), "{unknown:?}");
        assert_eq!(unknown.kind(), "not-found");
    }
    for (name, command) in [
        ("files", Command::Connect),
        ("off", Command::Restart),
        ("broken", Command::Connect),
        ("nobody", Command::Quarantine),
    ] {
        same_error(
            inside.wish(name, command).await.unwrap_err(),
            outside.wish(name, command).await.unwrap_err(),
        );
    }
    let stale = || Approval {
        launch: Some("other".to_owned()),
        ..Approval::default()
    };
    same_error(
        inside.approve("files", stale()).await.unwrap_err(),
        outside.approve("files", stale()).await.unwrap_err(),
    );
    same_error(
        inside
            .add("files", json!({"command": "x"}))
            .await
            .unwrap_err(),
        outside
            .add("files", json!({"command": "x"}))
            .await
            .unwrap_err(),
    );
    same_error(
        inside.patch("files", json!({"url": 1})).await.unwrap_err(),
        outside.patch("files", json!({"url": 1})).await.unwrap_err(),
    );
    same_error(
        inside.add_client("default").await.err().unwrap(),
        outside.add_client("default").await.err().unwrap(),
    );
    same_error(
        inside.remove_client("nobody").await.unwrap_err(),
        outside.remove_client("nobody").await.unwrap_err(),
    );
    here.end().await;
}

#[tokio::test]
async fn what_one_does_the_other_hears() {
    let here = Here::start(r#"{"mcpServers": {}}"#).await;
    let (inside, outside) = (here.core.client(), here.outside());
    let (mut heard_inside, mut heard_outside) = (inside.events(), outside.events());
    for heard in [&mut heard_inside, &mut heard_outside] {
        let first = heard.next().await.unwrap().unwrap();
        assert!(matches!(first, Event::Hello(_)), "{first:?}");
    }

    let last = change_everything(&inside, &outside).await;

    let until_last = |event: &Event| ready(event.revision() != last);
    let inside: Vec<_> = heard_inside
        .map(Result::unwrap)
        .take_while(until_last)
        .collect()
        .await;
    let outside: Vec<_> = heard_outside
        .map(Result::unwrap)
        .take_while(until_last)
        .collect()
        .await;
    assert!(inside.len() > 5, "{inside:?}");
    assert_eq!(inside, outside);
    here.end().await;
}

#[tokio::test]
async fn the_events_of_a_core_in_process_end_with_it() {
    let here = Here::start(CONFIG).await;
    let client = here.core.client();
    let mut events = client.events();
    here.end().await;

    while let Some(event) = events.next().await {
        event.unwrap();
    }
    let error = client.pause().await.unwrap_err();
    assert_eq!(error.kind(), "ending");
    assert!(error.remedy().is_some());
}

/// Does one of each, from both sides; returns the last revision.
async fn change_everything(inside: &Client, outside: &Client) -> u64 {
    let entry = |command: &str| json!({"command": command, "enabled": false});
    inside.add("one", entry("a")).await.unwrap();
    outside.add("two", entry("b")).await.unwrap();
    let patched = inside.patch("two", json!({"args": ["c"]})).await.unwrap();
    let launch = patched.server.launch.map(|launch| launch.id);
    let approval = Approval {
        launch,
        ..Approval::default()
    };
    let approved = inside.approve("two", approval).await.unwrap();
    assert!(matches!(approved, Approved::Accepted(_)), "{approved:?}");
    outside.wish("one", Command::Disconnect).await.unwrap();
    inside.pause().await.unwrap();
    outside.remove("one").await.unwrap();
    inside
        .patch("two", Value::Object(Default::default()))
        .await
        .unwrap();
    inside.resume().await.unwrap().revision
}

/// Asks both the same, until nothing changed in between.
async fn same<T, F>(inside: &Client, outside: &Client, ask: impl Fn(Client) -> F) -> T
where
    T: PartialEq + std::fmt::Debug,
    F: Future<Output = T>,
{
    loop {
        let before = ask(inside.clone()).await;
        let other = ask(outside.clone()).await;
        if before == ask(inside.clone()).await {
            assert_eq!(before, other);
            return before;
        }
    }
}

fn same_error(inside: ClientError, outside: ClientError) {
    let told = |error: &ClientError| {
        (
            error.kind().to_owned(),
            error.to_string(),
            error.remedy().map(str::to_owned),
        )
    };
    assert_eq!(told(&inside), told(&outside));
}
