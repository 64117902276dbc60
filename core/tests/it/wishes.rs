//! Wishes: what a person wants holds until a person wants something else, and everybody is told.

use std::{collections::BTreeSet, time::Duration};

use narthex_testkit::{
    core::{Core, Home},
    entry::Entry,
    events::Event,
};
use rustix::process::Signal;
use serde_json::json;

use crate::words::{DISCONNECTED, PAUSED, assert_refused};

/// How long what a wish ends may take to be gone.
const GONE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn disconnect_and_connect_do_what_they_say() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ])
    .await;
    let session = core.session().await;

    core.wish("alpha", "disconnect").await;
    // Acknowledged: in the view, without waiting for anything.
    let server = core.server("alpha").await;
    assert!(server.is("disconnected"), "{server:?}");
    assert_eq!(
        (server.wish.as_str(), server.action.as_deref()),
        ("disconnected", Some("connect"))
    );
    // What clients see of it, and what waits for a person: nothing.
    assert_eq!((server.tools.offered, server.tools.held), (0, 0));
    core.wait_until_server_gone("alpha", GONE).await;
    assert!(
        session
            .names()
            .await
            .iter()
            .all(|name| name.starts_with("beta__"))
    );
    assert_refused(&session.call("alpha__echo", json!({})).await, DISCONNECTED);

    core.wish("alpha", "connect").await;
    assert_eq!(core.server("alpha").await.wish, "connected");
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
}

#[tokio::test]
async fn restart_gives_a_new_process() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;
    let before = session
        .call("alpha__pid", json!({}))
        .await
        .text()
        .to_owned();

    core.wish("alpha", "restart").await;

    let after = session
        .call("alpha__pid", json!({}))
        .await
        .text()
        .to_owned();
    assert_ne!(before, after);
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    assert_eq!(core.pids_of("alpha").len(), 1);
}

#[tokio::test]
async fn wishes_that_cannot_be_followed_are_refused_and_leave_nothing_behind() {
    let core = Home::new()
        .with([
            ("newcomer", Entry::scripted([])),
            ("off", Entry::scripted([]).set("enabled", false)),
            ("alpha", Entry::scripted([])),
        ])
        .start()
        .await;
    core.approve_all("alpha").await;

    for wish in ["connect", "disconnect", "restart", "quarantine", "approve"] {
        let raw = core
            .post(&format!("/servers/nobody/{wish}"), json!({"launch": "x"}))
            .await;
        assert_eq!(raw.status, 404, "{wish}: {raw:?}");
    }
    for (server, wish) in [
        ("newcomer", "connect"),
        ("newcomer", "restart"),
        ("off", "connect"),
        ("off", "restart"),
    ] {
        assert_refused_unchanged(&core, server, wish).await;
    }
    core.wish("alpha", "disconnect").await;
    assert_refused_unchanged(&core, "alpha", "restart").await;
    core.wish("alpha", "connect").await;
    let paused = core.post("/pause", json!({})).await;
    assert_eq!(paused.status, 200, "{paused:?}");
    assert_refused_unchanged(&core, "alpha", "connect").await;
    assert_refused_unchanged(&core, "alpha", "restart").await;
}

#[tokio::test]
async fn repeating_what_holds_is_accepted_under_a_revision_of_its_own() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ])
    .await;

    let mut revisions = Vec::new();
    let mut commands = BTreeSet::new();
    for (server, wish) in [
        ("alpha", "connect"),
        ("alpha", "connect"),
        ("alpha", "disconnect"),
        ("beta", "disconnect"),
        ("alpha", "disconnect"),
        ("beta", "quarantine"),
        ("beta", "quarantine"),
    ] {
        let raw = core.try_wish(server, wish).await;
        assert_eq!(raw.status, 200, "{raw:?}");
        revisions.push(raw.json()["revision"].as_u64().unwrap());
        commands.insert(raw.json()["command"].as_str().unwrap().to_owned());
    }
    for path in ["/pause", "/pause", "/resume", "/resume"] {
        let raw = core.post(path, json!({})).await;
        assert_eq!(raw.status, 200, "{raw:?}");
        revisions.push(raw.json()["revision"].as_u64().unwrap());
        commands.insert(raw.json()["command"].as_str().unwrap().to_owned());
    }

    assert!(
        revisions.windows(2).all(|pair| pair[0] < pair[1]),
        "{revisions:?}"
    );
    assert_eq!(commands.len(), revisions.len(), "{commands:?}");
}

