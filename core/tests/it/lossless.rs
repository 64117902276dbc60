//! What passes through arrives byte for byte, but for what must change: the id, the name, the
//! progress token.

use narthex_testkit::{core::Core, entry::Entry, messy};
use serde_json::json;

/// How many messages are sent.
const MESSAGES: u64 = 300;

#[tokio::test]
async fn results_and_errors_come_as_the_server_wrote_them() {
    let core = Core::trusted([("alpha", Entry::scripted(["--full", "kit"]))]).await;
    for (session, tool) in [
        (core.session().await, "alpha__raw"),
        (core.session_with("alpha").await, "raw"),
    ] {
        for seed in 0..MESSAGES {
            let mut rng = fastrand::Rng::with_seed(seed);
            let member = if rng.bool() { "result" } else { "error" };
            let mut written = messy::object(&mut rng, 6);
            if seed == 0 {
                written = format!(r#"{{"content":{}}}"#, messy::deep(200));
            }
            let id = rng.choice(["7", "\"7\"", "\"\\u0037\"", "7.0"]).unwrap();
            let arguments = json!({"member": member, "text": written});
            let raw = session
                .post(&format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
                ))
                .await;
            let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{written}}}"#);
            assert_eq!(raw.body, expected, "seed {seed}");
        }
    }
}

#[tokio::test]
async fn requests_arrive_as_the_client_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let entry = Entry::scripted(["--full", "kit", "--record", record.to_str().unwrap()]);
    let core = Core::trusted([("alpha", entry)]).await;
    let session = core.session().await;
    let mut sent = Vec::new();

    for seed in 0..MESSAGES {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (arguments, unknown) = (messy::object(&mut rng, 6), messy::value(&mut rng, 4));
        let token = rng.choice(["1", "\"1\"", "\"t\""]).unwrap();
        // `#` stands for what must change.
        let message = |id: &str, name: &str, token: &str| {
            format!(
                r#"{{"x":{unknown},"params":{{"arguments":{arguments},"name":{name},"_meta":{{"u":{unknown},"progressToken":{token}}}}},"method":"tools/call","id":{id},"jsonrpc":"2.0"}}"#
            )
        };
        let raw = session.post(&message("1", "\"alpha__pid\"", token)).await;
        // The scripted server's own parser may find nothing in it; what arrived is in its record.
        assert_eq!(raw.json()["id"], 1, "seed {seed}: {raw:?}");
        sent.push(message("#", "\"pid\"", "#"));
    }

    let record = std::fs::read_to_string(record).unwrap();
    let calls: Vec<_> = record
        .lines()
        .filter(|line| line.contains(r#""method":"tools/call""#))
        .collect();
    assert_eq!(calls.len(), sent.len());
    for (arrived, sent) in calls.into_iter().zip(sent) {
        assert_eq!(without_ids(arrived), sent);
    }
}

/// Returns a message with `#` in place of the id that Narthex gave it, which is its token too.
fn without_ids(message: &str) -> String {
    let (rest, id) = message.rsplit_once(r#","id":"#).unwrap();
    let (id, end) = id.split_once(',').unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_digit()), "{message}");
    let rest = rest.replace(
        &format!(r#""progressToken":{id}}}"#),
        r##""progressToken":#}"##,
    );
    format!(r##"{rest},"id":#,{end}"##)
}
