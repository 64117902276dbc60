//! The file: what a person writes into it, and what Narthex writes.

use std::fs;

use narthex_testkit::{
    core::{Core, Home},
    entry::Entry,
};
use serde_json::{Value, json};

use crate::words::{ENDED_BY_WISH, IN_QUARANTINE, NEVER_SEEN, OFF, assert_refused};

#[tokio::test]
async fn an_entry_written_while_running_does_not_start_until_approved() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .start()
        .await;
    core.approve_all("alpha").await;
    let alpha = core.pids_of("alpha");

    core.home.write_servers([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ]);

    core.wait_until("beta", |server| server.awaits("approve"))
        .await;
    assert!(core.processes_of("beta").is_empty());
    assert_refused(
        &core
            .session()
            .await
            .call("beta__echo", json!({"text": "x"}))
            .await,
        NEVER_SEEN,
    );
    core.approve_all("beta").await;
    assert_eq!(core.pids_of("beta").len(), 1);
    assert_eq!(core.pids_of("alpha"), alpha, "the other one was touched");
}

#[tokio::test]
async fn an_approved_entry_whose_launch_changes_goes_back_to_quarantine() {
    type Change = fn(Entry) -> Entry;
    let changes: [(&str, Change); 4] = [
        ("args", |entry| entry.set("args", json!(["--tools", "1"]))),
        ("env", |entry| entry.env("ADDED", "1")),
        ("cwd", |entry| entry.set("cwd", "/")),
        ("command", |entry| entry.set("command", "/bin/cat")),
    ];
    for (what, change) in changes {
        let core = Home::new()
            .with([
                ("alpha", Entry::scripted([])),
                ("beta", Entry::scripted([])),
            ])
            .start()
            .await;
        let before = core.approve_all("alpha").await;
        core.approve_all("beta").await;
        let beta = core.pids_of("beta");
        let session = core.session().await;

        core.home.write_servers([
            ("alpha", change(Entry::scripted([]))),
            ("beta", Entry::scripted([])),
        ]);

        let after = core
            .wait_until("alpha", |server| server.awaits("approve"))
            .await;
        assert_ne!(after.launch_id(), before.launch_id(), "{what}");
        core.wait_until_server_gone("alpha", std::time::Duration::from_secs(5))
            .await;
        assert_refused(&session.call("alpha__echo", json!({})).await, IN_QUARANTINE);
        let names = session.names().await;
        assert!(
            !names.iter().any(|name| name.starts_with("alpha")),
            "{what}: {names:?}"
        );
        assert_eq!(
            core.pids_of("beta"),
            beta,
            "{what}: the other one was touched"
        );

        // The very launch that was approved needs no second word.
        core.home.write_servers([
            ("alpha", Entry::scripted([])),
            ("beta", Entry::scripted([])),
        ]);
        let back = core
            .wait_until("alpha", |server| server.is("connected"))
            .await;
        assert_eq!(back.launch_id(), before.launch_id(), "{what}");
    }
}

#[tokio::test]
async fn a_change_that_is_no_launch_applies_without_a_new_approval() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .start()
        .await;
    let before = core.approve_all("alpha").await;

    // Every field counts: the call that follows has half a second.
    core.home
        .write_servers([("alpha", Entry::scripted([]).set("callTimeout", 0.5))]);
    let session = core.session().await;
    let answer = loop {
        let answer = session.call("alpha__sleep", json!({"ms": 3000})).await;
        // A call in flight when the change applies may be ended by it.
        if !answer.is_ok() && !ENDED_BY_WISH.contains(&answer.error_kind()) {
            break answer;
        }
    };

    assert_refused(&answer, crate::words::TIMED_OUT);
    let after = core
        .wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(after.launch_id(), before.launch_id());
}

#[tokio::test]
async fn a_file_that_breaks_keeps_the_last_good_one_running() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let pids = core.pids_of("alpha");
    let good = core.home.config();
    let session = core.session().await;

    for broken in [
        "{\"mcpServers\": {",
        "[]",
        "\u{0}\u{1}",
        "{\"mcpServers\": 3}",
    ] {
        core.home.write_config(broken);
        let state = core.wait_for_core(has_problems).await;
        let problem = &state["problems"][0];
        assert!(
            problem["file"].as_str().unwrap().ends_with("narthex.json"),
            "{problem}"
        );
        for field in ["message", "remedy"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
        assert_eq!(core.home.config(), broken, "it was rewritten");
        assert_eq!(
            session
                .call("alpha__echo", json!({"text": "x"}))
                .await
                .text(),
            "x"
        );
        assert!(core.server("alpha").await.is("connected"));

        core.home.write_config(&good);
        core.wait_for_core(|core| !has_problems(core)).await;
    }

    assert_eq!(core.pids_of("alpha"), pids);
}

