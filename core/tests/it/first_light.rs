//! The main job from end to end: serve, approve, call.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use narthex_testkit::{
    core::{Core, Home},
    entry::Entry,
    gate::{Gate, HeldEnd},
    session::{Answer, Session},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::words::{IN_QUARANTINE, NEVER_SEEN, assert_refused};

#[tokio::test]
async fn serve_says_where_it_is_and_leaves_two_credentials() {
    let core = Home::new().start().await;

    let home = core.home.path();
    assert_eq!(core.ready["mcp"], core.url("/mcp"));
    assert_eq!(core.ready["pid"], core.pid());
    let said = fs::canonicalize(core.ready["home"].as_str().unwrap()).unwrap();
    assert_eq!(said, fs::canonicalize(home).unwrap());
    for kind in ["control", "client"] {
        let file = home.join(format!("{kind}.token"));
        let text = fs::read_to_string(&file).unwrap();
        let secret = text.trim_end().strip_prefix(&format!("narthex_{kind}_"));
        // 32 bytes in base64url without padding.
        assert_eq!(secret.map(str::len), Some(43), "{text}");
        assert_eq!(text.lines().count(), 1);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let lock: Value = serde_json::from_slice(&fs::read(home.join("core.lock")).unwrap()).unwrap();
    assert_eq!(lock["pid"], core.pid());
    assert_eq!(lock["kind"], "serve");
    assert_eq!(lock["address"], core.address());
    assert!(lock["since"].is_string());
}

#[tokio::test]
async fn credentials_outlive_a_restart() {
    let core = Home::new().start().await;
    let before = (core.home.token("control"), core.home.token("client"));

    let core = core.restarted().await;

    assert_eq!(
        (core.home.token("control"), core.home.token("client")),
        before
    );
}

#[tokio::test]
async fn a_server_runs_after_one_approval_and_is_seen_after_the_second() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .start()
        .await;
    let session = core.session().await;

    // Nothing approved: it does not run, and nobody sees it.
    let server = core
        .wait_until("alpha", |server| server.awaits("approve"))
        .await;
    assert!(!server.launch.as_ref().unwrap().approved);
    assert_eq!(server.epoch, None);
    assert_eq!(server.transport.as_deref(), Some("stdio"));
    assert!(core.processes_of("alpha").is_empty());
    assert_eq!(session.names().await, Vec::<String>::new());
    assert_refused(
        &session.call("alpha__echo", json!({"text": "x"})).await,
        NEVER_SEEN,
    );

    // The launch approved: it runs, and still nobody sees it.
    core.approve_launch("alpha").await;
    let server = core
        .wait_until("alpha", |server| {
            server.awaits("review") && server.epoch.is_some()
        })
        .await;
    assert!(server.launch.as_ref().unwrap().approved);
    assert_eq!(server.tools.offered, 0);
    assert!(server.tools.held > 0);
    assert_eq!(core.pids_of("alpha").len(), 1);
    assert_eq!(session.names().await, Vec::<String>::new());
    assert_refused(
        &session.call("alpha__echo", json!({"text": "x"})).await,
        IN_QUARANTINE,
    );

    // What it offers approved: it is seen and callable.
    core.approve_offers("alpha").await;
    let server = core
        .wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(server.tools.held, 0);
    assert_eq!((server.action, server.error), (None, None));
    assert!(session.names().await.contains(&"alpha__echo".to_owned()));
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "hi"}))
            .await
            .text(),
        "hi"
    );
}

#[tokio::test]
async fn an_approval_holds_after_a_restart_of_the_core() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .start()
        .await;
    core.approve_all("alpha").await;

    let core = core.restarted().await;

    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    let session = core.session().await;
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "again"}))
            .await
            .text(),
        "again"
    );
}

#[tokio::test]
async fn one_server_has_an_address_of_its_own_with_its_names_unchanged() {
    let core = Core::trusted([
        ("alpha", Entry::scripted(["--tools", "2"])),
        ("beta", Entry::scripted(["--bare", "--tools", "1"])),
    ])
    .await;

    let merged = core.session().await.names().await;
    let alone = core.session_with("beta").await;

    assert!(merged.contains(&"alpha__tool_1".to_owned()));
    assert!(merged.contains(&"beta__tool_0".to_owned()));
    assert_eq!(alone.names().await, ["tool_0"]);
    assert_eq!(
        alone.call("tool_0", json!({"a": 1})).await.text(),
        r#"{"a":1}"#
    );
}

