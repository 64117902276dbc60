use std::os::unix::fs::PermissionsExt as _;

use narthex_testkit::{bridge::Bridge, core::Home};
use rustix::process::Signal;
use serde_json::json;
use tokio::{net::TcpStream, time::sleep};

use super::{LOOK_EVERY, cores, holder, home};

#[tokio::test]
async fn where_no_core_runs_one_is_started_that_outlives_the_client() {
    let home = home().await;
    let mut bridge = Bridge::start(&home);

    let hello = bridge.hello(json!({})).await;
    assert_eq!(hello["result"]["serverInfo"]["name"], "narthex");
    assert_eq!(
        bridge.text("alpha__echo", json!({"text": "hi"})).await,
        "hi"
    );

    let held = holder(&home);
    assert_eq!(
        (&held["kind"], &held["hands_over"]),
        (&json!("serve"), &json!(true))
    );
    assert!(bridge.end().await.success());
    let mut second = Bridge::start(&home);
    second.hello(json!({})).await;
    assert_eq!(
        second.text("alpha__echo", json!({"text": "hi"})).await,
        "hi"
    );
    assert_eq!(holder(&home), held, "the same core");
}

#[tokio::test]
async fn of_many_bridges_that_start_at_once_all_find_one_core() {
    let home = Home::new();
    home.write_config(r#"{"listen": "127.0.0.1:0", "mcpServers": {}}"#);
    for _ in 0..rounds(5) {
        let mut bridges: Vec<Bridge> = (0..6).map(|_| Bridge::start(&home)).collect();
        for bridge in &mut bridges {
            bridge.hello(json!({})).await;
        }
        let [core] = cores(&home)[..] else {
            panic!("one core: {:?}", cores(&home));
        };
        assert_eq!(holder(&home)["pid"], core);
        for bridge in bridges {
            assert!(bridge.end().await.success());
        }
        end(&home, core, Signal::TERM).await;
    }
}

#[tokio::test]
async fn a_bridge_and_a_core_that_a_person_starts_find_each_other() {
    for _ in 0..rounds(5) {
        let home = Home::new();
        home.write_config(r#"{"listen": "127.0.0.1:0", "mcpServers": {}}"#);
        let mut bridge = Bridge::start(&home);
        let marker = home.marker().to_owned();
        // Whichever is first, the bridge finds a core.
        let started = home.try_start().await;
        let hello = bridge.hello(json!({})).await;
        assert_eq!(hello["result"]["serverInfo"]["name"], "narthex");
        if let Err((_, refused)) = &started {
            assert_eq!(refused.code, Some(3), "{refused:?}");
        }
        narthex_testkit::census::kill_marked(&marker);
    }
}

#[tokio::test]
async fn a_core_that_cannot_start_is_explained_to_whoever_asks() {
    let home = Home::new();
    home.write_config(r#"{"listen": "127.0.0.1:0", "mcpServers": {}}"#);
    std::fs::create_dir(home.path().join("trust.db")).unwrap();
    let mut bridge = Bridge::start(&home);

    let refused = bridge.request("initialize", json!({})).await;

    let error = &refused["error"];
    assert!(
        error["message"].as_str().unwrap().contains("trust.db"),
        "{refused}"
    );
    assert_eq!(error["data"]["kind"], "no_core");
    assert_eq!(error["data"]["retry_safe"], true);
    bridge.until_it_says("trust.db").await;
    // What was in the way is gone, and the same bridge goes on.
    std::fs::remove_dir(home.path().join("trust.db")).unwrap();
    sleep(std::time::Duration::from_secs(1)).await;
    let hello = bridge.hello(json!({})).await;
    assert!(hello["result"].is_object(), "{hello}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let home = Home::new();
    home.write_config(&format!(r#"{{"listen": "{address}", "mcpServers": {{}}}}"#));
    let mut bridge = Bridge::start(&home);

    let refused = bridge.request("ping", json!({})).await;

    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains(&address.to_string()), "{refused}");
    // A bridge that never found a core says so by its end too.
    assert_eq!(bridge.end().await.code(), Some(4));
}

#[tokio::test]
async fn a_desktop_that_ends_or_does_not_come_is_done_without() {
    let home = home().await;
    let desktop = home.path().join("desktop");
    let asked = home.path().join("asked");
    let script = format!("#!/bin/sh\necho \"$@\" > {}\nexit 4\n", asked.display());
    std::fs::write(&desktop, script).unwrap();
    std::fs::set_permissions(&desktop, std::fs::Permissions::from_mode(0o755)).unwrap();
    let envs = [
        ("NARTHEX_DESKTOP", desktop.to_str().unwrap()),
        ("DISPLAY", ":77"),
    ];
    let mut bridge = Bridge::start_with(&home, &envs);

    bridge.hello(json!({})).await;

    let args = std::fs::read_to_string(asked).unwrap();
    let expected = format!(
        "--hidden --needs-display --home {}\n",
        home.path().display()
    );
    assert_eq!(args, expected);
    assert_eq!(holder(&home)["kind"], "serve");
}

#[tokio::test]
async fn without_a_display_no_desktop_is_started() {
    let home = home().await;
    let envs = [
        ("NARTHEX_DESKTOP", "/bin/false"),
        ("DISPLAY", ""),
        ("WAYLAND_DISPLAY", ""),
    ];
    let mut bridge = Bridge::start_with(&home, &envs);
    bridge.hello(json!({})).await;
    assert_eq!(holder(&home)["kind"], "serve");
}

/// Ends a core that nobody here started, and waits until nothing of it is left: a process that is
/// ending loses its command line before its sockets.
pub(super) async fn end(home: &Home, pid: u32, signal: Signal) {
    let address = holder(home)["address"].as_str().unwrap().to_owned();
    narthex_testkit::census::signal(pid, signal);
    while cores(home).contains(&pid) || TcpStream::connect(&address).await.is_ok() {
        sleep(LOOK_EVERY).await;
    }
}

/// How many rounds a race is run: as many as `NARTHEX_ROUNDS` says.
fn rounds(few: usize) -> usize {
    let said = std::env::var("NARTHEX_ROUNDS").ok();
    said.and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}