#[tokio::test]
async fn pause_stops_all_and_resume_restores_what_was_wanted() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
        ("gamma", Entry::scripted([])),
    ])
    .await;
    let session = core.session().await;
    core.wish("beta", "disconnect").await;
    core.wait_until("beta", |server| server.is("disconnected"))
        .await;

    let raw = core.post("/pause", json!({})).await;
    assert_eq!(raw.status, 200, "{raw:?}");
    for server in core.servers().await {
        assert!(server.is("paused"), "{server:?}");
        assert_eq!(server.action.as_deref(), Some("resume"));
    }
    core.wait_for_core(|core| core["paused"] == true).await;
    for name in ["alpha", "gamma"] {
        core.wait_until_server_gone(name, GONE).await;
    }
    assert_eq!(session.names().await, Vec::<String>::new());
    assert_refused(&session.call("alpha__echo", json!({})).await, PAUSED);
    // A wish to disconnect is followed; it holds after the pause.
    core.wish("gamma", "disconnect").await;

    // Paused is kept over a restart.
    let core = core.restarted().await;
    assert!(
        core.servers()
            .await
            .iter()
            .all(|server| server.is("paused"))
    );
    assert!(core.processes_of("alpha").is_empty());

    let raw = core.post("/resume", json!({})).await;
    assert_eq!(raw.status, 200, "{raw:?}");
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    for name in ["beta", "gamma"] {
        assert!(core.server(name).await.is("disconnected"));
        assert!(core.processes_of(name).is_empty());
    }
}

#[tokio::test]
async fn what_a_person_turned_off_stays_off() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ])
    .await;

    // kill -9 right after the acknowledgement: durable means durable.
    core.wish("alpha", "disconnect").await;
    let (home, _) = core.end(Signal::KILL).await;
    let core = home.start().await;
    core.wait_until("beta", |server| server.is("connected"))
        .await;
    assert!(core.server("alpha").await.is("disconnected"));
    assert!(core.processes_of("alpha").is_empty());

    core.wish("alpha", "connect").await;
    let (home, _) = core.end(Signal::KILL).await;
    let core = home.start().await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
}

#[tokio::test]
async fn no_reload_of_the_file_undoes_a_wish() {
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    let servers = |extra: usize| {
        let all = names
            .iter()
            .map(|name| (name.as_str(), Entry::scripted([])));
        let more = ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9"];
        all.chain(more.into_iter().take(extra).map(|name| {
            (
                name,
                Entry::new(json!({"command": "cat", "enabled": false})),
            )
        }))
        .collect::<Vec<_>>()
    };
    let core = Core::trusted(servers(0)).await;

    // Ten disconnects in a row, with edits of the file among them.
    for (number, name) in names.iter().enumerate() {
        core.home.write_servers(servers(number + 1));
        core.wish(name, "disconnect").await;
    }

    core.wait_until("x9", |server| server.is("off")).await;
    for name in &names {
        assert!(core.server(name).await.is("disconnected"), "{name}");
        core.wait_until_server_gone(name, GONE).await;
    }
}

#[tokio::test]
async fn a_connect_that_is_no_longer_wanted_is_given_up_at_once() {
    let core = Home::new()
        .with([("mute", Entry::scripted(["--mute"]))])
        .trusted()
        .start()
        .await;
    core.wait_until("mute", |server| {
        server.is("connecting") && server.phase["stage"] == "initializing"
    })
    .await;

    core.wish("mute", "disconnect").await;

    assert!(core.server("mute").await.is("disconnected"));
    core.wait_until_server_gone("mute", GONE).await;
}

#[tokio::test]
async fn events_tell_of_every_wish_in_order() {
    let core = Core::trusted([
        ("alpha", Entry::scripted([])),
        ("beta", Entry::scripted([])),
    ])
    .await;
    let mut events = core.events(None).await;
    let hello = events.next().await.unwrap();
    assert_eq!(hello.name, "hello");
    let instance = hello.data["instance"].as_str().unwrap().to_owned();
    assert_eq!(
        core.get("/servers").await.json()["instance"],
        instance.as_str()
    );

    let raw = core.try_wish("alpha", "disconnect").await.json();
    let (before, event) = events
        .until(|event| event.data["revision"] == raw["revision"])
        .await;

    assert_eq!(event.name, "server");
    assert_eq!(event.server(), Some("alpha"));
    assert_eq!(event.data["server"]["wish"], "disconnected");
    assert_eq!(event.data["command"], raw["command"], "{event:?}");
    let mut all = before;
    all.push(event);
    core.wish("beta", "quarantine").await;
    let (more, last) = events
        .until(|event| {
            event.server() == Some("beta") && event.data["server"]["condition"] == "in_quarantine"
        })
        .await;
    all.extend(more);
    all.push(last);
    assert_rising(&all, hello.revision());
    for event in &all {
        assert_eq!(event.id, format!("{instance}-{}", event.revision()));
    }
}

#[tokio::test]
async fn a_subscriber_that_resumes_gets_every_event_it_missed() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let mut watching = core.events(None).await;
    let hello = watching.next().await.unwrap();

    let mut wishes = BTreeSet::new();
    for round in 0..50 {
        let wish = if round % 2 == 0 {
            "disconnect"
        } else {
            "connect"
        };
        wishes.insert(core.wish("alpha", wish).await);
    }
    let last = *wishes.last().unwrap();
    let (mut seen, event) = watching.until(|event| event.revision() >= last).await;
    seen.push(event);
    let mut resumed = core.events(Some(&hello.id)).await;
    let (mut again, event) = resumed.until(|event| event.revision() >= last).await;
    again.push(event);

    let told: BTreeSet<u64> = seen.iter().map(Event::revision).collect();
    assert!(
        wishes.is_subset(&told),
        "missing {:?}",
        wishes.difference(&told)
    );
    assert!(
        again
            .iter()
            .all(|event| event.name != "hello" && event.name != "gap"),
        "{again:?}"
    );
    let ids = |events: &[Event]| {
        events
            .iter()
            .map(|event| event.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&seen), ids(&again));

    // From the middle on, too.
    let middle = seen.len() / 2;
    let mut resumed = core.events(Some(&seen[middle].id)).await;
    let (mut rest, event) = resumed.until(|event| event.revision() >= last).await;
    rest.push(event);
    assert_eq!(ids(&seen[middle + 1..]), ids(&rest));
}

