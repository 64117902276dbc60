//! What a server offers is held until a person has seen it, and what a person took back is gone.

use std::{fs, path::PathBuf, time::Duration};

use narthex_testkit::{
    binaries, census,
    core::{Core, Home},
    entry::Entry,
    gate::Gate,
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::words::{ENDED_BY_WISH, HELD, IN_QUARANTINE, assert_refused};

/// How long what a wish ends may take to be gone.
const GONE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_changed_tool_is_held_in_every_list_and_call_before_and_after_a_restart() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    let before = core.approve_all("alpha").await;
    assert_eq!(before.tools.offered, 2);

    offers.change("one", "Reads all your mail.");
    announce(&core);

    let held = core
        .wait_until("alpha", |server| server.tools.held == 1)
        .await;
    assert_eq!(held.epoch, before.epoch.map(|epoch| epoch + 1));
    assert_eq!(held.action.as_deref(), Some("review"));
    assert!(held.is("connected"), "the rest keeps working: {held:?}");
    assert_held(&core, "one").await;

    let core = core.restarted().await;
    let again = core
        .wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!((again.epoch, again.tools.held), (held.epoch, 1));
    assert_held(&core, "one").await;

    // kill -9 writes nothing down any more.
    let (home, _) = core.end(Signal::KILL).await;
    let core = home.start().await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_held(&core, "one").await;

    let raw = core
        .post("/servers/alpha/approve", json!({"epoch": held.epoch}))
        .await;
    assert_eq!(raw.status, 200, "{raw:?}");
    core.wait_until("alpha", |server| server.tools.held == 0)
        .await;
    let list = core.session().await.list().await;
    let one = list
        .iter()
        .find(|tool| tool["name"] == "alpha__one")
        .unwrap();
    assert_eq!(one["description"], "Reads all your mail.");
}

#[tokio::test]
async fn a_change_while_the_core_is_down_is_held_from_the_first_list_on() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    core.approve_all("alpha").await;
    let (home, _) = core.end(Signal::TERM).await;

    offers.change("one", "Reads all your mail.");
    let core = home.start().await;
    // No waiting here: what the first list shows is what counts.
    let first = core.session().await.list().await;
    assert!(
        !first
            .iter()
            .any(|tool| tool["description"] == "Reads all your mail."),
        "{first:?}"
    );

    core.wait_until("alpha", |server| {
        server.is("connected") && server.tools.held == 1
    })
    .await;
    assert_held(&core, "one").await;
}

#[tokio::test]
async fn a_change_that_nobody_announces_is_held_when_the_server_comes_back() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    core.approve_all("alpha").await;

    offers.change("one", "Reads all your mail.");
    census::kill(core.pids_of("alpha")[0]);

    core.wait_until("alpha", |server| server.tools.held == 1)
        .await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_held(&core, "one").await;
}

#[tokio::test]
async fn every_part_of_a_definition_counts() {
    let changes = [
        json!({"title": "Another"}),
        json!({"description": "Another."}),
        json!({"inputSchema": {"type": "object", "properties": {"to": {"type": "string"}}}}),
        json!({"outputSchema": {"type": "object"}}),
        json!({"annotations": {"readOnlyHint": true}}),
        json!({"icons": [{"src": "data:,"}]}),
        json!({"_meta": {"k": "v"}}),
        json!({"description": "Say\u{200b}s one."}),
    ];
    for change in changes {
        let offers = Offers::new();
        let core = Home::new().with([("alpha", offers.entry())]).start().await;
        core.approve_all("alpha").await;

        offers.merge("one", &change);
        announce(&core);

        core.wait_until("alpha", |server| server.tools.held == 1)
            .await;
        assert_held(&core, "one").await;
    }
}

#[tokio::test]
async fn a_definition_that_only_moves_or_is_spelled_anew_is_not_held() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    let before = core.approve_all("alpha").await;

    // A list that is the same is no change: the third tool tells that the list was read again.
    offers.reverse();
    offers.add("three");
    announce(&core);

    let after = core
        .wait_until("alpha", |server| server.tools.held > 0)
        .await;
    assert_eq!((after.tools.offered, after.tools.held), (2, 1));
    assert!(after.epoch > before.epoch);
}

