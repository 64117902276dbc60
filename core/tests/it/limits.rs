//! How many calls are in flight at once, and what becomes of those beyond: they wait in turn, a
//! round going over the sessions, and are told when to come again where there is no room.

use std::sync::Arc;

use narthex_testkit::{
    core::{Core, Home, PATIENCE},
    entry::Entry,
    gate::Gate,
    session::{Answer, Session},
};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// As many may wait for one server.
const WAITING_MAX: usize = 1_024;

#[tokio::test]
async fn sessions_take_turns_and_within_one_the_first_comes_first() {
    let core = Core::trusted([("alpha", narrow())]).await;
    let gate = Gate::open();
    let (crowd, other) = (session(&core).await, session(&core).await);
    let mut calls = vec![hold(&crowd, &gate)];
    let mut held = gate.arrived().await;
    for number in 1..=8 {
        calls.push(hold(&crowd, &gate));
        waiting(&core, "alpha", number).await;
    }
    let others = hold(&other, &gate);
    waiting(&core, "alpha", 9).await;

    for word in 0..9 {
        held.let_through(&word.to_string()).await;
        held = gate.arrived().await;
        assert!(!gate.is_anyone_there().await, "two in flight");
    }
    held.let_through("9").await;

    // One of the crowd was there before, and one has its turn.
    assert_eq!(others.await.unwrap().text(), "2");
    for (call, word) in calls.into_iter().zip([0, 1, 3, 4, 5, 6, 7, 8, 9]) {
        assert_eq!(call.await.unwrap().text(), word.to_string());
    }
    assert_eq!(counted(&core, "requests_shed_total", "alpha").await, 0);
}

#[tokio::test]
async fn one_too_many_is_told_when_to_come_again_and_costs_another_session_nothing() {
    raise_descriptors();
    let core = Core::trusted([("alpha", narrow())]).await;
    let gate = Gate::open();
    let (crowd, other) = (session(&core).await, session(&core).await);
    let _first = hold(&crowd, &gate);
    let held = gate.arrived().await;
    let mut calls = JoinSet::new();
    for _ in 0..WAITING_MAX {
        let crowd = Arc::clone(&crowd);
        calls.spawn(async move { crowd.call("alpha__echo", json!({"text": "x"})).await });
    }
    waiting(&core, "alpha", WAITING_MAX).await;

    let refused = crowd.call("alpha__echo", json!({"text": "x"})).await;
    is_busy(&refused, "alpha");
    // Another session has room made for it, by the last of the crowd.
    let others = hold(&other, &gate);
    let pushed_out = timeout(PATIENCE, calls.join_next()).await.unwrap();
    is_busy(&pushed_out.unwrap().unwrap(), "alpha");
    assert_eq!(
        counted(&core, "requests_waiting", "alpha").await,
        WAITING_MAX
    );
    assert_eq!(counted(&core, "requests_shed_total", "alpha").await, 2);

    held.let_through("on").await;
    gate.arrived().await.let_through("mine").await;
    assert_eq!(others.await.unwrap().text(), "mine");
    let answers = timeout(PATIENCE, calls.join_all()).await.unwrap();
    assert_eq!(answers.len(), WAITING_MAX - 1);
    assert!(answers.iter().all(|answer| answer.text() == "x"));
}

#[tokio::test]
async fn a_call_whose_time_runs_out_while_it_waits_is_told_so() {
    let core = Core::trusted([("alpha", narrow().set("callTimeout", "2s"))]).await;
    let (long, short) = (session(&core).await, session(&core).await);
    // It lives on by its progress.
    let params = json!({
        "name": "alpha__progress",
        "arguments": {"steps": 60, "ms": 100},
        "_meta": {"progressToken": 1},
    });
    let mut stream = long.stream("tools/call", params).await;

    let refused = short.call("alpha__echo", json!({"text": "x"})).await;
    is_busy(&refused, "alpha");
    let message = refused.message["error"]["message"].as_str().unwrap();
    assert!(message.contains("took all its time"), "{message}");
    let last = loop {
        let message = timeout(PATIENCE, stream.message()).await.unwrap();
        if message["method"].is_null() {
            break message;
        }
    };
    assert_eq!(last["result"]["content"][0]["text"], "done", "{last}");
}