#[tokio::test]
async fn a_place_that_is_not_kept_is_a_gap_at_once() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let mut events = core.events(None).await;
    let hello = events.next().await.unwrap();

    for place in ["another-1", "another-999999", "nonsense", ""] {
        let mut resumed = core.events(Some(place)).await;
        let first = resumed.next().await.unwrap();
        if place.is_empty() {
            // An empty header is no place.
            assert!(["hello", "gap"].contains(&first.name.as_str()), "{first:?}");
        } else {
            assert_eq!(first.name, "gap", "{place}: {first:?}");
            assert!(first.revision() >= hello.revision());
        }
    }

    // Older than the 1,024 revisions kept.
    let mut last = 0;
    for _ in 0..1_100 {
        last = core.wish("alpha", "connect").await;
    }
    let mut resumed = core.events(Some(&hello.id)).await;
    let first = resumed.next().await.unwrap();
    assert_eq!(first.name, "gap", "{first:?}");
    assert!(first.revision() >= last);

    // And it goes on from there.
    let revision = core.wish("alpha", "disconnect").await;
    let (_, event) = resumed.until(|event| event.revision() >= revision).await;
    assert_eq!(event.server(), Some("alpha"));
}

#[tokio::test]
async fn nothing_is_lost_in_silence_to_a_slow_subscriber() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    // It does not read until all has happened.
    let mut slow = core.events(None).await;

    let mut wishes = BTreeSet::new();
    for _ in 0..3_000 {
        wishes.insert(core.wish("alpha", "connect").await);
    }
    let last = *wishes.last().unwrap();
    let (mut seen, event) = slow.until(|event| event.revision() >= last).await;
    seen.push(event);

    // Every wish is told of, unless a gap says so; before the gap none is missing.
    let gap = seen.iter().position(|event| event.name == "gap");
    let told: BTreeSet<u64> = seen[..gap.unwrap_or(seen.len())]
        .iter()
        .map(Event::revision)
        .collect();
    let until = if gap.is_some() {
        told.last().copied().unwrap_or_default()
    } else {
        last
    };
    let missing: Vec<&u64> = wishes
        .range(..=until)
        .filter(|wish| !told.contains(wish))
        .collect();
    assert!(missing.is_empty(), "lost in silence: {missing:?}");
    assert_rising(&seen, 0);
}

async fn assert_refused_unchanged(core: &Core, server: &str, wish: &str) {
    let before = core.server(server).await;
    let raw = core.try_wish(server, wish).await;
    assert_eq!(raw.status, 409, "{wish} {server}: {raw:?}");
    assert_eq!(raw.header("content-type"), "application/problem+json");
    let remedy = raw.json()["remedy"].as_str().unwrap_or_default().to_owned();
    assert!(!remedy.is_empty(), "{raw:?}");
    let after = core.server(server).await;
    assert_eq!(
        (before.wish, before.condition),
        (after.wish, after.condition)
    );
}

/// Asserts that the revisions rise: an event never tells of an earlier state than the one before it.
#[track_caller]
fn assert_rising(events: &[Event], from: u64) {
    let mut last = from;
    for event in events {
        assert!(event.revision() >= last, "{last} before {event:?}");
        last = event.revision();
    }
}

#[tokio::test]
async fn each_message_is_counted_under_its_own_name() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;

    core.wish("alpha", "disconnect").await;
    // Refused, and counted all the same.
    assert_eq!(core.try_wish("alpha", "restart").await.status, 409);
    core.wish("alpha", "connect").await;
    core.wish("alpha", "disconnect").await;
    let entry = json!({"name": "beta", "entry": {"command": "nothing", "enabled": false}});
    assert_eq!(core.post("/servers", entry).await.status, 201);

    let request = core
        .request(reqwest::Method::GET, "/metrics")
        .bearer_auth(core.home.token("control"));
    let metrics = core.send(request).await.body;
    let counted = |message: &str| {
        let name =
            format!("narthex_supervisor_message_duration_seconds_count{{message=\"{message}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.map(|count| count.parse::<u64>().unwrap())
    };
    for (message, count) in [
        ("disconnect", Some(2)),
        ("connect", Some(1)),
        ("restart", Some(1)),
        ("reload", Some(1)),
        ("command", None),
    ] {
        assert_eq!(counted(message), count, "{message}: {metrics}");
    }
}
