use std::sync::Arc;

use futures_util::StreamExt as _;
use narthex_core::{
    api::wire::{Approval, Approved, Confirmation, Declined, Event, WhyDeclined},
    client::{Client, Command, Events, Local},
};
use serde_json::json;
use tokio::sync::watch;

use super::Here;

/// Switched off, so that nothing is started.
const CONFIG: &str = r#"{"mcpServers": {
    "files": {"command": "mcp-files", "enabled": false},
    "web": {"command": "mcp-web", "enabled": false}
}}"#;

#[tokio::test]
async fn an_approval_from_outside_waits_for_the_window() {
    let here = Here::with_a_window(CONFIG).await;
    let (window, outside) = (local(&here), here.outside());
    let mut waiting = window.confirmations();
    let mut events = begin(&outside).await;

    let command = ask(&outside, "files").await;
    let confirmation = only(&mut waiting).await;
    assert_eq!(confirmation.command, command);
    assert_eq!(confirmation.server.name, "files");
    assert!(!is_approved(&outside, "files").await, "it waits");

    window.answer(&command, true).await.unwrap();
    assert!(is_approved(&outside, "files").await);
    assert!(waiting.borrow_and_update().is_empty());
    let changed = loop {
        if let Event::Server(changed) = events.next().await.unwrap().unwrap()
            && changed.command.is_some()
        {
            break changed;
        }
    };
    assert_eq!(changed.command, Some(command.clone()));
    assert!(changed.server.launch.unwrap().approved);

    let again = window.answer(&command, true).await.unwrap_err();
    assert_eq!(again.kind(), "not-found");
    here.end().await;
}

#[tokio::test]
async fn a_no_is_told_and_leaves_nothing() {
    let here = Here::with_a_window(CONFIG).await;
    let (window, outside) = (local(&here), here.outside());
    let mut events = begin(&outside).await;

    let command = ask(&outside, "files").await;
    window.answer(&command, false).await.unwrap();

    let declined = declined(&mut events).await;
    assert_eq!(
        (declined.command, declined.name),
        (command, "files".to_owned())
    );
    assert_eq!(declined.why, WhyDeclined::AnsweredNo);
    assert!(!is_approved(&outside, "files").await);
    here.end().await;
}

#[tokio::test]
async fn a_yes_to_what_is_there_no_longer_is_refused_and_told() {
    let here = Here::with_a_window(CONFIG).await;
    let (window, outside) = (local(&here), here.outside());
    let mut events = begin(&outside).await;

    let command = ask(&outside, "files").await;
    outside
        .patch("files", json!({"args": ["more"]}))
        .await
        .unwrap();
    let refused = window.answer(&command, true).await.unwrap_err();

    assert_eq!(refused.kind(), "launch-changed");
    let declined = declined(&mut events).await;
    assert_eq!(
        (declined.command, declined.why),
        (command, WhyDeclined::MovedOn)
    );
    here.end().await;
}

#[tokio::test]
async fn what_cannot_be_approved_is_refused_before_anybody_is_asked() {
    let here = Here::with_a_window(CONFIG).await;
    let (window, outside) = (local(&here), here.outside());
    let stale = Approval {
        launch: Some("other".to_owned()),
        ..Approval::default()
    };

    let refused = outside.approve("files", stale).await.unwrap_err();
    assert_eq!(refused.kind(), "launch-changed");
    let unknown = outside
        .approve("nobody", Approval::default())
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), "not-found");

    assert!(window.confirmations().borrow().is_empty());
    here.end().await;
}

#[tokio::test]
async fn who_asks_twice_waits_for_the_same_answer() {
    let here = Here::with_a_window(CONFIG).await;
    let (window, outside) = (local(&here), here.outside());

    let (first, again) = tokio::join!(ask(&outside, "files"), ask(&outside, "files"));
    assert_eq!(first, again);
    let other = ask(&outside, "web").await;
    assert_ne!(first, other);

    let waiting = window.confirmations();
    let commands: Vec<_> = waiting
        .borrow()
        .iter()
        .map(|it| it.command.clone())
        .collect();
    assert_eq!(commands, [first, other], "the oldest first");
    here.end().await;
}

#[tokio::test]
async fn the_window_itself_is_not_asked() {
    let here = Here::with_a_window(CONFIG).await;
    let window = here.core.client();

    let approval = approval_of(&window, "files").await;
    let approved = window.approve("files", approval).await.unwrap();

    assert!(matches!(approved, Approved::Accepted(_)), "{approved:?}");
    // What needs no approval is not asked about either, from wherever it comes.
    here.outside()
        .wish("files", Command::Disconnect)
        .await
        .unwrap();
    here.end().await;
}

fn local(here: &Here) -> Local {
    match here.core.client() {
        Client::Local(local) => local,
        Client::Remote(_) => panic!("it runs in this process"),
    }
}

async fn begin(client: &Client) -> Events {
    let mut events = client.events();
    events.next().await.unwrap().unwrap();
    events
}

async fn approval_of(client: &Client, name: &str) -> Approval {
    let server = client.server(name).await.unwrap().server;
    Approval {
        launch: server.launch.map(|launch| launch.id),
        ..Approval::default()
    }
}

/// Asks for an approval; returns the command's id.
async fn ask(outside: &Client, name: &str) -> String {
    let approval = approval_of(outside, name).await;
    match outside.approve(name, approval).await.unwrap() {
        Approved::Pending(pending) => {
            assert_eq!(pending.pending, "confirmation");
            pending.command
        }
        Approved::Accepted(accepted) => panic!("nobody was asked: {accepted:?}"),
    }
}

async fn only(waiting: &mut watch::Receiver<Arc<[Confirmation]>>) -> Confirmation {
    let waiting = waiting
        .wait_for(|waiting| !waiting.is_empty())
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
    waiting[0].clone()
}

async fn is_approved(client: &Client, name: &str) -> bool {
    let launch = client.server(name).await.unwrap().server.launch;
    launch.unwrap().approved
}

async fn declined(events: &mut Events) -> Declined {
    loop {
        if let Event::Declined(declined) = events.next().await.unwrap().unwrap() {
            return declined;
        }
    }
}