#[tokio::test]
async fn one_that_is_cancelled_leaves_the_queue_unheard() {
    let core = Core::trusted([("alpha", narrow())]).await;
    let gate = Gate::open();
    let session = session(&core).await;
    let first = hold(&session, &gate);
    let held = gate.arrived().await;
    let body = json!({
        "jsonrpc": "2.0",
        "id": "second",
        "method": "tools/call",
        "params": {"name": "alpha__hold", "arguments": gate.arguments()},
    });
    let second = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.post(&body.to_string()).await }
    });
    waiting(&core, "alpha", 1).await;

    let reason = json!({"requestId": "second"});
    session.notify("notifications/cancelled", reason).await;
    timeout(PATIENCE, second).await.unwrap().unwrap();
    waiting(&core, "alpha", 0).await;
    held.let_through("on").await;

    assert_eq!(first.await.unwrap().text(), "on");
    let heard = session.call("alpha__heard", json!({})).await;
    let heard: Value = serde_json::from_str(heard.text()).unwrap();
    assert_eq!(heard["tools/call"], 2, "{heard}");
    assert!(heard["notifications/cancelled"].is_null(), "{heard}");
}

#[tokio::test]
async fn a_decision_reaches_those_that_wait_at_once() {
    for (wish, kind) in [
        ("quarantine", "in_quarantine"),
        ("disconnect", "disconnected"),
    ] {
        let core = Core::trusted([("alpha", narrow())]).await;
        let gate = Gate::open();
        let (a, b) = (session(&core).await, session(&core).await);
        let first = hold(&a, &gate);
        let _held = gate.arrived().await;
        let second = hold(&b, &gate);
        waiting(&core, "alpha", 1).await;

        core.wish("alpha", wish).await;
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!((first.error_kind(), second.error_kind()), (kind, kind));
        // The server may have acted on the one, and never saw the other.
        assert_eq!(first.error_data()["retry_safe"], false);
        assert_eq!(second.error_data()["retry_safe"], true);
        assert!(!gate.is_anyone_there().await);
    }
}

#[tokio::test]
async fn those_that_wait_for_a_server_that_ends_go_to_the_next_one() {
    let core = Core::trusted([("alpha", narrow())]).await;
    let gate = Gate::open();
    let (a, b) = (session(&core).await, session(&core).await);
    let first = hold(&a, &gate);
    let held = gate.arrived().await;
    let seconds: Vec<_> = (0..5).map(|_| hold(&b, &gate)).collect();
    waiting(&core, "alpha", 5).await;

    let pid = i32::try_from(held.pid).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(first.await.unwrap().error_kind(), "server_ended");
    for _ in &seconds {
        let next = gate.arrived().await;
        assert_ne!(next.pid, held.pid);
        assert!(!gate.is_anyone_there().await, "two in flight");
        next.let_through("next").await;
    }
    for second in seconds {
        assert_eq!(second.await.unwrap().text(), "next");
    }
}

#[tokio::test]
async fn calls_to_all_servers_together_have_a_limit_that_is_in_force_at_once() {
    let home = Home::new().trusted();
    let entries = || [("alpha", wide()), ("beta", wide())];
    let write = |home: &Home, limit: Value| {
        let mut config = json!({"maxConcurrent": limit, "mcpServers": {}});
        for (name, entry) in entries() {
            config["mcpServers"][name] = home.entry(name, entry);
        }
        home.write_config(&config.to_string());
    };
    write(&home, json!(1));
    let core = home.start().await;
    for (name, _) in entries() {
        core.wait_until(name, |server| server.is("connected")).await;
    }
    let gate = Gate::open();
    let (a, b) = (session(&core).await, session(&core).await);
    let first = hold(&a, &gate);
    let held = gate.arrived().await;
    let second = tokio::spawn({
        let b = Arc::clone(&b);
        async move { b.call("beta__echo", json!({"text": "b"})).await }
    });
    waiting(&core, "beta", 1).await;

    // A limit that cannot be used changes nothing.
    write(&core.home, json!("many"));
    let told = core
        .wait_for_core(|core| core["problems"][0]["field"] == "maxConcurrent")
        .await;
    assert_eq!(told["problems"].as_array().unwrap().len(), 1, "{told}");
    waiting(&core, "beta", 1).await;
    write(&core.home, json!(2));
    assert_eq!(second.await.unwrap().text(), "b");
    held.let_through("a").await;
    assert_eq!(first.await.unwrap().text(), "a");
}

