//! Real processes, started and ended: nothing outlives what it belongs to.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "what helps a test fails as the test does"
)]
#![expect(
    clippy::print_stdout,
    reason = "processes of a test talk to it this way"
)]

#[path = "process/server.rs"]
mod server;

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use narthex_core::{
    process::{Command, Ended, Environment, Patience, SpawnError, Start, spawn},
    server::Secret,
};
#[cfg(target_os = "linux")]
use rustix::process::Pid;
use rustix::process::{Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};

use self::server::{PROMISE, Server, Witness, is_gone, kill, pid};
#[cfg(target_os = "linux")]
use self::server::{has_ended, parent_of};

/// For servers that are known to need every step.
const HASTY: Patience = Patience {
    stdin: Duration::from_millis(50),
    term: Duration::from_millis(50),
};

/// Tells [`as_another_process`] what to do.
const ROLE: &str = "NARTHEX_TEST_ROLE";

#[tokio::test]
async fn a_server_that_heeds_the_end_of_its_input_ends_by_itself() {
    let mut server = Server::start("echo ready; cat", None);
    server.line().await;
    let id = pid(&server.process.started().await.unwrap().to_string());

    drop(server.stdin.take());
    let ended = server.process.end(Patience::ORDERLY).await;

    assert_eq!(ended, Ended::Code(0));
    assert!(is_gone(id));
}

#[tokio::test]
async fn a_server_deaf_to_the_end_of_its_input_is_terminated() {
    let mut server = Server::start("echo ready; exec sleep 1000", None);
    server.line().await;

    drop(server.stdin.take());
    let ended = server.process.end(HASTY).await;

    assert_eq!(ended, Ended::Signal(15));
}

#[tokio::test]
async fn a_server_deaf_to_everything_is_killed_with_all_its_children() {
    let mut witness = Witness::new();
    let script = "exec 9>\"$WITNESS\"; trap '' TERM HUP INT; sleep 1000 & echo ready
        while :; do sleep 1000; done";
    let mut server = Server::start(script, Some(&witness.path()));
    server.line().await;

    drop(server.stdin.take());
    let ended = server.process.end(HASTY).await;

    assert_eq!(ended, Ended::Signal(9));
    witness.all_gone().await;
}