#[tokio::test]
async fn a_file_that_is_deleted_or_empty_keeps_the_last_good_one_running() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let pids = core.pids_of("alpha");
    let good = core.home.config();

    fs::remove_file(core.home.config_path()).unwrap();
    core.wait_for_core(has_problems).await;
    assert!(core.server("alpha").await.is("connected"));
    assert!(!core.home.config_path().exists(), "it was written unasked");

    core.home.write_config(&good);
    core.wait_for_core(|core| !has_problems(core)).await;
    core.home.write_config("");
    core.wait_for_core(has_problems).await;
    assert!(core.server("alpha").await.is("connected"));
    assert_eq!(core.pids_of("alpha"), pids);
}

#[tokio::test]
async fn a_file_broken_at_the_first_start_costs_the_servers_and_not_the_core() {
    let home = Home::new();
    home.write_config("{\n  \"mcpServers\": {\n    \"a\": {,}\n  }\n}\n");
    let path = home.path().to_str().unwrap().to_owned();
    let check = home
        .command(&["config", "check", "--home", &path])
        .output()
        .await
        .unwrap();

    let core = home.start().await;

    assert_eq!(check.status.code(), Some(1), "{check:?}");
    assert_eq!(core.servers().await, []);
    let state = core.wait_for_core(has_problems).await;
    assert_eq!(state["problems"][0]["line"], 3, "{state}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_costs_the_servers_and_not_the_core() {
    // A folder is unreadable as a file for root as well.
    let home = Home::new();
    fs::create_dir(home.config_path()).unwrap();

    let core = home.start().await;

    assert_eq!(core.servers().await, []);
    core.wait_for_core(has_problems).await;
}

#[tokio::test]
async fn one_bad_entry_costs_only_itself_and_is_reported_by_place() {
    let home = Home::new();
    let good = json!(home.entry("good", Entry::scripted([])));
    home.write_config(&format!(
        "{{\n  // bad ones first\n  \"mcpServers\": {{\n    \"bad\": {{\n      \"command\": \"cat\",\n      \"args\": [\"a\", 2]\n    }},\n    \"worse\": 7,\n    \"good\": {good}\n  }}\n}}\n"
    ));

    let core = home.trusted().start().await;

    core.wait_until("good", |server| server.is("connected"))
        .await;
    let session = core.session().await;
    assert_eq!(
        session
            .call("good__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
    for name in ["bad", "worse"] {
        let server = core.server(name).await;
        assert!(server.is("not_valid"), "{server:?}");
        assert_eq!(server.action.as_deref(), Some("show_in_config"));
        assert_eq!(server.launch, None);
        let error = server.error.expect("it says what is wrong");
        assert!(
            !error.kind.is_empty() && !error.remedy.is_empty(),
            "{error:?}"
        );
    }
    let state = core.wait_for_core(has_problems).await;
    let problem = problem_of(&state, "bad");
    assert_eq!(problem["line"], 6, "{problem}");
    assert!(problem["column"].is_u64(), "{problem}");
    assert_eq!(problem["field"], "args[1]", "{problem}");
    assert!(problem["remedy"].is_string(), "{problem}");
    assert_eq!(problem_of(&state, "worse")["line"], 8);
}

#[tokio::test]
async fn an_entry_edited_into_nonsense_keeps_its_last_good_one_running() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ])
    .await;
    let pids = core.pids_of("alpha");

    core.home.write_servers([
        ("alpha", Entry::new(json!({"command": ["not", "text"]}))),
        ("beta", Entry::scripted([])),
        ("gamma", Entry::scripted([])),
    ]);

    let state = core.wait_for_core(has_problems).await;
    assert_eq!(problem_of(&state, "alpha")["field"], "command");
    core.wait_until("gamma", |server| server.is("connected"))
        .await;
    let alpha = core.server("alpha").await;
    assert!(alpha.is("connected"), "{alpha:?}");
    assert_eq!(core.pids_of("alpha"), pids);
}

