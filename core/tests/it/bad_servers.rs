//! What bad input gets: a typed, named error in status and log, within its deadline, and nothing
//! else notices.

use std::time::{Duration, Instant};

use narthex_testkit::{
    census,
    core::{Core, Home},
    entry::Entry,
    session::{Answer, Session},
    upstream::Upstream,
    view::Server,
};
use serde_json::json;
use tokio::time::timeout;

use crate::words::{INIT_TIMED_OUT, TIMED_OUT, assert_refused};

/// What a good server's answer may take beside a bad one, on a machine that is busy with tests.
const GOOD_ANSWER: Duration = Duration::from_secs(2);
/// What a deadline may be missed by on such a machine.
const SLACK: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_command_that_does_not_exist() {
    let core = beside_good(Entry::new(json!({"command": "no-such-program-anywhere"}))).await;

    let server = failed(&core).await;

    let error = server.error.unwrap();
    assert_eq!(error.kind, "command_not_found");
    assert!(
        error.message.contains("no-such-program-anywhere"),
        "{error:?}"
    );
    let text = format!("{} {}", error.message, error.remedy);
    assert!(
        text.contains("/bin"),
        "what was searched is not shown: {text}"
    );
    assert_logged(&core, &error.kind).await;
    assert_good(&core).await;
}

#[tokio::test]
async fn a_path_that_is_no_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, "just text").unwrap();

    for command in [file.to_str().unwrap(), "/", "/no/such/path"] {
        let core = beside_good(Entry::new(json!({"command": command}))).await;
        let server = failed(&core).await;
        assert!(!server.error_kind().is_empty(), "{server:?}");
        assert_good(&core).await;
    }
}

