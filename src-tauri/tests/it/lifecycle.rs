use std::time::Duration;

use narthex_core::{api::wire::Condition, client::Client};
use narthex_testkit::{
    census,
    core::{Core, Home},
    entry::Entry,
    session::Session as McpSession,
};
use rustix::process::Signal;

use crate::{
    desktop::{Desktop, client, until},
    session::Session,
    tray_host::Host,
};

/// How long the system has to clean up after a death of any kind (INTERFACE.md).
const CLEANED_UP: Duration = Duration::from_secs(5);

/// Less than a web process has once it shows the page (some 150 MiB), more than it begins with.
const PAGE_BYTES: u64 = 80 * 1024 * 1024;

fn ten() -> Vec<(&'static str, Entry)> {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    names.map(|name| (name, Entry::scripted([]))).to_vec()
}

async fn until_all_connected(client: &Client, servers: usize) {
    use futures_util::StreamExt as _;
    let mut events = client.events();
    loop {
        let list = client.servers().await.unwrap().servers;
        let is_connected = |condition| condition == Condition::Connected;
        let connected = list.iter().filter(|server| is_connected(server.condition));
        if connected.count() == servers {
            return;
        }
        events.next().await;
    }
}

fn has_window(session: &Session) -> bool {
    session.windows().iter().any(|title| title == "Narthex")
}

#[tokio::test]
async fn a_second_start_shows_the_first_ones_window() {
    let session = Session::new();
    let home = Home::new().with([("a", Entry::scripted([]))]);
    let first = Desktop::start(&session, &home, &["--hidden"]);
    client(home.path()).await;
    assert!(!has_window(&session), "a hidden start has no window");

    let mut hidden = Desktop::start(&session, &home, &["--hidden"]);
    assert!(hidden.ended().await.success());
    assert!(!has_window(&session), "a start at login asks for none");

    let mut second = Desktop::start(&session, &home, &[]);
    assert!(second.ended().await.success());
    until("a window", || has_window(&session).then_some(())).await;
    drop(first);
}

#[tokio::test]
async fn another_home_is_another_desktop() {
    let session = Session::new();
    let homes = [Home::new(), Home::new()];
    let _desktops = homes.each_ref().map(|home| {
        home.write_servers([("a", Entry::scripted([]))]);
        Desktop::start(&session, home, &["--hidden"])
    });
    for home in &homes {
        client(home.path()).await;
    }
}

#[tokio::test]
async fn without_a_bus_a_second_start_says_who_is_there() {
    let session = Session::without_bus();
    let home = Home::new().with([("a", Entry::scripted([]))]);
    let _first = Desktop::start(&session, &home, &["--hidden"]);
    client(home.path()).await;
    let mut second = Desktop::start(&session, &home, &[]);
    assert_eq!(second.ended().await.code(), Some(3));
}

#[tokio::test]
async fn quit_a_signal_and_a_kill_leave_nothing_of_ten_servers() {
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        let session = Session::new();
        let home = Home::new().with(ten());
        let mut host = Host::open(session.bus()).await;
        let mut desktop = Desktop::start(&session, &home, &["--hidden", "--trust-config"]);
        host.item().await;
        let client = client(home.path()).await;
        until_all_connected(&client, 10).await;
        let others = census::descendants(desktop.pid());
        match signal {
            None => host.click(&["Quit"]).await,
            Some(signal) => census::signal(desktop.pid(), signal),
        }
        desktop.ended().await;
        census::wait_until_gone(home.marker(), &others, CLEANED_UP).await;
    }
}

#[tokio::test]
async fn quit_asks_before_it_cuts_off_a_call() {
    let session = Session::new();
    let record = session.home().join("record");
    let script = ["--hang-after", "0", "--record", record.to_str().unwrap()];
    let home = Home::new().with([("slow", Entry::scripted(script))]);
    let mut host = Host::open(session.bus()).await;
    let mut desktop = Desktop::start(&session, &home, &["--hidden", "--trust-config"]);
    host.item().await;
    let client = client(home.path()).await;
    until_all_connected(&client, 1).await;
    let address = client.status().await.unwrap().address;
    let token = home.token("client");
    let call = tokio::spawn(async move {
        let mcp = McpSession::open(&format!("http://{address}/mcp/s/slow"), Some(&token)).await;
        mcp.call("echo", serde_json::json!({})).await
    });
    let recorded = || std::fs::read_to_string(&record).unwrap_or_default();
    until("the call reaches the server", || {
        recorded().contains("tools/call").then_some(())
    })
    .await;

    host.click(&["Quit"]).await;
    let asks = |title: &String| title.contains("Quit Narthex?");
    until("a question", || {
        session.windows().iter().any(asks).then_some(())
    })
    .await;
    assert!(client.status().await.is_ok(), "it waits for the answer");

    census::signal(desktop.pid(), Signal::TERM);
    assert!(desktop.ended().await.success(), "the system does not wait");
    call.abort();
}

#[tokio::test]
async fn a_crash_of_the_web_process_costs_the_window_alone() {
    let session = Session::new();
    let home = Home::new().with([("a", Entry::scripted([]))]);
    let desktop = Desktop::start(&session, &home, &["--trust-config"]);
    let client = client(home.path()).await;
    let web = until("a web process", || {
        let family = census::descendants(desktop.pid());
        let is_web = |name: &String| name.contains("WebKitWebProcess");
        family
            .into_iter()
            .find(|one| one.command_line.first().is_some_and(is_web))
    })
    .await;
    // WebKit itself gives up where a web process dies before it has begun.
    until("a page", || {
        (census::private(web.pid) > PAGE_BYTES).then_some(())
    })
    .await;

    census::kill(web.pid);

    until("no window", || (!has_window(&session)).then_some(())).await;
    until_all_connected(&client, 1).await;
    let mut second = Desktop::start(&session, &home, &[]);
    assert!(second.ended().await.success());
    until("a window again", || has_window(&session).then_some(())).await;
}

#[tokio::test]
async fn without_a_display_the_core_runs_all_the_same() {
    let session = Session::without_display();
    let home = Home::new().with(ten());
    let desktop = Desktop::start(&session, &home, &["--trust-config"]);
    let client = client(home.path()).await;
    until_all_connected(&client, 10).await;
    assert!(desktop.end(Signal::TERM).await.success());
}

#[tokio::test]
async fn a_core_that_runs_is_attached_to_and_outlives_us() {
    let session = Session::new();
    let core: Core = Home::new().with(ten()).trusted().start().await;
    let mut host = Host::open(session.bus()).await;
    let mut desktop = Desktop::start(&session, &core.home, &["--hidden"]);
    host.item().await;
    host.until("the other's servers", |menu| {
        menu.find(&["10 of 10 connected"]).is_some()
    })
    .await;

    host.click(&["a", "Disconnect"]).await;
    host.until("its core did it", |menu| {
        menu.find(&["a: Disconnected"]).is_some()
    })
    .await;
    host.click(&["Close, servers keep running"]).await;
    assert!(desktop.ended().await.success());
    let list = core.servers().await;
    assert_eq!(list.len(), 10, "the core goes on");
}
