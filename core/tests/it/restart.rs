//! Servers that die, and a core that dies: what comes back, what is sent again, what is left.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use narthex_testkit::{
    census,
    core::{Core, Home},
    entry::Entry,
    gate::Gate,
};
use rustix::process::Signal;
use serde_json::json;

use crate::words::{ENDED, ENDED_BY_WISH, assert_refused};

/// How long anything a server started may outlive what ended it.
const GONE: Duration = Duration::from_secs(5);
/// How long the core itself may take to end in order.
const CORE_GONE: Duration = Duration::from_secs(10);
/// How long a call may wait for its server to come back.
const CALL_WAITS: Duration = Duration::from_secs(10);

#[tokio::test]
async fn after_kill_9_of_the_server_the_same_sessions_next_call_succeeds() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ])
    .await;
    let session = core.session().await;
    let beta = core.pids_of("beta");
    let before: u32 = session
        .call("alpha__pid", json!({}))
        .await
        .text()
        .parse()
        .unwrap();

    census::kill(before);
    let killed = Instant::now();
    let answer = session.call("alpha__pid", json!({})).await;
    let took = killed.elapsed();

    let after: u32 = answer.text().parse().unwrap();
    assert_ne!(before, after);
    assert!(took < CALL_WAITS, "{took:?}");
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(core.pids_of("alpha"), [after]);
    assert_eq!(core.pids_of("beta"), beta, "the other one was touched");
}

#[tokio::test]
async fn lists_do_not_flicker_while_a_server_comes_back() {
    let core = Core::trusted([("alpha", Entry::scripted(["--start-delay", "300"]))]).await;
    let session = core.session().await;
    let before = session.names().await;
    let pid = core.pids_of("alpha")[0];

    census::kill(pid);
    core.wait_until("alpha", |server| !server.is("connected"))
        .await;

    assert_eq!(session.names().await, before);
    assert_eq!(core.session().await.names().await, before);
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
}

#[tokio::test]
async fn an_ending_is_noticed_from_the_pipe_at_once() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let mut events = core.events(None).await;
    events.next().await.unwrap();

    census::kill(core.pids_of("alpha")[0]);
    let killed = Instant::now();
    events
        .until(|event| {
            event.server() == Some("alpha") && event.data["server"]["condition"] != "connected"
        })
        .await;

    // A machine that runs tests is busy; a poller would take seconds.
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_call_in_flight_when_its_server_ends_gets_a_typed_error_and_is_not_sent_again() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let gate = Gate::open();
    let session = core.session().await;

    let (answer, ()) = tokio::join!(session.call("alpha__hold", gate.arguments()), async {
        let held = gate.arrived().await;
        census::kill(held.pid);
    });

    assert_refused(&answer, ENDED);
    let data = answer.error_data().as_object().unwrap();
    let retry = data.iter().find(|(member, _)| member.contains("retry"));
    assert_eq!(retry.map(|(_, safe)| safe), Some(&json!(false)), "{data:?}");
    // The server is back and has answered: what was sent again would be at the gate by then.
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
    assert!(!gate.is_anyone_there().await, "the call was sent again");
}

#[tokio::test]
async fn a_call_that_may_be_repeated_is_sent_again() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    for tool in ["alpha__hold_read_only", "alpha__hold_idempotent"] {
        let gate = Gate::open();
        let (answer, (first, second)) = tokio::join!(session.call(tool, gate.arguments()), async {
            let held = gate.arrived().await;
            let first = held.pid;
            census::kill(first);
            let held = gate.arrived().await;
            let second = held.pid;
            held.let_through("done").await;
            (first, second)
        });
        assert_eq!(answer.text(), "done", "{tool}");
        assert_ne!(first, second, "{tool}");
    }
}

#[tokio::test]
async fn every_call_in_flight_gets_its_answer_when_the_server_ends() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let gate = Gate::open();
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(core.session().await);
    }

    let calls = sessions
        .iter()
        .map(|session| session.call("alpha__hold", gate.arguments()));
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), async {
        let mut held = Vec::new();
        while held.len() < 16 {
            held.push(gate.arrived().await);
        }
        census::kill(held[0].pid);
    });

    for answer in &answers {
        assert_refused(answer, ENDED);
    }
}

#[tokio::test]
async fn a_restart_by_wish_ends_calls_in_flight_with_an_error() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let gate = Gate::open();
    let session = core.session().await;

    let (answer, ()) = tokio::join!(session.call("alpha__hold", gate.arguments()), async {
        let _held = gate.arrived().await;
        core.wish("alpha", "restart").await;
    });

    assert_refused(&answer, ENDED_BY_WISH);
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
}

