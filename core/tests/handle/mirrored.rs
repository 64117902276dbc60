use std::sync::Arc;

use narthex_core::client::{Client, Command, Mirror, Present};
use serde_json::json;
use tokio::sync::watch;

use super::Here;

const CONFIG: &str = r#"{"mcpServers": {
    "files": {"command": "mcp-files"},
    "off": {"command": "mcp-off", "enabled": false}
}}"#;

#[tokio::test]
async fn it_shows_what_the_core_knows() {
    let here = Here::start(CONFIG).await;
    let client = here.core.client();
    for followed in [here.core.client(), here.outside()] {
        let mirror = Mirror::follow(followed);
        let mut present = mirror.present();
        reachable(&mut present).await;

        client.add("more", json!({"command": "x"})).await.unwrap();
        client.wish("more", Command::Disconnect).await.unwrap();
        client.pause().await.unwrap();
        client.remove("more").await.unwrap();
        let last = client.resume().await.unwrap().revision;

        let shown = at(&mut present, last).await;
        assert!(!shown.paused, "{shown:?}");
        assert_eq!(shown.servers.keys().collect::<Vec<_>>(), ["files", "off"]);
        agrees(&client, &mut present).await;
    }
    here.end().await;
}

#[tokio::test]
async fn it_says_when_a_core_in_process_has_ended() {
    let here = Here::start(CONFIG).await;
    let mirror = Mirror::follow(here.core.client());
    let mut present = mirror.present();
    reachable(&mut present).await;

    here.end().await;

    let shown = present.wait_for(|now| !now.reachable).await.unwrap();
    assert_eq!(shown.servers.len(), 2);
}

#[tokio::test]
async fn it_finds_a_core_that_comes_back() {
    let here = Here::start(CONFIG).await;
    let (address, first) = (here.core.address(), here.core.view().instance().to_owned());
    let mirror = Mirror::follow(here.outside());
    let mut present = mirror.present();
    reachable(&mut present).await;

    let home = here.end().await;
    let shown = present
        .wait_for(|now| !now.reachable)
        .await
        .unwrap()
        .clone();
    assert_eq!(shown.servers.len(), 2, "as it last was");

    std::fs::write(home.path().join("narthex.json"), r#"{"mcpServers": {}}"#).unwrap();
    let here = Here::again(home, address).await;
    let shown = reachable(&mut present).await;
    assert_ne!(shown.instance, first);
    assert!(shown.servers.is_empty(), "{shown:?}");
    here.end().await;
}

async fn reachable(present: &mut watch::Receiver<Arc<Present>>) -> Arc<Present> {
    present.wait_for(|now| now.reachable).await.unwrap().clone()
}

async fn at(present: &mut watch::Receiver<Arc<Present>>, revision: u64) -> Arc<Present> {
    let reached = present.wait_for(|now| now.revision >= revision).await;
    reached.unwrap().clone()
}

/// Compares what is shown with what the core says, at a revision that both have.
async fn agrees(client: &Client, present: &mut watch::Receiver<Arc<Present>>) {
    loop {
        let (list, status) = (
            client.servers().await.unwrap(),
            client.status().await.unwrap(),
        );
        let shown = at(present, list.revision).await;
        if shown.revision != list.revision || status.revision != list.revision {
            continue;
        }
        let servers: Vec<_> = shown.servers.values().map(|it| (**it).clone()).collect();
        assert_eq!(servers, list.servers);
        assert_eq!(shown.instance, list.instance);
        let of_wanted = (status.connected, status.wanted);
        assert_eq!(shown.connected_of_wanted(), of_wanted);
        assert_eq!(shown.problems, status.problems);
        return;
    }
}