#[tokio::test]
async fn every_page_of_a_servers_list_is_offered() {
    let core = Core::trusted([(
        "many",
        Entry::scripted(["--bare", "--tools", "1050", "--page", "100"]),
    )])
    .await;

    let server = core.server("many").await;
    let mut alone = core.session_with("many").await.names().await;
    let merged = core.session().await.names().await;

    assert_eq!(server.tools.offered, 1050);
    alone.sort();
    alone.dedup();
    assert_eq!(alone.len(), 1050);
    assert_eq!(merged.len(), 1050);
    assert!(merged.contains(&"many__tool_1049".to_owned()));
}

#[tokio::test]
async fn names_are_clean_short_distinct_and_routed_by_table() {
    let long = "l".repeat(80);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tools.json");
    let names = [
        "plain",
        "with.dot",
        "with/dot",
        "with__two",
        "ünï cödé",
        &long,
    ];
    let definitions: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}))
        .collect();
    fs::write(&file, json!(definitions).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let core = Core::trusted([
        (
            "a server, at home",
            Entry::scripted(["--bare", "--definitions", file]),
        ),
        ("plain", Entry::scripted(["--bare", "--definitions", file])),
    ])
    .await;
    let session = core.session().await;

    let offered = session.names().await;
    let mut distinct = offered.clone();
    distinct.sort();
    distinct.dedup();
    let shown = core.get("/servers/plain/tools").await.json();

    assert_eq!(distinct.len(), 2 * names.len());
    for name in &offered {
        assert!(name.len() <= 50, "{name}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
            "{name}"
        );
    }
    assert!(offered.contains(&"plain__plain".to_owned()));
    assert!(offered.contains(&"plain__with__two".to_owned()));
    assert!(
        !offered.contains(&"plain__with_dot".to_owned()),
        "cleaned without a hash"
    );
    for (number, tool) in shown["tools"].as_array().unwrap().iter().enumerate() {
        assert_eq!(tool["name"], names[number]);
        assert_eq!(tool["state"], "offered");
        assert_eq!(tool["definition"]["name"], names[number]);
        let offered_as = tool["offered_as"].as_str().unwrap();
        assert!(offered.contains(&offered_as.to_owned()), "{offered_as}");
        let answer = session.call(offered_as, json!({"n": number})).await;
        assert_eq!(answer.text(), format!(r#"{{"n":{number}}}"#));
    }
    let alone = core.session_with("plain").await;
    assert_eq!(alone.call("with.dot", json!({})).await.text(), "{}");
}

#[tokio::test]
async fn what_narthex_does_not_understand_passes_as_it_was_spelled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tools.json");
    let schema = r##"{"type":"object","$defs":{"n":{"type":"integer","maximum":9007199254740993}},"properties":{"n":{"$ref":"#/$defs/n","default":1.50}},"additionalProperties":false,"x-unknown":[1e400]}"##;
    fs::write(
        &file,
        format!(r#"[{{"name":"odd","title":"Odd","inputSchema":{schema},"_meta":{{"k":"v"}},"icons":[],"novel":{{"a":null}}}}]"#),
    )
    .unwrap();
    // The scripted server's own JSON would spell numbers anew, so this one is a shell's.
    let script = format!(
        r#"while read -r line; do case "$line" in
            *'"initialize"'*) id=${{line#*\"id\":}}; id=${{id%%[,\}}]*}}
                printf '{{"jsonrpc":"2.0","id":%s,"result":{{"protocolVersion":"2025-06-18","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"sh","version":"1"}}}}}}\n' "$id";;
            *'"tools/list"'*) id=${{line#*\"id\":}}; id=${{id%%[,\}}]*}}
                printf '{{"jsonrpc":"2.0","id":%s,"result":{{"tools":%s}}}}\n' "$id" "$(cat {file})";;
            *'"tools/call"'*) id=${{line#*\"id\":}}; id=${{id%%[,\}}]*}}
                printf '{{"jsonrpc":"2.0","id":%s,"result":{{"content":[],"odd":12345678901234567890123,"f":1.10,"u":"\\ud800"}}}}\n' "$id";;
        esac; done"#,
        file = file.display()
    );
    let core = Core::trusted([("shell", Entry::shell(&script))]).await;
    let session = core.session().await;

    let list = session
        .post(r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#)
        .await;
    let call = session
        .post(r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"shell__odd","arguments":{"n":1.000}}}"#)
        .await;

    assert!(list.body.contains(schema), "{}", list.body);
    for kept in [
        r#""title":"Odd""#,
        r#""_meta":{"k":"v"}"#,
        r#""icons":[]"#,
        r#""novel":{"a":null}"#,
    ] {
        assert!(list.body.contains(kept), "{kept} in {}", list.body);
    }
    let result = r#"{"content":[],"odd":12345678901234567890123,"f":1.10,"u":"\ud800"}"#;
    assert!(call.body.contains(result), "{}", call.body);
}

#[tokio::test]
async fn ids_come_back_as_they_were_spelled() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    for id in [
        r#""1""#,
        "1",
        r#""a \"quoted\" one""#,
        "9007199254740993",
        "-7",
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"alpha__echo","arguments":{{"text":"x"}}}}}}"#
        );
        let raw = session.post(&body).await;
        assert!(
            raw.body.contains(&format!(r#""id":{id}"#)),
            "{id}: {}",
            raw.body
        );
        assert_eq!(raw.answer().text(), "x");
    }
}

#[tokio::test]
async fn the_same_id_in_flight_twice_in_two_sessions_is_two_calls() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let gate = Gate::open();
    let (one, two) = (core.session().await, core.session().await);
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params":
        {"name": "alpha__hold", "arguments": gate.arguments()}})
    .to_string();

    let (first, second, ()) = tokio::join!(one.post(&body), two.post(&body), async {
        let (a, b) = (gate.arrived().await, gate.arrived().await);
        a.let_through("a").await;
        b.let_through("b").await;
    });

    let mut texts = [
        first.answer().text().to_owned(),
        second.answer().text().to_owned(),
    ];
    texts.sort();
    assert_eq!(texts, ["a", "b"]);
}

