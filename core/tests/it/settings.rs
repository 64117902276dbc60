//! The settings beside the servers: in the file, over REST, and in force.

use std::fs;

use narthex_testkit::core::{Core, Home};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::test]
async fn the_log_level_is_in_force_at_once() {
    let core = Home::new().start().await;
    core.post("/pause", json!({})).await;
    assert!(logged(&core).contains("pause"), "info is the default");

    let changed = core.patch("/settings", json!({"log_level": "error"})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        level(&core).await,
        json!({"configured": "error", "in_force": "error"})
    );
    core.post("/resume", json!({})).await;
    assert!(!logged(&core).contains("resume"), "{}", logged(&core));

    // The same by the file; a level that is none leaves the last.
    core.home
        .write_config(r#"{"logLevel": "debug", "mcpServers": {}}"#);
    core.home
        .write_config(r#"{"logLevel": "loud", "mcpServers": {}}"#);
    let told = core
        .wait_for_core(|core| !core["problems"].as_array().is_none_or(Vec::is_empty))
        .await;
    assert_eq!(told["problems"][0]["field"], "logLevel", "{told}");
    let now = level(&core).await;
    assert_eq!(now["configured"], now["in_force"], "{now}");
    assert_ne!(now["in_force"], "loud");

    let refused = core.patch("/settings", json!({"log_level": "loud"})).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.json()["fields"], json!(["log_level"]));
}

#[tokio::test]
async fn the_environment_stands_above_the_log_level() {
    let core = Home::new().env("NARTHEX_LOG", "warn").start().await;

    core.patch("/settings", json!({"log_level": "trace"})).await;

    assert_eq!(
        level(&core).await,
        json!({"configured": "trace", "in_force": "warn"})
    );
    assert!(!logged(&core).contains("INFO"), "{}", logged(&core));
}

#[tokio::test]
async fn the_core_listens_where_the_file_says_unless_it_is_told_otherwise() {
    let home = Home::new();
    home.write_config(r#"{"listen": "[::1]:0", "mcpServers": {}}"#);
    let args = ["serve", "--json", "--home", home.path().to_str().unwrap()];
    let mut serve = home.command(&args).spawn().unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let ready = lines.next_line().await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert!(
        ready["listening"].as_str().unwrap().starts_with("[::1]:"),
        "{ready}"
    );
    serve.kill().await.unwrap();

    let core = home.start().await;
    let settings = core.get("/settings").await.json();
    assert_eq!(settings["listen"]["configured"], "[::1]:0");
    assert_eq!(settings["listen"]["in_force"], core.address());
}

async fn level(core: &Core) -> Value {
    core.get("/settings").await.json()["log_level"].clone()
}

/// What stands in the core's own log.
fn logged(core: &Core) -> String {
    let files = fs::read_dir(core.home.path().join("logs")).unwrap();
    files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}