#[tokio::test]
async fn a_server_that_crashes_again_and_again_leaves_no_process_and_no_descriptor_behind() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let descriptors = census::descriptors(core.pid());

    for _ in 0..10 {
        // Back in time or not: a call that waits in vain gets an error, and the next one goes on.
        let _ = session.call("alpha__crash", json!({})).await;
    }
    core.wish("alpha", "restart").await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;

    assert_eq!(core.pids_of("alpha").len(), 1);
    census::wait_until_reaped(core.pid(), GONE).await;
    let after = census::descriptors(core.pid());
    assert!(
        after <= descriptors + 4,
        "{descriptors} descriptors, then {after}"
    );
}

#[tokio::test]
async fn after_kill_9_of_narthex_nothing_is_left() {
    let (core, _daemons) = nasty().await;
    let marker = core.home.marker().to_owned();
    let started = census::descendants(core.pid());
    assert!(
        census::marked(&marker).len() > 20,
        "the nasty ones are not nasty"
    );

    let (_home, _) = core.end(Signal::KILL).await;

    census::wait_until_gone(&marker, &started, GONE).await;
}

#[tokio::test]
async fn after_sigterm_and_sigint_nothing_is_left() {
    for signal in [Signal::TERM, Signal::INT] {
        let (core, _daemons) = nasty().await;
        let marker = core.home.marker().to_owned();
        let started = census::descendants(core.pid());
        let asked = Instant::now();

        let ((_home, status), ()) = tokio::join!(
            core.end(signal),
            census::wait_until_gone(&marker, &started, GONE)
        );

        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert!(asked.elapsed() < CORE_GONE, "{signal:?}");
    }
}

#[tokio::test]
async fn after_disconnect_nothing_is_left() {
    let (core, _daemons) = nasty().await;

    let names: Vec<String> = core
        .servers()
        .await
        .into_iter()
        .map(|server| server.name)
        .collect();
    for name in &names {
        core.wish(name, "disconnect").await;
    }

    census::wait_until_gone(core.home.marker(), &census::descendants(core.pid()), GONE).await;
    assert_eq!(
        census::descendants(core.pid()),
        [],
        "guards or zombies are left"
    );
    // And they can all come back.
    for name in &names {
        core.wish(name, "connect").await;
    }
    core.wait_for_all(|servers| servers.values().all(|server| server.is("connected")))
        .await;
}

#[tokio::test]
async fn what_a_crashed_server_started_is_gone_before_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::trusted([(
        "alpha",
        daemon(folder.path(), "alpha", &["--children", "2"]),
    )])
    .await;
    let first = core.processes_of("alpha");
    let server = core.pids_of("alpha")[0];
    let before = core.server("alpha").await.phase["since"].clone();

    census::kill(server);
    core.wait_until("alpha", |server| {
        server.is("connected") && server.phase["since"] != before
    })
    .await;
    let session = core.session().await;
    assert!(session.call("alpha__pid", json!({})).await.is_ok());

    let others: Vec<_> = first
        .into_iter()
        .filter(|process| process.pid != server)
        .collect();
    census::wait_until_gone("no such marker", &others, GONE).await;
}

/// Ten servers that do not want to end, all connected.
async fn nasty() -> (Core, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path();
    let core = Core::trusted([
        ("plain", Entry::scripted([])),
        ("child", Entry::shell(r#"sleep 1000 & "$SERVER""#)),
        ("children", Entry::scripted(["--children", "3"])),
        ("deaf", Entry::scripted(["--deaf"])),
        ("daemon", daemon(pids, "daemon", &[])),
        ("all", daemon(pids, "all", &["--deaf", "--children", "2"])),
        (
            "deaf-shell",
            Entry::shell(r#"trap "" TERM INT HUP; sleep 1000 & "$SERVER" --deaf"#),
        ),
        (
            "session",
            Entry::shell(r#"setsid sleep 1000 & exec "$SERVER""#),
        ),
        (
            "orphan",
            Entry::shell(r#"(setsid sh -c 'trap "" TERM HUP; sleep 1000' &); exec "$SERVER""#),
        ),
        (
            "busy",
            Entry::shell(r#"while :; do sleep 0.02; done & exec "$SERVER""#),
        ),
    ])
    .await;
    (core, folder)
}

fn daemon(folder: &Path, name: &str, more: &[&str]) -> Entry {
    let file = folder.join(name);
    let mut args = vec!["--daemon", file.to_str().unwrap()];
    args.extend(more);
    Entry::scripted(args)
}

#[tokio::test]
async fn the_home_outlives_the_core_that_was_killed() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .start()
        .await;
    core.approve_all("alpha").await;
    let session_before = core.session().await;

    let (home, _) = core.end(Signal::KILL).await;
    let core = home.start().await;

    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    let answer = core
        .session()
        .await
        .call("alpha__echo", json!({"text": "x"}))
        .await;
    assert_eq!(answer.text(), "x");
    drop(session_before);
}