#[tokio::test]
async fn progress_goes_to_the_call_it_belongs_to() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let (one, two) = (core.session().await, core.session().await);
    // The same token in two sessions, as two clients that count from one would choose.
    let (first, second) = tokio::join!(
        ask_for_progress(&one, json!(1), 3),
        ask_for_progress(&two, json!(1), 5)
    );
    let named = ask_for_progress(&one, json!("one"), 2).await;

    for (answer, token, steps) in [
        (first, json!(1), 3),
        (second, json!(1), 5),
        (named, json!("one"), 2),
    ] {
        assert_eq!(answer.text(), "done");
        let progress: Vec<&Value> = answer
            .before
            .iter()
            .map(|message| &message["params"])
            .collect();
        assert_eq!(progress.len(), steps, "{progress:?}");
        for (number, progress) in progress.iter().enumerate() {
            assert_eq!(progress["progressToken"], token);
            assert_eq!(progress["progress"], number + 1);
            assert_eq!(progress["total"], steps);
        }
    }
}

#[tokio::test]
async fn a_cancellation_reaches_the_server() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let gate = Gate::open();
    let session = core.session().await;
    let body = json!({"jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params":
        {"name": "alpha__hold", "arguments": gate.arguments()}})
    .to_string();

    // What comes back over HTTP is left open; it is no result.
    let (raw, end) = tokio::join!(session.post(&body), async {
        let held = gate.arrived().await;
        session
            .notify("notifications/cancelled", json!({"requestId": "mine"}))
            .await;
        held.ended().await
    });

    assert!(!raw.body.contains("\"result\""), "{raw:?}");
    assert_eq!(end, HeldEnd::Cancelled);
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
}

#[tokio::test]
async fn an_error_of_the_server_arrives_as_it_was() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    let refused = session
        .call("alpha__refuse", json!({"deep": {"n": [1, null]}}))
        .await;
    let failed = session.call("alpha__fail", json!({})).await;
    let unknown = session.call("alpha__nothing", json!({})).await;
    let nobody = session.call("nobody__echo", json!({})).await;

    let error = &refused.message["error"];
    assert_eq!(error["code"], -32050);
    assert_eq!(error["message"], "refused, as asked");
    assert_eq!(error["data"], json!({"deep": {"n": [1, null]}}));
    assert_eq!(failed.result()["isError"], true);
    assert!(!unknown.is_ok() && !nobody.is_ok());
}

#[tokio::test]
async fn a_large_result_passes_whole() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    let answer = session
        .call("alpha__large", json!({"bytes": 8_000_000}))
        .await;

    assert_eq!(answer.text().len(), 8_000_000);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_next_call_works() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
        {"name": "alpha__echo", "arguments": {"text": "x".repeat(17 << 20)}}})
    .to_string();
    let request = core
        .request(reqwest::Method::POST, "/mcp")
        .bearer_auth(core.home.token("client"))
        .header("mcp-session-id", session.id().unwrap())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(body);

    // The core may answer 413, or close before it has read what it will not take.
    let refused = match request.send().await {
        Ok(response) => !response.status().is_success(),
        Err(_) => true,
    };

    assert!(refused);
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
}

