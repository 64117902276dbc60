use narthex_testkit::{
    bridge::Bridge,
    core::Core,
    entry::Entry,
    gate::{Gate, HeldEnd},
};
use rustix::process::Signal;
use serde_json::json;

use super::bridged;

#[tokio::test]
async fn the_end_of_input_and_a_signal_cancel_calls_and_end_the_session() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    for signal in [None, Some(Signal::TERM), Some(Signal::INT)] {
        let mut bridge = Bridge::start(&core.home);
        bridge.hello(json!({})).await;
        core.wait_for_core(|now| now["clients"] == 1).await;
        let gate = Gate::open();
        let params = json!({"name": "alpha__hold", "arguments": gate.arguments()});
        bridge.send("tools/call", params).await;
        let held = gate.arrived().await;

        let status = match signal {
            None => bridge.end().await,
            Some(signal) => bridge.end_by(signal).await,
        };

        assert!(status.success(), "{signal:?}: {status}");
        assert_eq!(held.ended().await, HeldEnd::Cancelled);
        core.wait_for_core(|now| now["clients"] == 0).await;
    }
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_answered() {
    let (_core, mut bridge) = bridged().await;
    let params = json!({"name": "alpha__sleep", "arguments": {"ms": 200}});
    let id = bridge.send("tools/call", params).await;
    bridge.close();
    assert_eq!(
        bridge.answer(&id).await["result"]["content"][0]["text"],
        "slept"
    );
    assert!(bridge.end().await.success());
}

#[tokio::test]
async fn the_client_is_known_by_the_name_that_was_said() {
    let (core, bridge) = bridged().await;
    // The bridge of another client counts as another.
    let path = core.home.path().to_str().unwrap();
    let mut other = Bridge::of(
        core.home
            .command(&["stdio", "--home", path, "--client", "other"]),
    );
    other.hello(json!({})).await;
    core.wait_for_core(|now| now["clients"] == 2).await;
    assert!(core.stderr().contains("stdio:kit"), "{}", core.stderr());
    assert!(core.stderr().contains("stdio:other"), "{}", core.stderr());
    drop(bridge);

    let unreadable = Bridge::of(
        core.home
            .command(&["stdio", "--home", path, "--client", "a b"]),
    );
    assert_eq!(unreadable.end().await.code(), Some(2));
    let taken = core.post("/clients", json!({"name": "stdio:kit"})).await;
    assert_eq!(taken.status, 422);
}