#[tokio::test]
async fn background_children_end_with_their_shell() {
    let mut witness = Witness::new();
    let script = "exec 9>\"$WITNESS\"; (trap '' TERM; echo $$; cat <&8) 8<&0 & sleep 1000 & wait";
    let mut server = Server::start(script, Some(&witness.path()));
    server.line().await;

    drop(server.stdin.take());
    server.process.end(HASTY).await;

    assert!(!witness.is_held());
    witness.all_gone().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn daemons_in_sessions_of_their_own_are_gone_when_the_end_returns() {
    let mut witness = Witness::new();
    let mut server = Server::start(DAEMONS, Some(&witness.path()));
    assert_eq!(
        [server.line().await, server.line().await],
        ["daemon", "daemon"]
    );

    drop(server.stdin.take());
    let ended = server.process.end(Patience::ORDERLY).await;

    assert_eq!(ended, Ended::Code(0));
    assert!(!witness.is_held());
    witness.all_gone().await;
}

/// A server that heeds the end of its input and leaves two daemons, one deaf to SIGTERM.
#[cfg(target_os = "linux")]
const DAEMONS: &str = "exec 9>\"$WITNESS\"
    setsid sh -c 'setsid sh -c \"echo daemon; exec sleep 1000\" &' &
    setsid sh -c 'setsid sh -c \"trap : TERM; echo daemon; while :; do sleep 1000; done\" &' &
    cat";

#[tokio::test]
async fn a_killed_server_is_noticed_and_what_it_leaves_behind_goes_too() {
    let mut witness = Witness::new();
    let script = "exec 9>\"$WITNESS\"; (trap '' TERM; while :; do sleep 1000; done) & echo $$; cat";
    let mut server = Server::start(script, Some(&witness.path()));
    kill(pid(&server.line().await));

    let ended = timeout(PROMISE, server.process.ended()).await.unwrap();

    assert_eq!(ended, Ended::Signal(9));
    assert!(
        witness.is_held(),
        "the end is told before the clean-up is over"
    );
    witness.all_gone().await;
    assert_eq!(server.process.ended().await, Ended::Signal(9));
}

#[tokio::test]
async fn dropping_a_process_ends_everything() {
    let mut witness = Witness::new();
    let script =
        "exec 9>\"$WITNESS\"; trap '' TERM; sleep 1000 & echo ready; while :; do wait; done";
    let mut server = Server::start(script, Some(&witness.path()));
    server.line().await;

    drop(server.process);

    witness.all_gone().await;
}

#[tokio::test]
async fn a_killed_guard_takes_its_server_along() {
    let mut witness = Witness::new();
    // Two in the background: one in the server's group, one in a group of its own.
    let script = "exec 9>\"$WITNESS\"; trap '' TERM; sleep 1000 & set -m; sleep 1000 & set +m
        echo $PPID; while :; do sleep 1000; done";
    let mut server = Server::start(script, Some(&witness.path()));
    let guard = pid(&server.line().await);
    server.process.started().await.unwrap();

    kill(guard);

    let ended = timeout(PROMISE, server.process.ended()).await.unwrap();
    assert_eq!(ended, Ended::GuardLost);
    witness.all_gone().await;
    server.process.end(HASTY).await;
    #[cfg(target_os = "linux")]
    assert!(has_ended(guard));
}

#[tokio::test]
async fn a_guard_that_was_stopped_does_not_hold_up_the_end() {
    let mut witness = Witness::new();
    let script = "exec 9>\"$WITNESS\"; sleep 1000 & echo $PPID; wait";
    let mut server = Server::start(script, Some(&witness.path()));
    let guard = pid(&server.line().await);
    server.process.started().await.unwrap();
    kill_process(guard, Signal::STOP).unwrap();

    drop(server.stdin.take());
    timeout(PROMISE, server.process.end(HASTY)).await.unwrap();

    witness.all_gone().await;
    #[cfg(target_os = "linux")]
    assert!(has_ended(guard));
}

#[tokio::test]
async fn a_guard_that_is_asked_to_end_ends_its_server_first() {
    let mut witness = Witness::new();
    let script = "exec 9>\"$WITNESS\"; trap '' TERM; echo $PPID; while :; do sleep 1000; done";
    let mut server = Server::start(script, Some(&witness.path()));
    let guard = pid(&server.line().await);

    kill_process(guard, Signal::TERM).unwrap();

    assert_eq!(server.process.ended().await, Ended::Signal(9));
    witness.all_gone().await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_core() {
    let mut witness = Witness::new();
    let mut core = another_process("core")
        .env("WITNESS", witness.path())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(core.stdout.take().unwrap()).lines();
    while !said
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .ends_with("everything runs")
    {}
    assert!(witness.is_held());

    core.kill().await.unwrap();

    witness.all_gone().await;
}

/// A core with servers of every sort, until it is killed.
async fn be_a_core() {
    let path = PathBuf::from(env::var_os("WITNESS").unwrap());
    let mut servers = Vec::new();
    for script in [
        "exec 9>\"$WITNESS\"; echo ready; cat",
        "exec 9>\"$WITNESS\"; echo ready; exec sleep 1000",
        "exec 9>\"$WITNESS\"; trap '' TERM HUP; echo ready; while :; do sleep 1000; done",
        "exec 9>\"$WITNESS\"; sh -c 'sleep 1001 & sleep 1000 & echo ready; wait'",
        #[cfg(target_os = "linux")]
        DAEMONS,
    ] {
        let mut server = Server::start(script, Some(&path));
        server.line().await;
        servers.push(server);
    }
    println!("everything runs");
    std::future::pending().await
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn fifty_servers_leave_no_descriptor_and_no_zombie() {
    let output = another_process("fifty")
        .spawn()
        .unwrap()
        .wait_with_output()
        .await
        .unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("descriptors: 0 more, children: 0"), "{said}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn guards_come_from_one_warden_which_is_replaced_when_it_fails() {
    let output = another_process("wardens")
        .spawn()
        .unwrap()
        .wait_with_output()
        .await
        .unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "another server has the same warden: true",
        "a guard that was ended before its launch is replaced: true",
        "a server goes on without its warden: true",
        "another warden replaces a killed one: true",
        "a stopped warden does not hold up the end: true",
        "another warden replaces a stopped one: true",
        "children without servers: 0",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

/// Has its wardens killed and stopped.
#[cfg(target_os = "linux")]
async fn have_wardens() {
    const SCRIPT: &str = "echo $PPID; cat";
    async fn started() -> (Server, Pid) {
        let mut server = Server::start(SCRIPT, None);
        let warden = parent_of(pid(&server.line().await));
        (server, warden)
    }
    async fn end(mut server: Server) -> Ended {
        drop(server.stdin.take());
        server.process.end(Patience::ORDERLY).await
    }
    let (mut first, warden) = started().await;
    let (second, same) = started().await;
    println!("another server has the same warden: {}", warden == same);
    end(second).await;

    let busy = guards_of(warden);
    let prepared = Start::prepare().unwrap();
    let forked = loop {
        let mut guards = guards_of(warden).into_iter();
        match guards.find(|guard| !busy.contains(guard)) {
            Some(guard) => break guard,
            None => tokio::task::yield_now().await,
        }
    };
    kill(forked);
    while !has_ended(forked) {
        tokio::task::yield_now().await;
    }
    let spawned = prepared.spawn(&plain("env"), &Environment::of_this_process());
    let (process, pipes) = spawned.unwrap();
    let mut replaced = Server::of(process, pipes);
    println!(
        "a guard that was ended before its launch is replaced: {}",
        !replaced.rest().await.is_empty()
    );
    end(replaced).await;

    kill(warden);
    // What is handed to one that is about to end is lost with it.
    while !has_ended(warden) {
        tokio::task::yield_now().await;
    }
    let (third, other) = started().await;
    println!("another warden replaces a killed one: {}", warden != other);
    let stdin = first.stdin.as_mut().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    println!(
        "a server goes on without its warden: {}",
        first.line().await == "hello" && end(first).await == Ended::Code(0)
    );

    kill_process(other, Signal::STOP).unwrap();
    let mut never = Server::start(SCRIPT, None);
    drop(never.stdin.take());
    let ended = timeout(PROMISE, never.process.end(HASTY)).await;
    println!(
        "a stopped warden does not hold up the end: {}",
        ended.is_ok()
    );
    let (fourth, another) = started().await;
    println!(
        "another warden replaces a stopped one: {}",
        other != another
    );
    end(third).await;
    end(fourth).await;
    println!(
        "children without servers: {}",
        children_of(std::process::id()).len()
    );
}

/// Starts and ends fifty servers, in each of the ways they can end.
#[cfg(target_os = "linux")]
async fn be_fifty() {
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let mut first = Server::start("cat", None);
    drop(first.stdin.take());
    first.process.end(Patience::ORDERLY).await;
    drop((first.stdout, first.stderr));
    let before = descriptors();

    let mut witness = Witness::new();
    let mut servers = Vec::new();
    for number in 0..50 {
        let script = "exec 9>\"$WITNESS\"; echo ready; sleep 1000 & cat; exit 3";
        let mut server = Server::start(script, Some(&witness.path()));
        server.line().await;
        if number % 5 == 0 {
            kill(pid(&server.process.started().await.unwrap().to_string()));
        }
        servers.push(server);
    }
    for (number, mut server) in servers.into_iter().enumerate() {
        drop(server.stdin.take());
        if number % 2 == 0 {
            drop(server);
        } else {
            server.process.end(HASTY).await;
        }
    }
    witness.all_gone().await;
    drop(witness);

    // The warden goes with the last server that is let go of or has ended.
    let left = children_of(std::process::id());
    println!(
        "descriptors: {} more, children: {}",
        descriptors() - before,
        left.len()
    );
}

/// Returns the guards that a warden has forked and that have not ended.
#[cfg(target_os = "linux")]
fn guards_of(warden: Pid) -> Vec<Pid> {
    let lines = children_of(u32::try_from(warden.as_raw_pid()).unwrap());
    let ids = lines
        .iter()
        .map(|line| pid(line.split(' ').next().unwrap()));
    ids.filter(|guard| !has_ended(*guard)).collect()
}

#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|line| {
            let fields = line.rsplit(')').next().unwrap();
            fields.split_whitespace().nth(1) == Some(&parent.to_string())
        })
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_holds_its_three_streams_and_nothing_else() {
    let stray = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&stray, rustix::io::FdFlags::empty()).unwrap();
    let _others: Vec<_> = (0..5).map(|_| Server::start("cat", None)).collect();
    let mut server = Server::start("echo ready; exec cat", None);
    server.line().await;

    let id = server.process.started().await.unwrap();

    // The shell has made way for a program that opens nothing once it answers.
    server
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"hello\n")
        .await
        .unwrap();
    assert_eq!(server.line().await, "hello");
    let folder = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
    let mut open: Vec<_> = folder.map(|entry| entry.file_name()).collect();
    open.sort();
    assert_eq!(open, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_server_gets_only_what_is_on_the_list() {
    const LIST: &str = "HOME LOGNAME USER SHELL TMPDIR LANG TZ TERM SSH_AUTH_SOCK HTTP_PROXY \
        HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy SSL_CERT_FILE \
        SSL_CERT_DIR NODE_EXTRA_CA_CERTS DISPLAY WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS OWN PATH";
    let core = another_process("environment")
        .envs([
            ("GITHUB_TOKEN", "secret"),
            ("LD_PRELOAD_", ""),
            ("LC_ALL", "C"),
        ])
        .spawn()
        .unwrap();

    let said = String::from_utf8(core.wait_with_output().await.unwrap().stdout).unwrap();

    let variables = said
        .lines()
        .filter_map(|line| line.strip_prefix("variable: "));
    let names: Vec<_> = variables
        .filter_map(|it| Some(it.split_once('=')?.0))
        .collect();
    for expected in ["OWN", "PATH", "LC_ALL"] {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    for name in names {
        let listed = LIST.split(' ').any(|it| it == name);
        assert!(
            listed || name.starts_with("LC_") || name.starts_with("XDG_"),
            "{name}"
        );
    }
}

/// Prints what a server is given.
async fn be_asked_for_the_environment() {
    let env = BTreeMap::from([("OWN".to_owned(), Secret::new("mine"))]);
    let command = Command {
        env,
        ..plain("env")
    };
    let (process, pipes) = spawn(&command, &Environment::of_this_process()).unwrap();
    for line in Server::of(process, pipes).rest().await {
        println!("variable: {line}");
    }
}

#[tokio::test]
async fn arguments_and_variables_arrive_as_they_are() {
    let text = "  two words; $HOME `id` \"'\\ é\n ";
    let large = "x".repeat(100_000);
    let command = Command {
        program: "printf".to_owned(),
        args: vec![
            "%s".to_owned(),
            text.to_owned(),
            large.clone(),
            large.clone(),
        ],
        cwd: Some("/".into()),
        env: (0..4)
            .map(|number| (format!("LARGE_{number}"), Secret::new(&*large)))
            .collect(),
    };
    let (_process, mut pipes) = spawn(&command, &Environment::of_this_process()).unwrap();

    let mut said = String::new();
    pipes.stdout.read_to_string(&mut said).await.unwrap();

    assert_eq!(said, format!("{text}{large}{large}"));
}

#[tokio::test]
async fn a_missing_interpreter_is_an_end_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder.path().join("server"), "#!/nowhere/interpreter\n");
    let command = plain(program.to_str().unwrap());

    let (mut process, _pipes) = spawn(&command, &Environment::of_this_process()).unwrap();

    let failed = Ended::ExecFailed { program, errno: 2 };
    assert_eq!(process.started().await, Err(failed.clone()));
    assert_eq!(process.end(Patience::ORDERLY).await, failed);
}

#[test]
fn a_missing_command_lists_what_was_searched() {
    let environment = Environment::of_this_process();
    let folders: Vec<_> = env::split_paths(environment.path()).collect();

    let error = spawn(&plain("no-such-server"), &environment).unwrap_err();

    assert_eq!(error.kind(), "command_not_found");
    assert!(
        error.to_string().contains(folders[0].to_str().unwrap()),
        "{error}"
    );
    let SpawnError::CommandNotFound { searched, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(searched, folders);
}

#[test]
fn a_file_that_may_not_be_executed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("server"), "#!/bin/sh\n").unwrap();
    let command = Command {
        cwd: Some(folder.path().to_owned()),
        ..plain("./server")
    };

    let error = spawn(&command, &Environment::of_this_process()).unwrap_err();

    let SpawnError::NotExecutable { path } = error else {
        panic!("{error}")
    };
    assert_eq!(path, folder.path().join("./server"));
}

