//! What the fuzzer has found, on stable: every file of the committed corpus goes through the check
//! that the fuzz target makes (see `core/fuzz`), and so do generated messages.

use std::{fs, panic, path::PathBuf};

use narthex_testkit::messy;

#[path = "../fuzz/checks/mod.rs"]
mod checks;

/// The fewest files that a corpus has: a folder that was moved must not pass for one that is fine.
const FILES_MIN: usize = 50;

/// How many messages are generated.
const MESSAGES: u64 = 2000;

#[test]
fn the_corpus_of_envelopes_passes() {
    corpus("envelope", checks::envelope::check);
}

#[test]
fn the_corpus_of_events_passes() {
    corpus("events", checks::events::check);
}

#[test]
fn the_corpus_of_headers_passes() {
    corpus("headers", checks::headers::check);
}

#[test]
fn generated_messages_pass() {
    for seed in 0..MESSAGES {
        let message = message(seed);
        checks::envelope::check(message.as_bytes());
        let [low, high, ..] = seed.to_le_bytes();
        let stream = format!("id: {seed}\r\ndata: {message}\r\n\r\ndata:{message}\rdata\n\n");
        checks::events::check(&[&[low, high], stream.as_bytes()].concat());
    }
}

/// Writes what the fuzzer begins with; `npm run fuzz` has it written.
#[test]
#[ignore = "writes files: into the folder that NARTHEX_FUZZ_SEEDS names"]
fn seeds() {
    let folder = std::env::var_os("NARTHEX_FUZZ_SEEDS").expect("NARTHEX_FUZZ_SEEDS is set");
    let folder = PathBuf::from(folder);
    let write = |target: &str, number: usize, bytes: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(format!("seed-{number}")), bytes).expect("a seed can be written");
    };
    let deep = [messy::deep(200), messy::deep(2000)];
    let messages = (0..200).map(message);
    let deep = deep.map(|deep| format!(r#"{{"id":1,"method":"a","params":{deep}}}"#));
    for (number, message) in messages.chain(deep).enumerate() {
        write("envelope", number, message.as_bytes());
        let stream = format!("\u{7}\u{40}id: 1\r\nevent: message\r\ndata: {message}\r\n\r\n");
        write("events", number, stream.as_bytes());
    }
    for (number, stream) in STREAMS.iter().enumerate() {
        write("events", 1000 + number, stream.as_bytes());
    }
    for (number, lines) in HEADERS.iter().enumerate() {
        write("headers", number, lines.as_bytes());
    }
}

const STREAMS: [&str; 6] = [
    "\u{3}\u{0}: comment\n\nid: 7\n\ndata: x\n\n",
    "\u{1}\u{10}\u{feff}data\r\rretry: 5\r\ndata:a\ndata: b\n\n",
    "\u{2}\u{8}event: endpoint\ndata: /message?sessionId=1\n\n",
    "\u{5}\u{20}data: 1\r\n\u{feff}data: 2\n\r\ndata: 3\r\n\r",
    "\u{5}\u{ff}id: a\u{0}b\ndata: \u{fffd}\n\n",
    "\u{9}\u{7f}id\nid:\nevent\ndata:  x\ndatax: y\n data: z\n\n",
];

const HEADERS: [&str; 7] = [
    "/mcp/s/al%70ha\nbBearer narthex_client_b\nh127.0.0.1:7410\ncapplication/json; charset=utf-8",
    "/mcp\nbbearer narthex_control_a\nhLOCALHOST\nohttp://localhost:7410\naapplication/json, text/event-stream",
    "/mcp/s/%c3%a4%ff\nh[::1]:80\nohttp://[::1]\na*/*;q=0, text/*;q=0.5",
    "/mcp/s/a/b\nhevil.example\nonull\ncTEXT/EVENT-STREAM",
    "/mcp/s/%2\nh192.168.1.2\nohttps://127.0.0.1:7410\nbBasic x",
    "ä-1\nhuser@localhost:1@127.0.0.1\natext/event-stream;q=0.000\na*/*",
    "17_abc\nhlocalhost\nhlocalhost:99999\nohttp://127.0.0.1:3000\nbBearer",
];

/// Puts every file of a target's corpus to its check, and names the one that fails.
fn corpus(target: &str, check: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files = 0;
    for file in fs::read_dir(&folder).expect("there is a corpus") {
        let path = file.expect("the folder can be read").path();
        let bytes = fs::read(&path).expect("the file can be read");
        let passed = panic::catch_unwind(|| check(&bytes));
        assert!(passed.is_ok(), "{} does not pass", path.display());
        files += 1;
    }
    assert!(
        files >= FILES_MIN,
        "{} holds {files} files",
        folder.display()
    );
}

/// Returns a message of one of the four kinds, its members in any order.
fn message(seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut of = |choices: &[&str]| (*rng.choice(choices).expect("there are some")).to_owned();
    let id = of(&["1", "\"1\"", "-1e400", "\"\\ud800\"", "7.0", "null"]);
    let token = of(&["1", "\"t\"", "{}"]);
    let kind = of(&["request", "notification", "result", "error"]);
    let (unknown, arguments) = (messy::value(&mut rng, 5), messy::object(&mut rng, 5));
    let params = format!(
        r#"{{"u":{unknown},"name":"alpha__t","arguments":{arguments} ,"_meta":{{"progressToken":{token}}}}}"#
    );
    let mut members = vec![
        r#""jsonrpc":"2.0""#.to_owned(),
        format!(r#""x" : {unknown}"#),
    ];
    if kind != "notification" {
        members.push(format!(r#""id":{id}"#));
    }
    if matches!(kind.as_str(), "request" | "notification") {
        members.push(r#""method":"tools/call""#.to_owned());
        members.push(format!(r#""params":{params}"#));
    } else {
        members.push(format!(r#""{kind}":{arguments}"#));
    }
    rng.shuffle(&mut members);
    format!("{{{}}}", members.join(" ,\r\n"))
}