#[tokio::test]
async fn a_working_folder_that_does_not_exist() {
    let core = beside_good(Entry::scripted([]).set("cwd", "/no/such/folder")).await;

    let server = failed(&core).await;

    let error = server.error.unwrap();
    assert!(error.message.contains("/no/such/folder"), "{error:?}");
    assert_ne!(error.kind, "command_not_found", "the command is there");
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_exits_at_once() {
    let args = [
        "--exit-at-once",
        "7",
        "--stderr",
        "the reason is written here",
    ];
    let core = beside_good(Entry::scripted(args)).await;

    let server = failed(&core).await;

    let error = server.error.unwrap();
    assert!(!error.kind.is_empty());
    assert!(
        error.message.contains('7'),
        "the exit code is not told: {error:?}"
    );
    let text = format!("{} {}", server.sentence, error.message);
    assert!(text.contains("the reason is written here"), "{text}");
    let logs = core.get("/servers/bad/logs?lines=100").await.json();
    let lines = logs["lines"].as_array().unwrap();
    assert!(
        lines.iter().any(|line| line["stream"] == "stderr"
            && line["line"] == "the reason is written here"
            && line["time"].is_string()),
        "{logs}"
    );
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_prints_noise_works_all_the_same() {
    let core = Core::trusted([("bad", Entry::scripted(["--noise"])), ("good", good())]).await;
    let session = core.session().await;

    assert_eq!(
        session.call("bad__echo", json!({"text": "x"})).await.text(),
        "x"
    );

    let logs = core.get("/servers/bad/logs?lines=100").await.json();
    let lines = logs["lines"].as_array().unwrap();
    assert!(
        lines.iter().any(
            |line| line["stream"] == "stdout" && line["line"] == "Listening on the usual port."
        ),
        "{logs}"
    );
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_never_answers_initialize() {
    let core = beside_good(Entry::scripted(["--mute"]).set("initTimeout", 1)).await;
    let started = Instant::now();

    let server = failed(&core).await;

    assert!(INIT_TIMED_OUT.contains(&server.error_kind()), "{server:?}");
    assert!(started.elapsed() < Duration::from_secs(1) + SLACK);
    assert_good(&core).await;
}

#[tokio::test]
async fn a_hanging_initialize_beside_nine_good_ones() {
    let names = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"];
    let mut servers: Vec<(&str, Entry)> = names.iter().map(|name| (*name, good())).collect();
    servers.insert(4, ("bad", Entry::scripted(["--mute"])));
    let core = Home::new().with(servers).trusted().start().await;

    for name in names {
        core.wait_until(name, |server| server.is("connected")).await;
    }
    let session = core.session().await;
    let asked = Instant::now();
    let list = session.names().await;
    for name in names {
        assert!(list.contains(&format!("{name}__echo")), "{list:?}");
        let answer = session
            .call(&format!("{name}__echo"), json!({"text": name}))
            .await;
        assert_eq!(answer.text(), name);
        assert!(core.server(name).await.is("connected"));
    }
    assert_eq!(core.servers().await.len(), 10);
    // Thirty requests: a single wait for the hanging one would take a minute.
    assert!(asked.elapsed() < GOOD_ANSWER * 3, "{:?}", asked.elapsed());
    let bad = core.server("bad").await;
    assert!(bad.is("connecting"), "{bad:?}");
    // A call to it waits at most min(initTimeout, 10 s) and is told.
    let (answer, took) = timed(session.call("bad__echo", json!({}))).await;
    assert!(!answer.is_ok());
    assert!(took < Duration::from_secs(10) + SLACK, "{took:?}");
}

#[tokio::test]
async fn a_server_that_answers_twice() {
    let core = Core::trusted([
        ("bad", Entry::scripted(["--answer-twice"])),
        ("good", good()),
    ])
    .await;
    let session = core.session().await;

    for number in 0..20 {
        let text = number.to_string();
        let answer = session.call("bad__echo", json!({"text": text})).await;
        assert_eq!(answer.text(), text, "an answer went to another call");
    }

    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_answers_under_another_id() {
    let entry = Entry::scripted(["--wrong-id"]).set("callTimeout", 2);
    let core = Core::trusted([("bad", entry), ("good", good())]).await;

    assert_call_fails_in_time(&core, Duration::from_secs(2)).await;
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_answers_initialize_under_another_id() {
    let args = ["--wrong-id", "--at", "initialize"];
    let core = beside_good(Entry::scripted(args).set("initTimeout", 1)).await;

    let server = failed(&core).await;

    assert!(!server.error_kind().is_empty(), "{server:?}");
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_sends_half_a_line() {
    let entry = Entry::scripted(["--half-line"]).set("callTimeout", 2);
    let core = Core::trusted([("bad", entry), ("good", good())]).await;

    assert_call_fails_in_time(&core, Duration::from_secs(2)).await;
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_sends_half_a_line_and_is_gone() {
    let core = Core::trusted([("bad", Entry::scripted([])), ("good", good())]).await;
    let session = core.session().await;

    let (answer, took) = timed(session.call("bad__crash", json!({}))).await;

    assert_refused(&answer, crate::words::ENDED);
    assert!(took < SLACK, "{took:?}");
    assert_eq!(
        session.call("bad__echo", json!({"text": "x"})).await.text(),
        "x"
    );
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_that_sends_a_line_over_the_limit() {
    let over = (65 << 20).to_string();
    let core = Core::trusted([
        ("bad", Entry::scripted(["--long-line", &over])),
        ("good", good()),
    ])
    .await;
    let session = core.session().await;

    let (answer, took) = timed(session.call("bad__echo", json!({"text": "x"}))).await;

    assert!(
        !answer.is_ok() && !answer.error_kind().is_empty(),
        "{}",
        answer.message["error"]
    );
    assert!(took < Duration::from_secs(10) + SLACK, "{took:?}");
    assert_good(&core).await;
    // What was read of it is not kept.
    let resident = census::resident(core.pid());
    assert!(resident < 160 << 20, "{resident} bytes resident");
}

#[tokio::test]
async fn a_line_just_below_the_limit_passes() {
    let below = (60 << 20).to_string();
    let core = Core::trusted([("big", Entry::scripted(["--long-line", &below]))]).await;

    let answer = core
        .session()
        .await
        .call("big__echo", json!({"text": "x"}))
        .await;

    assert_eq!(answer.text(), "x");
}

#[tokio::test]
async fn a_server_that_hangs_after_a_few_calls() {
    let entry = Entry::scripted(["--hang-after", "2"]).set("callTimeout", 1);
    let core = Core::trusted([("bad", entry), ("good", good())]).await;
    let session = core.session().await;

    for _ in 0..2 {
        assert_eq!(
            session.call("bad__echo", json!({"text": "x"})).await.text(),
            "x"
        );
    }
    let (answer, took) = timed(session.call("bad__echo", json!({"text": "x"}))).await;

    assert_refused(&answer, TIMED_OUT);
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(1) + SLACK,
        "{took:?}"
    );
    assert_good(&core).await;
}

#[tokio::test]
async fn progress_extends_the_deadline_of_a_call() {
    let core = Core::trusted([("alpha", Entry::scripted([]).set("callTimeout", 1))]).await;
    let session = core.session().await;

    let params = json!({"name": "alpha__progress", "arguments": {"steps": 8, "ms": 250},
        "_meta": {"progressToken": "p"}});
    let answer = session.request("tools/call", params).await;

    assert_eq!(answer.text(), "done");
}

#[tokio::test]
async fn an_address_that_refuses() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let core = beside_good(Entry::url(&format!("http://127.0.0.1:{port}/mcp"))).await;

    let server = failed(&core).await;

    assert!(!server.error_kind().is_empty(), "{server:?}");
    assert_good(&core).await;
}

#[tokio::test]
async fn an_address_that_redirects_elsewhere() {
    let elsewhere = Upstream::start(&[]).await;
    let upstream = Upstream::start(&["--http-redirect", elsewhere.url()]).await;
    let core = beside_good(Entry::url(upstream.url())).await;

    let server = failed(&core).await;

    assert!(!server.error_kind().is_empty(), "{server:?}");
    // What was approved is one address: the other one has heard nothing.
    assert_eq!(elsewhere.requests().await, 0);
    assert_good(&core).await;
}

#[tokio::test]
async fn an_address_that_speaks_html_or_answers_with_a_status() {
    for args in [
        vec!["--http-html"],
        vec!["--http-status", "500"],
        vec!["--http-status", "404"],
        vec!["--http-status", "403"],
    ] {
        let upstream = Upstream::start(&args).await;
        let core = beside_good(Entry::url(upstream.url())).await;

        let server = failed(&core).await;

        let error = server.error.unwrap();
        assert!(
            !error.kind.is_empty() && !error.remedy.is_empty(),
            "{args:?}: {error:?}"
        );
        assert!(!error.message.contains("<html"), "{args:?}: {error:?}");
        assert_good(&core).await;
    }
}

#[tokio::test]
async fn an_address_that_wants_a_sign_in() {
    let upstream = Upstream::start(&["--http-status", "401"]).await;
    let core = beside_good(Entry::url(upstream.url())).await;

    let server = core
        .wait_until("bad", |server| server.is("sign_in_needed"))
        .await;

    assert_eq!(server.action.as_deref(), Some("sign_in"));
    assert_good(&core).await;
}

#[tokio::test]
async fn an_address_that_never_answers_initialize() {
    let upstream = Upstream::start(&["--mute"]).await;
    let core = beside_good(Entry::url(upstream.url()).set("initTimeout", 1)).await;

    let server = failed(&core).await;

    assert!(INIT_TIMED_OUT.contains(&server.error_kind()), "{server:?}");
    assert_good(&core).await;
}

#[tokio::test]
async fn a_server_over_http_that_goes_away_in_a_call() {
    let upstream = Upstream::start(&[]).await;
    let core = Core::trusted([("bad", Entry::url(upstream.url())), ("good", good())]).await;
    let session = core.session().await;

    let (answer, took) = timed(session.call("bad__crash", json!({}))).await;

    assert!(
        !answer.is_ok() && !answer.error_kind().is_empty(),
        "{}",
        answer.message
    );
    assert!(took < SLACK, "{took:?}");
    assert_good(&core).await;
}

#[tokio::test]
async fn definitions_that_are_an_attack() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tools.json");
    // 100 levels here, as deep as the scripted server's own parser goes.
    let deep = format!(
        "{}{}",
        r#"{"a":"#.repeat(100),
        format_args!("1{}", "}".repeat(100))
    );
    std::fs::write(
        &file,
        format!(
            r#"[{{"name":"deep","inputSchema":{deep}}},{{"name":"","inputSchema":{{}}}},{{"inputSchema":{{}}}},{{"name":7}},{{"name":"ok","inputSchema":{{"type":"object"}}}},{{"name":"ok","description":"twice","inputSchema":{{"type":"object"}}}}]"#
        ),
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let core = Home::new()
        .with([
            ("bad", Entry::scripted(["--bare", "--definitions", file])),
            ("good", good()),
        ])
        .trusted()
        .start()
        .await;

    core.wait_until("good", |server| server.is("connected"))
        .await;
    core.wait_until("bad", |server| {
        server.is("connected") || server.error.is_some()
    })
    .await;
    assert_good(&core).await;
}

/// Starts a core with `bad` beside a good server; returns when the good one is connected.
async fn beside_good(bad: Entry) -> Core {
    let core = Home::new()
        .with([("bad", bad), ("good", good())])
        .trusted()
        .start()
        .await;
    core.wait_until("good", |server| server.is("connected"))
        .await;
    core
}

fn good() -> Entry {
    Entry::scripted(["--tools", "1"])
}

/// Waits until the bad server has an error to show.
async fn failed(core: &Core) -> Server {
    let server = core
        .wait_until("bad", |server| server.error.is_some())
        .await;
    assert!(
        ["retrying", "failed", "connecting"].contains(&server.condition.as_str()),
        "{server:?}"
    );
    let error = server.error.as_ref().unwrap();
    assert!(
        !error.remedy.is_empty() && !error.message.is_empty(),
        "{error:?}"
    );
    server
}

/// Asserts that the good server is listed, answers, and is shown, all at once.
async fn assert_good(core: &Core) {
    let asked = Instant::now();
    let session: Session = core.session().await;
    assert!(session.names().await.contains(&"good__echo".to_owned()));
    assert_eq!(
        session
            .call("good__echo", json!({"text": "well"}))
            .await
            .text(),
        "well"
    );
    let server = core.server("good").await;
    assert!(
        server.is("connected") && server.error.is_none(),
        "{server:?}"
    );
    assert!(asked.elapsed() < GOOD_ANSWER, "{:?}", asked.elapsed());
}

/// Asserts that a call to the bad server gets a typed error, at the latest when its time is over.
async fn assert_call_fails_in_time(core: &Core, call_timeout: Duration) {
    let session = core.session().await;
    let (answer, took) = timed(session.call("bad__echo", json!({"text": "x"}))).await;
    assert!(!answer.error_kind().is_empty(), "{}", answer.message);
    assert!(took < call_timeout + SLACK, "{took:?}");
}

async fn assert_logged(core: &Core, kind: &str) {
    let logs = core.get("/servers/bad/logs?lines=100").await.json();
    let lines = logs["lines"].as_array().unwrap();
    assert!(
        lines.iter().any(|line| line["stream"] == "core"),
        "nothing of the core about {kind}: {logs}"
    );
}

async fn timed(call: impl Future<Output = Answer>) -> (Answer, Duration) {
    let asked = Instant::now();
    let answer = timeout(Duration::from_secs(60), call).await;
    (
        answer.expect("the call was never answered"),
        asked.elapsed(),
    )
}
