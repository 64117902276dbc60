//! Many writers at once: every server ends as it was last wished, and nothing else is left.

use std::{collections::BTreeMap, env, time::Duration};

use narthex_testkit::{
    census,
    core::{Core, Home},
    entry::Entry,
};
use reqwest::Method;
use serde_json::{Value, json};

/// Who gives wishes at the same time.
const WRITERS: u64 = 8;
/// How many each gives in a round.
const COMMANDS: usize = 50;
/// How many servers they are given to.
const SERVERS: usize = 10;
/// How long what a wish ends may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// A wish that was acknowledged.
#[derive(Debug, Clone)]
struct Given {
    server: usize,
    wish: &'static str,
    revision: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_end_as_last_wished_and_only_they_run() {
    let rounds = number("NARTHEX_STORM_ROUNDS", 2);
    let seed = u64::try_from(number("NARTHEX_STORM_SEED", 1)).unwrap();
    let core = Core::trusted(
        names()
            .iter()
            .map(|name| (name.as_str(), Entry::scripted([]))),
    )
    .await;
    let mut first: Option<(usize, u64)> = None;

    for round in 0..rounds {
        let writers = (0..WRITERS).map(|writer| {
            let seed = seed * 1_000_003 + u64::try_from(round).unwrap() * 101 + writer;
            write(&core, seed)
        });
        let mut given: Vec<Given> = futures_util::future::join_all(writers)
            .await
            .into_iter()
            .flatten()
            .collect();
        given.sort_by_key(|given| given.revision);
        assert!(
            given
                .windows(2)
                .all(|pair| pair[0].revision < pair[1].revision),
            "two commands share a revision"
        );
        let wished = settle(&core, &given).await;

        // As last wished, in the view and among the processes, and everybody at once.
        core.wait_for_all(|servers| {
            wished
                .iter()
                .all(|(name, wish)| servers[name].condition == *wish)
        })
        .await;
        for (name, wish) in &wished {
            if *wish == "connected" {
                assert_eq!(core.pids_of(name).len(), 1, "round {round}: {name}");
            } else {
                core.wait_until_server_gone(name, GONE).await;
            }
        }
        let runs = wished.values().filter(|wish| **wish == "connected").count();
        let scripted = census::marked(core.home.marker())
            .into_iter()
            .filter(census::Process::is_scripted_server)
            .count();
        assert_eq!(scripted, runs, "round {round}");
        census::wait_until_reaped(core.pid(), GONE).await;

        // The same state in every round, so that what is counted can be compared.
        for name in names() {
            core.wish(&name, "connect").await;
        }
        core.wait_for_all(|servers| servers.values().all(|server| server.is("connected")))
            .await;
        let descriptors = census::descriptors(core.pid());
        let resident = census::resident(core.pid());
        let (descriptors_first, resident_first) = *first.get_or_insert((descriptors, resident));
        // The connections of a round's writers may linger for a moment.
        assert!(
            descriptors <= descriptors_first + 2 * usize::try_from(WRITERS).unwrap(),
            "round {round}: {descriptors_first} descriptors, then {descriptors}"
        );
        assert!(
            resident <= resident_first + (8 << 20),
            "round {round}: {resident_first} bytes resident, then {resident}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_beside_a_storm_are_answered_and_readers_see_rising_revisions() {
    let names = names();
    let mut servers: Vec<(&str, Entry)> = names
        .iter()
        .map(|name| (name.as_str(), Entry::scripted([])))
        .collect();
    servers.push(("calm", Entry::scripted([])));
    let core = Core::trusted(servers).await;
    let session = core.session().await;

    let storm = async {
        futures_util::future::join_all((0..WRITERS).map(|writer| write(&core, 77 + writer))).await
    };
    tokio::pin!(storm);
    let mut last = 0;
    let mut answered = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut storm => break,
            answer = session.call("calm__echo", json!({"text": "x"})) => {
                assert_eq!(answer.text(), "x");
                let list = core.get("/servers").await.json();
                let revision = list["revision"].as_u64().unwrap();
                assert!(revision >= last, "{revision} after {last}");
                last = revision;
                answered += 1;
            }
        }
    }

    assert!(answered > 0);
    assert_eq!(core.pids_of("calm").len(), 1);
}

#[tokio::test]
async fn the_home_remembers_the_last_wishes_of_a_storm() {
    let home = Home::new().trusted();
    home.write_servers(
        names()
            .iter()
            .map(|name| (name.as_str(), Entry::scripted([]))),
    );
    let core = home.start().await;
    core.wait_for_all(|servers| {
        servers.len() == SERVERS && servers.values().all(|server| server.is("connected"))
    })
    .await;

    let mut given = write(&core, 5).await;
    given.sort_by_key(|given| given.revision);
    let wished = settle(&core, &given).await;
    let (home, _) = core.end(rustix::process::Signal::KILL).await;
    let core = home.start().await;

    core.wait_for_all(|servers| {
        servers.len() == SERVERS
            && wished
                .iter()
                .all(|(name, wish)| servers[name].condition == *wish)
    })
    .await;
}

/// Gives [`COMMANDS`] wishes one after the other; returns those that were accepted.
async fn write(core: &Core, seed: u64) -> Vec<Given> {
    let mut random = fastrand::Rng::with_seed(seed);
    let client = reqwest::Client::new();
    let mut given = Vec::new();
    for _ in 0..COMMANDS {
        let server = random.usize(..SERVERS);
        let wish = match random.u8(..10) {
            0..4 => "connect",
            4..8 => "disconnect",
            8 => "restart",
            _ => "quarantine",
        };
        let url = core.url(&format!("/api/v1/servers/s{server}/{wish}"));
        let response = client
            .request(Method::POST, url)
            .bearer_auth(core.home.token("control"))
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        match status {
            200 => given.push(Given {
                server,
                wish,
                revision: answer["revision"].as_u64().unwrap(),
            }),
            // In quarantine, or disconnected: refused as the interface says.
            409 => assert!(["connect", "restart"].contains(&wish), "{wish}: {answer}"),
            _ => panic!("{wish}: {status} {answer}"),
        }
    }
    given
}

/// Takes what was put in quarantine out of it; returns the condition each server must come to.
async fn settle(core: &Core, given: &[Given]) -> BTreeMap<String, &'static str> {
    let mut wished = BTreeMap::new();
    for (number, name) in names().into_iter().enumerate() {
        let mine = given.iter().filter(|given| given.server == number);
        let last = mine.clone().rfind(|given| given.wish.ends_with("connect"));
        let condition = match last {
            Some(given) if given.wish == "disconnect" => "disconnected",
            Some(_) | None => "connected",
        };
        if mine.clone().any(|given| given.wish == "quarantine") {
            let server = core.server(&name).await;
            assert!(
                server.is("in_quarantine"),
                "an acknowledged quarantine was lost: {server:?}"
            );
            let both = json!({"launch": server.launch_id(), "epoch": server.epoch});
            let raw = core.post(&format!("/servers/{name}/approve"), both).await;
            assert_eq!(raw.status, 200, "{raw:?}");
        }
        wished.insert(name, condition);
    }
    // Without a wish in this round, what held before does.
    for (name, condition) in &mut wished {
        let server = core.server(name).await;
        let expected = if *condition == "connected" {
            "connected"
        } else {
            "disconnected"
        };
        assert_eq!(
            server.wish, expected,
            "{name}: not as last wished by revision"
        );
    }
    wished
}

fn names() -> Vec<String> {
    (0..SERVERS).map(|number| format!("s{number}")).collect()
}

fn number(variable: &str, default: usize) -> usize {
    env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
