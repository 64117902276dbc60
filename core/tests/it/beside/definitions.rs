//! Servers whose definitions are an attack: on the list, on its names, on whoever reads it.

use std::collections::BTreeSet;

use narthex_testkit::{
    bad::{Bad, COLLIDING, CONTROL_NAME, LONG_NAME_CHARS, MANY, ODD, SCHEMA_LEVELS},
    session::Session,
};
use serde_json::json;

use super::{Beside, GOOD};
use crate::words::assert_refused;

/// Calls a tool and returns the name that the server was called by.
async fn called(session: &Session, tool: &str) -> String {
    let answer = session.call(tool, json!({"text": "x"})).await;
    assert_eq!(answer.text(), "x", "{tool}");
    let name = &answer.result()["structuredContent"]["tool"];
    name.as_str().unwrap().to_owned()
}

async fn names_of_bad(session: &Session) -> BTreeSet<String> {
    let names = session.names().await.into_iter();
    names.filter(|name| name.starts_with("bad__")).collect()
}

#[tokio::test]
async fn ten_thousand_tools() {
    let beside = Beside::start(Bad::TenThousandTools).await;
    beside.connected().await;

    let server = beside.core.server("bad").await;
    assert_eq!((server.tools.offered, server.tools.held), (MANY + 2, 0));
    let session = beside.core.session().await;
    let names = session.names().await;
    for name in GOOD {
        assert!(names.contains(&format!("{name}__echo")), "{name} is lost");
    }
    let of_bad = names.iter().filter(|name| name.starts_with("bad__"));
    assert_eq!(of_bad.count(), MANY + 2);
    let last = format!("tool_{}", MANY - 1);
    assert_eq!(called(&session, &format!("bad__{last}")).await, last);
    beside.end().await;
}

#[tokio::test]
async fn names_that_are_long_or_empty_or_hold_control_characters() {
    let beside = Beside::start(Bad::OddNames).await;
    beside.connected().await;

    // A name that is none, or that comes a second time, costs its own definition alone.
    beside.logged("5 of its tools are left out").await;
    let server = beside.core.server("bad").await;
    assert_eq!((server.tools.offered, server.tools.held), (ODD, 0));
    let session = beside.core.session().await;
    let offered = names_of_bad(&session).await;
    assert_eq!(offered.len(), ODD, "{offered:?}");
    let mut own = BTreeSet::new();
    for name in &offered {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        assert!(name.len() <= 50 && name.bytes().all(plain), "{name:?}");
        own.insert(called(&session, name).await);
    }
    let long = "n".repeat(LONG_NAME_CHARS);
    let names = ["echo", "well", "", CONTROL_NAME, &long].map(str::to_owned);
    assert_eq!(own, BTreeSet::from(names.clone()));
    // At its own address they are what the server calls them.
    let alone = beside.core.session_with("bad").await;
    let listed: BTreeSet<String> = alone.names().await.into_iter().collect();
    assert_eq!(listed, BTreeSet::from(names));
    assert_eq!(called(&alone, CONTROL_NAME).await, CONTROL_NAME);
    beside.end().await;
}

#[tokio::test]
async fn names_that_collide_once_they_are_cleaned() {
    let beside = Beside::start(Bad::CollidingNames).await;
    beside.connected().await;

    let session = beside.core.session().await;
    let offered = names_of_bad(&session).await;
    let mut own = BTreeSet::new();
    for name in &offered {
        own.insert(called(&session, name).await);
    }
    // The hash tells them apart; the pair whose hashes are the same is offered under no name.
    let told_apart = ["echo", "well", "a b", "a_b", "a.b"].map(str::to_owned);
    assert_eq!(own, BTreeSet::from(told_apart), "{offered:?}");
    assert_eq!(offered.len(), 5);

    let tools = beside.core.get("/servers/bad/tools").await.json();
    let pair: BTreeSet<&str> = tools["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|tool| COLLIDING.iter().any(|name| tool["name"] == *name))
        .filter_map(|tool| tool["offered_as"].as_str())
        .collect();
    assert_eq!(pair.len(), 1, "the two are no pair: {pair:?}");
    let both = pair.into_iter().next().unwrap();
    let answer = session.call(both, json!({"text": "x"})).await;
    assert_refused(&answer, &["unknown_tool"]);
    // At its own address both are there.
    let alone = beside.core.session_with("bad").await;
    for name in COLLIDING {
        assert_eq!(called(&alone, name).await, name);
    }
    beside.end().await;
}

#[tokio::test]
async fn schemas_nested_500_deep() {
    let beside = Beside::start(Bad::DeepSchemas).await;
    beside.connected().await;

    let session = beside.core.session().await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let list = session.post(list).await.body;
    // Byte for byte, as the server gave it.
    let schema = format!(
        "{}{{}}{}",
        r#"{"enum":["#.repeat(SCHEMA_LEVELS),
        "]}".repeat(SCHEMA_LEVELS)
    );
    assert!(list.contains(&format!(
        r#"{{"name":"bad__deep_1","inputSchema":{schema}}}"#
    )));
    assert_eq!(called(&session, "bad__deep_1").await, "deep_1");
    beside.assert_well().await;
    beside.end().await;
}