#[tokio::test]
async fn clients_hear_that_the_list_has_changed() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .start()
        .await;
    let session = core.session().await;
    let mut stream = session.listen().await;

    core.approve_all("alpha").await;
    let message = timeout(Duration::from_secs(20), stream.message()).await;

    let message = message.unwrap();
    assert_eq!(message["method"], "notifications/tools/list_changed");
    assert!(session.names().await.contains(&"alpha__echo".to_owned()));
}

#[tokio::test]
async fn a_session_that_ended_is_unknown() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    let ended = session.delete().await;
    let after = session
        .post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .await;

    assert!(ended.status.is_success(), "{ended:?}");
    assert_eq!(after.status, 404);
}

#[tokio::test]
async fn a_body_that_is_no_message_gets_an_error_and_costs_nothing_else() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    for body in [
        "",
        "{",
        "null",
        "17",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"id":{},"method":3}"#,
    ] {
        let raw = session.post(body).await;
        assert!(
            raw.status.is_client_error() || raw.json()["error"].is_object(),
            "{body}: {raw:?}"
        );
    }

    let unknown = session.request("no/such/method", json!({})).await;
    assert_eq!(unknown.message["error"]["code"], -32601);
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
}

#[tokio::test]
async fn a_server_over_http_works_like_one_over_stdio() {
    for args in [vec![], vec!["--sse"]] {
        let upstream = narthex_testkit::upstream::Upstream::start(&args).await;
        let core = Core::trusted([("web", Entry::url(upstream.url()))]).await;
        let session = core.session().await;

        let server = core.server("web").await;
        let answer = session
            .call("web__echo", json!({"text": "over http"}))
            .await;
        let refused = session.call("web__refuse", json!({"why": 1})).await;

        assert_eq!(server.transport.as_deref(), Some("http"));
        assert_eq!(answer.text(), "over http");
        assert_eq!(refused.message["error"]["data"], json!({"why": 1}));
    }
}

#[tokio::test]
async fn a_session_that_expires_upstream_is_renewed_unnoticed() {
    let upstream = narthex_testkit::upstream::Upstream::start(&["--expire-after", "6"]).await;
    let core = Core::trusted([("web", Entry::url(upstream.url()))]).await;
    let session = core.session().await;

    // One expiry within these: a server that forgets again and again may be backed off from.
    for number in 0..5 {
        // `pid` is read-only: what a forgotten session cut off may be sent again.
        let answer = session.call("web__pid", json!({})).await;
        assert!(answer.is_ok(), "call {number}: {}", answer.message);
    }
}

#[tokio::test]
async fn health_says_a_word_and_no_names() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;

    for path in ["/health", "/health/ready"] {
        let raw = core.send(core.request(reqwest::Method::GET, path)).await;
        assert_eq!(raw.status, 200, "{path}");
        assert!(!raw.body.contains("alpha"), "{path}: {}", raw.body);
    }
}

async fn ask_for_progress(session: &Session, token: Value, steps: u32) -> Answer {
    let params = json!({"name": "alpha__progress", "arguments": {"steps": steps, "ms": 5},
        "_meta": {"progressToken": token}});
    session.request("tools/call", params).await
}

#[tokio::test]
async fn the_web_ui_is_served_to_our_own_pages_alone() {
    let core = Home::new().start().await;
    let url = format!("http://{}/ui/", core.address());
    let http = reqwest::Client::new();

    let foreign = http
        .get(&url)
        .header("Host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);

    // Without a credential; where it was not built, that is said.
    let ours = http.get(&url).send().await.unwrap();
    let was_built = ours.status() == 200;
    assert_eq!(
        ours.headers().contains_key("content-security-policy"),
        was_built
    );
    let printed = core
        .home
        .command(&[
            "ui",
            "--print",
            "--home",
            core.home.path().to_str().unwrap(),
        ])
        .output()
        .await
        .unwrap();
    if was_built {
        let address = format!("{url}#token={}\n", core.home.token("control"));
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), address);
    } else {
        assert_eq!(ours.status(), 404);
        assert_eq!(printed.status.code(), Some(6), "{printed:?}");
    }
}