#[tokio::test]
async fn the_file_can_tighten_and_not_loosen() {
    let core = Home::new()
        .with([(
            "loose",
            Entry::scripted([])
                .set("quarantined", false)
                .set("trusted", true),
        )])
        .start()
        .await;
    core.wait_until("loose", |server| server.awaits("approve"))
        .await;
    assert!(core.processes_of("loose").is_empty());

    let core = Home::new()
        .with([("tight", Entry::scripted([]).set("quarantined", true))])
        .trusted()
        .start()
        .await;
    core.wait_until("tight", |server| server.is("in_quarantine"))
        .await;
    assert!(core.processes_of("tight").is_empty());
}

#[tokio::test]
async fn an_entry_is_off_while_the_file_says_so() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    core.home
        .write_servers([("alpha", Entry::scripted([]).set("enabled", false))]);
    let off = core.wait_until("alpha", |server| server.is("off")).await;
    core.wait_until_server_gone("alpha", std::time::Duration::from_secs(5))
        .await;
    assert_eq!(off.action.as_deref(), Some("show_in_config"));
    assert_refused(&session.call("alpha__echo", json!({})).await, OFF);
    assert_eq!(session.names().await, Vec::<String>::new());

    core.home.write_servers([("alpha", Entry::scripted([]))]);
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
}

#[tokio::test]
async fn a_removed_entry_takes_its_server_with_it_and_comes_back_with_its_approval() {
    let core = Home::new()
        .with([
            ("alpha", Entry::scripted([])),
            ("beta", Entry::scripted([])),
        ])
        .start()
        .await;
    core.approve_all("alpha").await;
    core.approve_all("beta").await;
    let mut events = core.events(None).await;

    core.home.write_servers([("beta", Entry::scripted([]))]);
    let (_, removed) = events.until(|event| event.name == "removed").await;
    core.wait_until_server_gone("alpha", std::time::Duration::from_secs(5))
        .await;
    assert_eq!(removed.server(), Some("alpha"));
    assert_eq!(core.get("/servers/alpha").await.status, 404);

    // Renamed: a new server. Back under its name with the same launch: approved.
    core.home.write_config(
        &json!({"mcpServers": {
            "alpha": core.home.entry("alpha", Entry::scripted([])),
            "other": core.home.entry("alpha", Entry::scripted([])),
            "beta": core.home.entry("beta", Entry::scripted([])),
        }})
        .to_string(),
    );
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    core.wait_until("other", |server| server.awaits("approve"))
        .await;
}

#[tokio::test]
async fn variables_of_the_environment_are_resolved_and_never_shown() {
    let core = Home::new()
        .env("A_SECRET", "swordfish")
        .with([(
            "alpha",
            Entry::scripted([])
                .env("TOKEN", "${env:A_SECRET}")
                .env("PLAIN", "trout"),
        )])
        .trusted()
        .start()
        .await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;

    let environment = core.session().await.call("alpha__env", json!({})).await;
    let environment: Value = serde_json::from_str(environment.text()).unwrap();
    let shown = core.get("/servers/alpha").await.body;

    assert_eq!(environment["TOKEN"], "swordfish");
    assert_eq!(environment["PLAIN"], "trout");
    assert_eq!(
        environment["A_SECRET"],
        Value::Null,
        "it is not on the allow-list"
    );
    assert!(environment["PATH"].is_string());
    assert!(
        !shown.contains("swordfish") && !shown.contains("trout"),
        "{shown}"
    );
    assert!(!core.stderr().contains("swordfish"), "{}", core.stderr());
}

