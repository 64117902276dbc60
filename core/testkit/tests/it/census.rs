//! What a scripted server starts, and whether the census finds it.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use narthex_testkit::census::{self, MARKER};

#[tokio::test]
async fn the_census_finds_children_daemons_and_the_deaf() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("daemon");
    let marker = format!("census-test-{}", std::process::id());
    let mut server = Command::new(env!("CARGO_BIN_EXE_narthex-testkit-server"))
        .args(["--deaf", "--children", "2", "--daemon"])
        .arg(&pid_file)
        .env(MARKER, &marker)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The daemon is there before the first answer.
    let mut input = server.stdin.take().unwrap();
    std::io::Write::write_all(
        &mut input,
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
    )
    .unwrap();
    let mut output = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut String::new()).unwrap();
    let daemon: u32 = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();

    let marked = census::marked(&marker);
    let servers = marked
        .iter()
        .filter(|process| process.is_scripted_server())
        .count();
    let children = census::descendants(server.id()).len();
    census::signal(server.id(), rustix::process::Signal::TERM);
    drop(input);
    let still_there =
        census::Process::look(server.id()).is_some_and(|process| process.state != 'Z');
    census::kill_marked(&marker);
    server.wait().unwrap();
    census::wait_until_gone(&marker, &marked, Duration::from_secs(5)).await;

    assert_eq!(marked.len(), 4, "{marked:#?}");
    assert!(
        marked
            .iter()
            .any(|process| process.pid == daemon && process.parent != server.id())
    );
    assert_eq!((servers, children), (1, 2));
    assert!(still_there);
}
