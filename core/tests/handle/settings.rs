use std::fs;

use narthex_core::api::wire::{Setting, Settings, SettingsPatch};
use serde_json::{Value, json};

use super::Here;

#[tokio::test]
async fn they_are_read_changed_and_told_from_what_is_in_force() {
    let here = Here::start(r#"{"logLevel": "warn", "mcpServers": {}}"#).await;
    let (inside, outside) = (here.core.client(), here.outside());
    let address = here.core.address().to_string();
    let settings = |listen: Option<&str>, configured: Option<&str>, in_force: &str| Settings {
        listen: Setting {
            configured: listen.map(str::to_owned),
            in_force: address.clone(),
        },
        log_level: Setting {
            configured: configured.map(str::to_owned),
            in_force: in_force.to_owned(),
        },
    };
    let expected = settings(None, Some("warn"), "warn");
    assert_eq!(inside.settings().await.unwrap(), expected);
    assert_eq!(outside.settings().await.unwrap(), expected);

    let patch = SettingsPatch {
        listen: Some(Some("127.0.0.1:7499".to_owned())),
        log_level: Some(None),
    };
    let expected = settings(Some("127.0.0.1:7499"), None, "info");
    assert_eq!(outside.change_settings(patch).await.unwrap(), expected);
    assert_eq!(inside.settings().await.unwrap(), expected);
    let file = fs::read_to_string(here.home.path().join("narthex.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file, json!({"mcpServers": {}, "listen": "127.0.0.1:7499"}));

    let debug = SettingsPatch {
        log_level: Some(Some("debug".to_owned())),
        ..SettingsPatch::default()
    };
    let expected = settings(Some("127.0.0.1:7499"), Some("debug"), "debug");
    assert_eq!(inside.change_settings(debug).await.unwrap(), expected);
    here.end().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_by_name_and_leaves_the_file() {
    let config = r#"{"mcpServers": {}}"#;
    let here = Here::start(config).await;
    let bad = |listen: Option<&str>, level: Option<&str>| SettingsPatch {
        listen: listen.map(|it| Some(it.to_owned())),
        log_level: level.map(|it| Some(it.to_owned())),
    };
    for patch in [
        bad(Some("0.0.0.0:7410"), None),
        bad(Some("here"), None),
        bad(Some("127.0.0.1:1"), Some("loud")),
    ] {
        for client in [here.core.client(), here.outside()] {
            let error = client.change_settings(patch.clone()).await.unwrap_err();
            assert_eq!(error.kind(), "bad-setting");
        }
    }
    let file = fs::read_to_string(here.home.path().join("narthex.json")).unwrap();
    assert_eq!(file, config);
    here.end().await;
}