#[tokio::test]
async fn rest_edits_keep_comments_order_and_unknown_keys() {
    let home = Home::new();
    let alpha = home.entry("alpha", Entry::scripted([]));
    let text = format!(
        "// mine\n{{\n  \"theme\": \"dark\", // kept\n  \"mcpServers\": {{\n    /* the first */\n    \"zeta\": {{ \"command\": \"cat\", \"enabled\": false, \"mine\": [1,2] }},\n    // the second\n    \"alpha\": {alpha}\n  }},\n  \"last\": 1.50\n}}\n"
    );
    home.write_config(&text);
    let core = home.start().await;
    core.wait_until("alpha", |server| server.awaits("approve"))
        .await;
    assert_eq!(core.home.config(), text, "it was rewritten unasked");

    // Added: in the file, in the view, and in quarantine like everything new.
    let entry = core.home.entry("added", Entry::scripted([]));
    let added = core
        .post("/servers", json!({"name": "added", "entry": entry}))
        .await;
    assert_eq!(added.status, 201, "{added:?}");
    assert!(added.json()["revision"].is_u64());
    assert_eq!(added.json()["server"]["name"], "added");
    assert_eq!(added.json()["server"]["condition"], "in_quarantine");
    assert!(core.processes_of("added").is_empty());
    assert_kept(&core.home.config());
    assert!(core.home.config().contains("\"added\""));

    // Patched: members merged, null removes.
    let patch = json!({"callTimeout": "45s", "enabled": null, "args": ["-u"]});
    let patched = core.patch("/servers/zeta", patch).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    assert_eq!(patched.json()["server"]["name"], "zeta");
    let config = core.home.config();
    assert_kept(&config);
    assert!(
        config.contains("\"45s\"") && config.contains("\"mine\""),
        "{config}"
    );
    assert!(!config.contains("\"enabled\""), "{config}");

    // Removed: gone from the file and from the view.
    let removed = core.delete("/servers/added").await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert!(removed.json()["revision"].as_u64() > added.json()["revision"].as_u64());
    assert_eq!(core.get("/servers/added").await.status, 404);
    assert_kept(&core.home.config());
    assert!(!core.home.config().contains("\"added\""));

    let backups = fs::read_dir(core.home.path().join("backups")).unwrap();
    let names: Vec<String> = backups
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("narthex.json."))
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test]
async fn rest_edits_that_make_no_sense_are_refused_and_change_nothing() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let before = core.home.config();

    let nonsense = [
        core.post("/servers", json!({"name": "x", "entry": {"command": 7}}))
            .await,
        core.post("/servers", json!({"name": "x", "entry": {}}))
            .await,
        core.post("/servers", json!({"name": "", "entry": {"command": "cat"}}))
            .await,
        core.post("/servers", json!({"entry": {"command": "cat"}}))
            .await,
        core.post(
            "/servers",
            json!({"name": "alpha", "entry": {"command": "cat"}}),
        )
        .await,
        core.patch("/servers/alpha", json!({"args": "not a list"}))
            .await,
        core.patch("/servers/alpha", json!([])).await,
    ];
    let unknown = [
        core.patch("/servers/nobody", json!({"args": []})).await,
        core.delete("/servers/nobody").await,
    ];

    for raw in nonsense {
        assert!(raw.status.is_client_error(), "{raw:?}");
        assert_eq!(
            raw.header("content-type"),
            "application/problem+json",
            "{raw:?}"
        );
    }
    for raw in unknown {
        assert_eq!(raw.status, 404, "{raw:?}");
    }
    assert_eq!(core.home.config(), before);
    assert!(core.server("alpha").await.is("connected"));
}

#[tokio::test]
async fn edits_from_both_sides_at_once_lose_nothing() {
    let core = Home::new()
        .with([("first", Entry::scripted([]))])
        .start()
        .await;

    let edits = (0..20).map(|number| {
        let core = &core;
        async move {
            let name = format!("s{number}");
            let entry = core.home.entry(&name, Entry::scripted([]));
            let raw = core
                .post("/servers", json!({"name": name, "entry": entry}))
                .await;
            assert_eq!(raw.status, 201, "{raw:?}");
        }
    });
    futures_util::future::join_all(edits).await;

    let config: Value = serde_json::from_str(&core.home.config()).unwrap();
    assert_eq!(config["mcpServers"].as_object().unwrap().len(), 21);
    assert_eq!(core.servers().await.len(), 21);
}

fn has_problems(core: &Value) -> bool {
    core["problems"]
        .as_array()
        .is_some_and(|problems| !problems.is_empty())
}

#[track_caller]
fn problem_of<'a>(core: &'a Value, server: &str) -> &'a Value {
    let problems = core["problems"].as_array().unwrap();
    problems
        .iter()
        .find(|problem| problem["server"] == server)
        .unwrap_or_else(|| panic!("no problem of {server} in {core}"))
}

#[track_caller]
fn assert_kept(config: &str) {
    let places: Vec<usize> = [
        "// mine",
        "\"theme\": \"dark\", // kept",
        "/* the first */",
        "\"zeta\"",
        "// the second",
        "\"alpha\"",
        "\"last\": 1.50",
    ]
    .iter()
    .map(|text| {
        config
            .find(text)
            .unwrap_or_else(|| panic!("{text} lost:\n{config}"))
    })
    .collect();
    assert!(places.is_sorted(), "the order was lost:\n{config}");
}
