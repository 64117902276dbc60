//! Results that are nearly as long as a message may be, while another server is called without a
//! pause: they are read slowly then, and arrive whole.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use narthex_testkit::{core::Core, entry::Entry, scripted::counted, upstream::Upstream};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

/// The bytes of a result's text: with what stands around it, less than the 64 MiB of a message.
const BYTES: usize = 60_000_000;

/// What one may take on a machine that is busy with tests, in a build that is not optimized, in
/// seconds.
const PATIENCE_S: u64 = 240;

/// One at a time: each keeps a processor busy.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn over_a_pipe() {
    arrives_whole(Entry::scripted([])).await;
}

#[tokio::test]
async fn over_http() {
    let web = Upstream::start(&[]).await;
    arrives_whole(Entry::url(web.url())).await;
}

#[tokio::test]
async fn as_an_event() {
    let web = Upstream::start(&["--sse"]).await;
    arrives_whole(Entry::url(web.url())).await;
}

#[tokio::test]
async fn as_an_event_of_the_older_transport() {
    let web = Upstream::start(&["--legacy"]).await;
    arrives_whole(Entry::url(web.url()).set("transport", "sse")).await;
}

/// Has `entry` answer with a long text, looks at every byte, and calls it once more.
async fn arrives_whole(entry: Entry) {
    let _turn = TURN.lock().await;
    let entry = entry.set("callTimeout", PATIENCE_S);
    let core = Core::trusted([("long", entry), ("other", Entry::scripted([]))]).await;
    let (long, other) = (core.session().await, core.session().await);
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let calling = tokio::spawn(async move {
        while !over.load(Ordering::Relaxed) {
            let answer = other.call("other__echo", json!({"text": "y"})).await;
            assert_eq!(answer.text(), "y");
        }
    });

    let text = counted(BYTES);
    let arguments = json!({"bytes": BYTES, "counted": true});
    let params = json!({"name": "long__large", "arguments": arguments});
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    let patience = Duration::from_secs(PATIENCE_S);
    let answered = timeout(patience, long.post_for_json(&call.to_string())).await;
    let body = answered.expect("it arrives").body;
    let start = body.find("0 1 2 3 4 ").expect("it has the text");
    let (before, rest) = body.split_at(start);
    assert!(rest.starts_with(&text), "not the bytes that were sent");
    // What stands around it is small, so that it can be looked at.
    let around = format!("{before}{}", &rest[text.len()..]);
    let around: Value = serde_json::from_str(&around).unwrap();
    assert_eq!(around["id"], 7);
    assert_eq!(around["result"]["content"][0]["text"], "");
    let again = long.call("long__echo", json!({"text": "z"})).await;
    assert_eq!(again.text(), "z");

    done.store(true, Ordering::Relaxed);
    calling.await.unwrap();
}