#[tokio::test]
async fn an_added_tool_is_held_and_a_removed_one_disappears() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    core.approve_all("alpha").await;

    offers.add("three");
    announce(&core);
    core.wait_until("alpha", |server| server.tools.held == 1)
        .await;
    assert_eq!(state_of(&core, "three").await, "new");
    assert_eq!(state_of(&core, "one").await, "offered");
    assert_held(&core, "three").await;
    let refused = core.session().await.call("alpha__three", json!({})).await;
    let said = refused.message["error"]["message"].as_str().unwrap();
    assert!(
        said.ends_with("nobody has reviewed this tool yet"),
        "{said}"
    );

    offers.remove("two");
    announce(&core);
    core.wait_until("alpha", |server| server.tools.offered == 1)
        .await;
    assert_eq!(core.session().await.names().await, ["alpha__one"]);

    // It comes back as it was: it was approved once.
    offers.add("two");
    announce(&core);
    core.wait_until("alpha", |server| server.tools.offered == 2)
        .await;
}

#[tokio::test]
async fn an_approval_names_what_was_seen() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    let server = core
        .wait_until("alpha", |server| server.awaits("approve"))
        .await;
    let approve = async |body: Value| core.post("/servers/alpha/approve", body).await;

    // Another launch, and offers before there is a launch.
    assert_eq!(approve(json!({"launch": "another"})).await.status, 409);
    assert!(approve(json!({"epoch": 1})).await.status.is_client_error());
    assert!(approve(json!({})).await.status.is_client_error());
    assert!(core.processes_of("alpha").is_empty());

    assert_eq!(
        approve(json!({"launch": server.launch_id()})).await.status,
        200
    );
    let seen = core
        .wait_until("alpha", |server| {
            server.awaits("review") && server.epoch.is_some()
        })
        .await;

    // Text swapped between review and press.
    offers.change("one", "Reads all your mail.");
    census::kill(core.pids_of("alpha")[0]);
    let moved = core
        .wait_until("alpha", |server| server.epoch > seen.epoch)
        .await;
    let stale = approve(json!({"epoch": seen.epoch})).await;
    assert_eq!(stale.status, 409, "{stale:?}");
    assert!(stale.json()["remedy"].is_string(), "{stale:?}");
    assert_eq!(core.session().await.names().await, Vec::<String>::new());
    let future = approve(json!({"epoch": moved.epoch.unwrap() + 1})).await;
    assert_eq!(future.status, 409, "{future:?}");

    assert_eq!(approve(json!({"epoch": moved.epoch})).await.status, 200);
    core.wait_until("alpha", |server| server.tools.offered == 2)
        .await;
}

#[tokio::test]
async fn whatever_it_offers_first_is_approved_by_an_explicit_word_and_only_once() {
    let offers = Offers::new();
    let core = Home::new().with([("alpha", offers.entry())]).start().await;
    let server = core
        .wait_until("alpha", |server| server.awaits("approve"))
        .await;
    let word = json!({"launch": server.launch_id(), "offers": "first-seen"});

    let raw = core.post("/servers/alpha/approve", word.clone()).await;
    assert_eq!(raw.status, 200, "{raw:?}");
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(core.session().await.names().await.len(), 2);

    offers.change("one", "Reads all your mail.");
    announce(&core);
    core.wait_until("alpha", |server| server.tools.held == 1)
        .await;
    let again = core.post("/servers/alpha/approve", word).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert_held(&core, "one").await;
}

#[tokio::test]
async fn a_quarantine_takes_both_halves_back_and_ends_what_is_in_flight() {
    let core = Home::new()
        .with([
            ("alpha", Entry::scripted([])),
            ("beta", Entry::scripted([])),
        ])
        .start()
        .await;
    core.approve_all("alpha").await;
    core.approve_all("beta").await;
    let gate = Gate::open();
    let session = core.session().await;
    let other = core.session().await;

    let (answer, ()) = tokio::join!(session.call("alpha__hold", gate.arguments()), async {
        let held = gate.arrived().await;
        core.wish("alpha", "quarantine").await;
        // Acknowledged: no new call from here on, and those in flight are ended.
        assert_refused(&other.call("alpha__echo", json!({})).await, IN_QUARANTINE);
        held.ended().await;
    });

    let kinds: Vec<&str> = [IN_QUARANTINE, ENDED_BY_WISH].concat();
    assert_refused(&answer, &kinds);
    let server = core.server("alpha").await;
    assert!(server.is("in_quarantine"), "{server:?}");
    core.wait_until_server_gone("alpha", GONE).await;
    let names = session.names().await;
    assert!(
        names.iter().all(|name| name.starts_with("beta__")),
        "{names:?}"
    );

    // It stays where it is over a restart of the core, and connect does not get it out.
    let core = core.restarted().await;
    core.wait_until("beta", |server| server.is("connected"))
        .await;
    let server = core.server("alpha").await;
    assert!(server.is("in_quarantine"), "{server:?}");
    assert!(core.processes_of("alpha").is_empty());
    assert_eq!(core.try_wish("alpha", "connect").await.status, 409);

    // Both halves together, for what holds at this moment; what was pinned still is.
    let both = json!({"launch": server.launch_id(), "epoch": server.epoch});
    let raw = core.post("/servers/alpha/approve", both).await;
    assert_eq!(raw.status, 200, "{raw:?}");
    let server = core
        .wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(server.tools.held, 0);
    let answer = core
        .session()
        .await
        .call("alpha__echo", json!({"text": "back"}))
        .await;
    assert_eq!(answer.text(), "back");
}