/// What holds while nothing waits: a call is as quick as ever, and nobody counts as waiting.
#[tokio::test]
async fn nobody_waits_while_there_are_places() {
    let core = Core::trusted([("alpha", wide())]).await;
    let gate = Gate::open();
    let session = session(&core).await;
    let calls: Vec<_> = (0..64).map(|_| hold(&session, &gate)).collect();
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(gate.arrived().await);
    }
    assert_eq!(counted(&core, "requests_waiting", "alpha").await, 0);
    let one_more = hold(&session, &gate);
    waiting(&core, "alpha", 1).await;
    for held in held {
        held.let_through("on").await;
    }
    gate.arrived().await.let_through("on").await;
    for call in calls.into_iter().chain([one_more]) {
        assert_eq!(call.await.unwrap().text(), "on");
    }
}

/// Calls that a client gave up by hanging up leave the queue as well.
#[tokio::test]
async fn a_client_that_hangs_up_waits_no_more() {
    let core = Core::trusted([("alpha", narrow())]).await;
    let gate = Gate::open();
    let (a, b) = (session(&core).await, session(&core).await);
    let first = hold(&a, &gate);
    let held = gate.arrived().await;
    let second = hold(&b, &gate);
    waiting(&core, "alpha", 1).await;
    second.abort();
    waiting(&core, "alpha", 0).await;
    held.let_through("on").await;
    assert_eq!(first.await.unwrap().text(), "on");
    // The next one is answered, so whatever came before it would be at the gate by now.
    a.call("alpha__echo", json!({"text": "x"})).await;
    assert!(!gate.is_anyone_there().await);
}

fn narrow() -> Entry {
    wide().set("maxConcurrent", 1)
}

fn wide() -> Entry {
    Entry::scripted([])
}

async fn session(core: &Core) -> Arc<Session> {
    Arc::new(core.session().await)
}

fn hold(session: &Arc<Session>, gate: &Gate) -> JoinHandle<Answer> {
    let (session, arguments) = (Arc::clone(session), gate.arguments());
    tokio::spawn(async move { session.call("alpha__hold", arguments).await })
}

fn is_busy(answer: &Answer, server: &str) {
    let data = answer.error_data();
    assert_eq!(data["kind"], "busy", "{answer:?}");
    assert_eq!(data["fault"], "narthex", "{data}");
    assert_eq!(data["server"], server, "{data}");
    assert_eq!(data["retry_safe"], true, "{data}");
    let after = data["retry_after_ms"].as_u64().unwrap();
    assert!((100..=60_000).contains(&after), "{data}");
}

/// Waits until so many requests wait for a server.
async fn waiting(core: &Core, server: &str, count: usize) {
    let all = async {
        while counted(core, "requests_waiting", server).await != count {
            tokio::task::yield_now().await;
        }
    };
    let waited = timeout(PATIENCE, all).await;
    waited.unwrap_or_else(|_| panic!("not {count} requests wait for {server}"));
}

async fn counted(core: &Core, name: &str, server: &str) -> usize {
    let request = reqwest::Client::new()
        .get(core.url("/metrics"))
        .bearer_auth(core.home.token("control"));
    let metrics = core.send(request).await.body;
    let name = format!("narthex_{name}{{server=\"{server}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
        .parse()
        .unwrap()
}

/// A thousand calls at once are as many sockets, here and there.
fn raise_descriptors() {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    setrlimit(Resource::Nofile, limits).unwrap();
}