#[test]
fn a_missing_working_folder_is_named() {
    let command = Command {
        cwd: Some("/no/such/folder".into()),
        ..plain("cat")
    };

    let error = spawn(&command, &Environment::of_this_process()).unwrap_err();

    assert_eq!(error.kind(), "working_folder");
    assert!(error.remedy().contains("/no/such/folder"));
}

#[tokio::test]
async fn an_own_path_is_where_the_command_is_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    program(&folder.path().join("a-server"), "#!/bin/sh\necho found\n");
    let own = Secret::new(folder.path().to_str().unwrap());
    let env = BTreeMap::from([("PATH".to_owned(), own)]);
    let command = Command {
        env,
        ..plain("a-server")
    };

    let (process, pipes) = spawn(&command, &Environment::of_this_process()).unwrap();

    assert_eq!(Server::of(process, pipes).line().await, "found");
}

#[tokio::test]
async fn the_login_shell_tells_its_path_among_noise() {
    let folder = tempfile::tempdir().unwrap();
    let shell = program(
        &folder.path().join("shell"),
        "#!/bin/sh\necho Welcome; echo oops >&2; sleep 1000 &\n\
         PATH=/from/login:$PATH; export PATH\n[ \"$1$2$3\" = -l-i-c ] && eval \"$4\"\nsleep 1000\n",
    );

    let said = login_path_with(&shell).await;

    assert!(said.contains("path: /from/login:"), "{said}");
}