#[tokio::test]
async fn a_persons_quarantine_stands_above_trust_config() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;

    core.wish("alpha", "quarantine").await;
    core.wait_until_server_gone("alpha", GONE).await;
    let core = core.restarted().await;

    core.wait_until("alpha", |server| server.is("in_quarantine"))
        .await;
    // An edit of the file is trusted, and still does not get it out.
    core.home.write_servers([
        ("alpha", Entry::scripted(["--tools", "1"])),
        ("beta", Entry::scripted([])),
    ]);
    core.wait_until("beta", |server| server.is("connected"))
        .await;
    assert!(core.server("alpha").await.is("in_quarantine"));
    assert!(core.processes_of("alpha").is_empty());
}

#[tokio::test]
async fn trust_config_covers_the_file_and_its_edits_but_not_what_changes_later() {
    let offers = Offers::new();
    let core = Core::trusted([("alpha", offers.entry())]).await;
    assert_eq!(core.session().await.names().await.len(), 2);

    // An edit of the launch is covered.
    core.home.write_servers([
        ("alpha", offers.entry().env("EDITED", "1")),
        ("beta", Entry::scripted(["--bare", "--tools", "1"])),
    ]);
    core.wait_until("beta", |server| server.is("connected"))
        .await;
    core.wait_until("alpha", |server| {
        server.is("connected")
            && server
                .launch
                .as_ref()
                .is_some_and(|launch| launch.rest["env"].get("EDITED").is_some())
    })
    .await;

    // A change of what it offers is not.
    offers.change("one", "Reads all your mail.");
    announce(&core);
    core.wait_until("alpha", |server| server.tools.held == 1)
        .await;
    assert_held(&core, "one").await;
}

#[tokio::test]
async fn nothing_of_trust_config_is_kept() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let (home, _) = core.end(Signal::TERM).await;

    let core = home.without_arg("--trust-config").start().await;

    core.wait_until("alpha", |server| server.awaits("approve"))
        .await;
    assert!(core.processes_of("alpha").is_empty());
    assert_eq!(core.session().await.names().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_epoch_grows_by_one_with_every_change_and_survives_the_core() {
    let offers = Offers::new();
    let core = Core::trusted([("alpha", offers.entry())]).await;
    let first = core.server("alpha").await.epoch.unwrap();

    for step in 1..=3 {
        offers.change("one", &format!("Version {step}."));
        announce(&core);
        core.wait_until("alpha", |server| server.epoch == Some(first + step))
            .await;
    }
    let core = core.restarted().await;

    let server = core
        .wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(server.epoch, Some(first + 3));
}

#[tokio::test]
async fn what_a_reference_stands_for_is_approved_and_not_shown() {
    let entry = Entry::scripted(["--tools", "${env:COUNT}", "--", "${env:TOKEN}"])
        .set("cwd", "${env:FOLDER}");
    let home = Home::new()
        .env("COUNT", "1")
        .env("FOLDER", "/tmp")
        .env("TOKEN", "s3cret-one");
    let core = home.with([("alpha", entry)]).start().await;
    let before = core.server("alpha").await.launch.unwrap();
    let shown = ["--tools", "${env:COUNT}", "--", "${env:TOKEN}"];
    assert_eq!(before.rest["args"], json!(shown));
    assert_eq!(before.rest["cwd"], "${env:FOLDER}");
    let all = core.get("/servers").await.body;
    assert!(!all.contains("s3cret"), "{all}");

    let (home, _) = core.end(Signal::TERM).await;
    let core = home.env("TOKEN", "s3cret-two").start().await;

    let after = core.server("alpha").await.launch.unwrap();
    assert_eq!(after.rest, before.rest);
    assert_ne!(after.id, before.id);
}

#[tokio::test]
async fn an_approved_launch_that_failed_is_tried_again_when_it_is_approved_again() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("later");
    let entry = Entry::new(json!({"command": program}));
    let core = Home::new().with([("alpha", entry)]).start().await;
    core.approve_launch("alpha").await;

    let failed = core
        .wait_until("alpha", |server| server.phase["gave_up"] == true)
        .await;
    assert!(failed.awaits("approve"), "{failed:?}");
    assert_eq!(failed.error_kind(), "command_not_found");
    let message = &failed.error.as_ref().unwrap().message;
    assert!(
        failed
            .sentence
            .to_lowercase()
            .contains(&message.to_lowercase()),
        "{failed:?}"
    );
    // It stays in quarantine, so these do not bring it up.
    for wish in ["connect", "restart"] {
        assert_eq!(core.try_wish("alpha", wish).await.status, 409, "{wish}");
    }

    std::os::unix::fs::symlink(binaries::scripted_server(), &program).unwrap();
    let server = core.approve_all("alpha").await;
    assert!(server.is("connected"), "{server:?}");
}

