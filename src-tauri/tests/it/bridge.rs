//! `narthex stdio` and the desktop: the bridge starts it hidden, and it takes over from a core that a
//! bridge started without it.

use narthex_core::{
    client::Client,
    home::{self, Holder, HolderKind, Home as Folder},
};
use narthex_testkit::{
    binaries,
    bridge::Bridge,
    census::{self, MARKER},
    core::Home,
    entry::Entry,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::process::Command;

use crate::{
    desktop::{Desktop, PROGRAM, client, until},
    session::Session,
};

/// How often two that start at once are started; `NARTHEX_ROUNDS` says otherwise.
const ROUNDS: usize = 3;

/// A home whose core listens wherever there is room, with a server that was let in.
async fn home() -> Home {
    let home = Home::new();
    let entry = home.entry("alpha", Entry::scripted([]));
    let config = json!({"listen": "127.0.0.1:0", "mcpServers": {"alpha": entry}});
    home.write_config(&config.to_string());
    let core = home.start().await;
    core.approve_all("alpha").await;
    core.end(Signal::TERM).await.0
}

/// A bridge of a client in the session, which finds this program as its desktop.
fn bridge(session: &Session, home: &Home, desktop: &str) -> Bridge {
    let mut command = session.command(binaries::narthex());
    command
        .args(["stdio", "--client", "kit", "--home"])
        .arg(home.path())
        .env(MARKER, home.marker_of("core"))
        .env("NARTHEX_DESKTOP", desktop);
    Bridge::of(Command::from(command))
}

fn holder(home: &Home) -> Option<Holder> {
    let folder = Folder::locate(Some(home.path().to_owned())).unwrap();
    home::holder(&folder)
}

/// Waits until a desktop holds the home and listens.
async fn desktop_holds(home: &Home) -> Holder {
    until("a desktop holds the home", || {
        let is_up = |it: &Holder| it.kind == HolderKind::Desktop && it.address.is_some();
        holder(home).filter(is_up)
    })
    .await
}

async fn works(bridge: &mut Bridge) {
    let text = bridge.text("alpha__echo", json!({"text": "hi"})).await;
    assert_eq!(text, "hi");
}

#[tokio::test]
async fn the_bridge_starts_the_desktop_hidden_and_it_stays() {
    let session = Session::new();
    let home = home().await;
    let mut bridges = [(); 3].map(|()| bridge(&session, &home, PROGRAM));
    for bridge in &mut bridges {
        bridge.hello(json!({})).await;
        works(bridge).await;
    }
    let desktop = desktop_holds(&home).await;
    assert!(session.windows().is_empty(), "{:?}", session.windows());
    for bridge in bridges {
        assert!(bridge.end().await.success());
    }
    assert_eq!(holder(&home), Some(desktop.clone()));

    // A second start is as ever: the first one shows its window.
    let mut second = Desktop::start(&session, &home, &[]);
    assert!(second.ended().await.success());
    until("a window", || {
        let windows = session.windows();
        windows.iter().any(|title| title == "Narthex").then_some(())
    })
    .await;
    census::signal(desktop.pid, Signal::TERM);
    until("its end", || holder(&home).is_none().then_some(())).await;
}

#[tokio::test]
async fn where_the_display_is_gone_a_core_without_one_is_started() {
    let session = Session::without_display();
    let home = home().await;
    let mut command = session.command(binaries::narthex());
    command
        .args(["stdio", "--client", "kit", "--home"])
        .arg(home.path())
        .env(MARKER, home.marker_of("core"))
        .env("NARTHEX_DESKTOP", PROGRAM)
        .env("DISPLAY", ":4711");
    let mut bridge = Bridge::of(Command::from(command));
    bridge.hello(json!({})).await;
    works(&mut bridge).await;
    let holder = holder(&home).unwrap();
    assert_eq!((holder.kind, holder.hands_over), (HolderKind::Serve, true));
}

#[tokio::test]
async fn a_desktop_that_starts_later_takes_over_and_the_client_notices_nothing() {
    let session = Session::new();
    let home = home().await;
    let mut bridge = bridge(&session, &home, "");
    bridge.hello(json!({})).await;
    works(&mut bridge).await;
    let old = holder(&home).unwrap();
    assert!(old.hands_over);

    let desktop = Desktop::start_as_configured(&session, home.path(), &["--hidden"], &[]);

    let new = desktop_holds(&home).await;
    assert_eq!(new.pid, desktop.pid());
    assert_eq!(
        new.address, old.address,
        "clients over HTTP find it where it was"
    );
    assert!(!new.hands_over);
    bridge.message("notifications/tools/list_changed").await;
    works(&mut bridge).await;
    let Client::Remote(remote) = client(home.path()).await else {
        unreachable!("another process holds the home")
    };
    assert_eq!(remote.status().await.unwrap().clients, 1);
    assert!(remote.hand_over().await.is_err(), "it is a person's");
    assert!(desktop.end(Signal::TERM).await.success());
}

#[tokio::test]
async fn of_a_bridge_and_a_desktop_that_start_at_once_the_desktop_runs_and_both_work() {
    let rounds = std::env::var("NARTHEX_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok());
    let session = Session::new();
    let home = home().await;
    for round in 0..rounds.unwrap_or(ROUNDS) {
        // The bridges of every other round know of no desktop.
        let known = if round % 2 == 0 { PROGRAM } else { "" };
        let mut bridges = [(); 2].map(|()| bridge(&session, &home, known));
        let desktop = Desktop::start_as_configured(&session, home.path(), &["--hidden"], &[]);
        for bridge in &mut bridges {
            bridge.hello(json!({})).await;
        }
        let holds = desktop_holds(&home).await;
        for bridge in &mut bridges {
            works(bridge).await;
        }
        assert_eq!(desktop_holds(&home).await, holds, "it stays");
        for bridge in bridges {
            assert!(bridge.end().await.success());
        }
        // Whichever of two desktops it is.
        census::signal(holds.pid, Signal::TERM);
        drop(desktop);
        until("its end", || {
            // One that a bridge started may only now come up, and find the home free.
            let late = census::marked(&home.marker_of("core"));
            for process in &late {
                census::signal(process.pid, Signal::TERM);
            }
            (late.is_empty() && holder(&home).is_none()).then_some(())
        })
        .await;
    }
}