#[tokio::test]
async fn a_login_shell_that_hangs_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let shell = program(&folder.path().join("shell"), "#!/bin/sh\nsleep 1000\n");

    let said = login_path_with(&shell).await;

    assert!(
        said.contains(&format!("path: {}", env::var("PATH").unwrap())),
        "{said}"
    );
}

async fn login_path_with(shell: &Path) -> String {
    let process = another_process("login")
        .env("SHELL", shell)
        .spawn()
        .unwrap();
    String::from_utf8(process.wait_with_output().await.unwrap().stdout).unwrap()
}

async fn be_at_login() {
    println!("path: {}", Environment::of_login().await.path().display());
}

fn plain(program: &str) -> Command {
    Command {
        program: program.to_owned(),
        args: Vec::new(),
        cwd: None,
        env: BTreeMap::new(),
    }
}

fn program(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// This program again, with a role of its own and without a terminal.
fn another_process(role: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "as_another_process", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What the tests above start as another process; by itself it does nothing.
#[tokio::test]
async fn as_another_process() {
    match env::var(ROLE).as_deref() {
        Ok("core") => be_a_core().await,
        #[cfg(target_os = "linux")]
        Ok("fifty") => be_fifty().await,
        #[cfg(target_os = "linux")]
        Ok("wardens") => have_wardens().await,
        Ok("environment") => be_asked_for_the_environment().await,
        Ok("login") => be_at_login().await,
        Ok(role) => panic!("unknown role {role}"),
        Err(_) => {}
    }
}