/// Asserts that clients neither see nor can call the tool `name` of `alpha`, at either address, and
/// that its neighbours work.
async fn assert_held(core: &Core, name: &str) {
    let merged = core.session().await;
    let alone = core.session_with("alpha").await;
    let full = format!("alpha__{name}");

    let names = merged.names().await;
    assert!(!names.contains(&full), "{names:?}");
    let names = alone.names().await;
    assert!(!names.contains(&name.to_owned()), "{names:?}");
    assert!(!names.is_empty(), "its neighbours are held too");
    assert_refused(&merged.call(&full, json!({})).await, HELD);
    assert_refused(&alone.call(name, json!({})).await, HELD);
    let neighbour = names.iter().find(|other| *other != "announce").unwrap();
    assert!(alone.call(neighbour, json!({})).await.is_ok());
    assert_ne!(state_of(core, name).await, "offered");
}

async fn state_of(core: &Core, name: &str) -> String {
    let tools = core.get("/servers/alpha/tools").await.json();
    let tools = tools["tools"].as_array().unwrap().clone();
    let tool = tools.iter().find(|tool| tool["name"] == name);
    let tool = tool.unwrap_or_else(|| panic!("no {name} in {tools:?}"));
    assert!(tool["definition"]["name"] == name && tool["offered_as"].is_string());
    tool["state"].as_str().unwrap().to_owned()
}

/// Has the server `alpha` say that its list has changed. SIGHUP reaches it behind Narthex's back, so
/// that this works while everything it offers is held.
fn announce(core: &Core) {
    for pid in core.pids_of("alpha") {
        census::signal(pid, Signal::HUP);
    }
}

/// Definitions in a file, which the server reads at every list.
struct Offers {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Offers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let offers = Self {
            file: folder.path().join("tools.json"),
            _folder: folder,
        };
        offers.write(&[definition("one"), definition("two")]);
        offers
    }

    fn entry(&self) -> Entry {
        let file = self.file.to_str().unwrap();
        Entry::scripted(["--bare", "--announce-on-hangup", "--definitions", file])
    }

    fn change(&self, name: &str, description: &str) {
        self.merge(name, &json!({"description": description}));
    }

    fn merge(&self, name: &str, members: &Value) {
        let mut tools = self.read();
        let tool = tools.iter_mut().find(|tool| tool["name"] == name).unwrap();
        for (member, value) in members.as_object().unwrap() {
            tool[member] = value.clone();
        }
        self.write(&tools);
    }

    fn add(&self, name: &str) {
        let mut tools = self.read();
        tools.push(definition(name));
        self.write(&tools);
    }

    fn remove(&self, name: &str) {
        let mut tools = self.read();
        tools.retain(|tool| tool["name"] != name);
        self.write(&tools);
    }

    fn reverse(&self) {
        let mut tools = self.read();
        tools.reverse();
        self.write(&tools);
    }

    fn read(&self) -> Vec<Value> {
        serde_json::from_slice(&fs::read(&self.file).unwrap()).unwrap()
    }

    fn write(&self, tools: &[Value]) {
        let draft = self.file.with_extension("draft");
        fs::write(&draft, json!(tools).to_string()).unwrap();
        fs::rename(draft, &self.file).unwrap();
    }
}

fn definition(name: &str) -> Value {
    json!({
        "name": name,
        "description": format!("Says {name}."),
        "inputSchema": {"type": "object"},
    })
}
