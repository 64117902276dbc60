//! `narthex stdio` as the clients see it that start it: whatever becomes of the core, the client
//! behind it goes on.

mod carrying;
mod ending;
mod renewal;
mod starting;

use std::time::Duration;

use narthex_testkit::{
    bridge::Bridge,
    core::{Core, Home},
    entry::Entry,
};
use rustix::process::Signal;
use serde_json::Value;

/// How often something outside our processes is looked at that tells nobody of itself.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A home whose core listens wherever there is room, with a server of every feature that was let in.
async fn home() -> Home {
    let home = Home::new();
    let entry = home.entry("alpha", Entry::scripted(["--full", "kit"]));
    let config = serde_json::json!({"listen": "127.0.0.1:0", "mcpServers": {"alpha": entry}});
    home.write_config(&config.to_string());
    let core = home.start().await;
    core.approve_all("alpha").await;
    core.end(Signal::TERM).await.0
}

/// A core with such a server, and a bridge to it whose client can be asked everything.
async fn bridged() -> (Core, Bridge) {
    let core = Core::trusted([("alpha", Entry::scripted(["--full", "kit"]))]).await;
    let mut bridge = Bridge::start(&core.home);
    bridge.hello(able()).await;
    (core, bridge)
}

fn able() -> Value {
    serde_json::json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}})
}

/// Returns who holds a home, as it says itself; null where nobody does.
fn holder(home: &Home) -> Value {
    let text = std::fs::read_to_string(home.path().join("core.lock")).unwrap_or_default();
    serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_default()
}

/// Returns the process ids of the cores of a home that run.
fn cores(home: &Home) -> Vec<u32> {
    let all = narthex_testkit::census::marked(&home.marker_of("core"));
    let serves = all.into_iter().filter(|process| {
        let is_serve = |word: &String| word == "serve";
        process.state != 'Z' && process.command_line.iter().any(is_serve)
    });
    serves.map(|process| process.pid).collect()
}
