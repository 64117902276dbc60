use std::{process::Command as Program, time::Duration};

use narthex_core::{
    api::wire::Condition,
    client::{Client, Command},
};
use narthex_testkit::{core::Home, entry::Entry};

use crate::{
    desktop::{Desktop, client, until},
    session::Session,
    tray_host::{Heard, Host, Row},
};

/// A tray in a host, and the handle to its core.
struct Shown {
    host: Host,
    client: Client,
    world: World,
}

/// What has to be there for as long as the tray is looked at; it ends in this order.
struct World {
    desktop: Desktop,
    home: Home,
    session: Session,
}

/// Starts it with servers that are trusted, and waits until the first row says so.
async fn shown(servers: &[&str], summary: &str) -> Shown {
    shown_with(Home::new().with(scripted(servers)), summary).await
}

async fn shown_with(home: Home, summary: &str) -> Shown {
    let session = Session::new();
    let mut host = Host::open(session.bus()).await;
    let envs = [("NARTHEX_AUTOSTART", "allow")];
    let args = ["--hidden", "--trust-config"];
    let desktop = Desktop::start_with(&session, home.path(), &args, &envs);
    host.item().await;
    let client = client(home.path()).await;
    host.until(summary, |menu| menu.find(&[summary]).is_some())
        .await;
    Shown {
        host,
        client,
        world: World {
            desktop,
            home,
            session,
        },
    }
}

fn scripted<'a>(names: &[&'a str]) -> Vec<(&'a str, Entry)> {
    names
        .iter()
        .map(|name| (*name, Entry::scripted([])))
        .collect()
}

fn has(path: &'static [&'static str]) -> impl Fn(&Row) -> bool {
    move |menu| menu.find(path).is_some()
}

#[tokio::test]
async fn the_menu_is_laid_out_as_promised() {
    let mut servers = scripted(&["alpha", "beta_2"]);
    servers.push(("gamma", Entry::scripted([]).set("enabled", false)));
    servers.push(("held", Entry::scripted([]).set("quarantined", true)));
    let shown = shown_with(Home::new().with(servers), "2 of 2 connected").await;

    assert_eq!(
        shown.host.menu().labels(),
        [
            "2 of 2 connected",
            "-",
            "alpha: Connected",
            "beta__2: Connected",
            "gamma: Off",
            "held: In quarantine",
            "-",
            "Add server…",
            "Connect a client…",
            "Pause all",
            "-",
            "Open Narthex",
            "Settings…",
            "Start at login",
            "Quit",
        ]
    );
    let items = |server| shown.host.row(&[server]).labels();
    let five = ["Disconnect", "Restart", "Quarantine", "Logs…", "Open…"];
    assert_eq!(items("alpha"), five);
    assert_eq!(items("gamma")[0], "Show in configuration…");
    assert_eq!(items("held")[0], "Review…");
    assert!(!shown.host.row(&["2 of 2"]).is_enabled);
    assert!(shown.host.row(&["alpha", "Restart"]).is_enabled);
    assert!(!shown.host.row(&["gamma", "Restart"]).is_enabled);
}

#[tokio::test]
async fn each_of_200_changes_is_heard_and_none_is_asked_for() {
    let Shown {
        mut host,
        client,
        world: _world,
    } = shown(&["alpha", "beta"], "2 of 2 connected").await;
    for _ in 0..100 {
        client.wish("alpha", Command::Disconnect).await.unwrap();
        host.until("off", has(&["alpha: Disconnected", "Connect"]))
            .await;
        client.wish("alpha", Command::Connect).await.unwrap();
        host.until("on", has(&["alpha: Connected", "Disconnect"]))
            .await;
    }
}

#[tokio::test]
async fn clicks_act() {
    let Shown {
        mut host,
        client,
        mut world,
    } = shown(&["alpha", "beta"], "2 of 2 connected").await;

    host.click(&["alpha", "Disconnect"]).await;
    host.until("1 of 1", has(&["1 of 1 connected"])).await;
    host.click(&["alpha: Disconnected", "Connect"]).await;
    host.until("connected", has(&["alpha: Connected"])).await;

    host.click(&["beta", "Quarantine"]).await;
    host.until("a row that asks for a review", has(&["Review beta…"]))
        .await;
    host.until("held", has(&["beta: In quarantine", "Review…"]))
        .await;
    let beta = client.server("beta").await.unwrap().server;
    assert_eq!(beta.condition, Condition::InQuarantine);

    host.click(&["Pause all"]).await;
    host.until("paused", has(&["Paused"])).await;
    host.until("paused", has(&["alpha: Paused", "Paused"]))
        .await;
    assert!(!host.row(&["alpha", "Paused"]).is_enabled);
    host.click(&["Resume"]).await;
    host.until("resumed", has(&["alpha: Connected"])).await;

    host.click(&["Quit"]).await;
    assert!(world.desktop.ended().await.success());
}

#[tokio::test]
async fn start_at_login_is_registered_and_taken_back() {
    let Shown {
        mut host,
        client: _client,
        world,
    } = shown(&["alpha"], "1 of 1 connected").await;
    let file = world
        .session
        .home()
        .join(".config/autostart/Narthex.desktop");
    assert_eq!(host.row(&["Start at login"]).toggle, Some(0));

    host.click(&["Start at login"]).await;
    let is = |toggle| move |menu: &Row| menu.find(&["Start at login"]).unwrap().toggle == toggle;
    host.until("checked", is(Some(1))).await;
    let validated = Program::new("desktop-file-validate")
        .arg(&file)
        .output()
        .unwrap();
    assert!(validated.status.success(), "{validated:?}");
    let entry = std::fs::read_to_string(&file).unwrap();
    assert!(entry.contains("--hidden"), "{entry}");

    host.click(&["Start at login"]).await;
    host.until("not checked", is(Some(0))).await;
    assert!(!file.exists());
}

#[tokio::test]
async fn a_development_build_is_never_registered() {
    let session = Session::new();
    let home = Home::new().with(scripted(&["alpha"]));
    let mut host = Host::open(session.bus()).await;
    let _desktop = Desktop::start(&session, &home, &["--hidden"]);
    host.item().await;
    assert!(!host.row(&["Start at login"]).is_enabled);
}

#[tokio::test]
async fn rows_keep_their_numbers_whatever_comes_and_goes() {
    let Shown {
        mut host,
        client,
        world,
    } = shown(&["beta", "delta"], "2 of 2 connected").await;
    let numbers = |host: &Host| {
        let of = |path: &[&str]| host.row(path).id;
        [
            of(&["beta"]),
            of(&["beta", "Restart"]),
            of(&["delta"]),
            of(&["delta", "Open…"]),
            of(&["Pause all"]),
            of(&["Quit"]),
        ]
    };
    let before = numbers(&host);

    client.wish("beta", Command::Quarantine).await.unwrap();
    host.until("a row more", has(&["Review beta…"])).await;
    assert_eq!(numbers(&host), before);

    world
        .home
        .write_servers(scripted(&["alpha", "beta", "charlie", "delta"]));
    host.until("two servers more", has(&["charlie: Connected"]))
        .await;
    host.until("two servers more", has(&["alpha: Connected"]))
        .await;
    assert_eq!(numbers(&host), before);

    world.home.write_servers(scripted(&["beta", "delta"]));
    host.until("two servers less", |menu| menu.find(&["alpha"]).is_none())
        .await;
    host.until("two servers less", |menu| menu.find(&["charlie"]).is_none())
        .await;
    assert_eq!(numbers(&host), before);
}

#[tokio::test]
async fn an_open_submenu_stays_where_it_is() {
    let Shown {
        mut host,
        client,
        world: _world,
    } = shown(&["alpha", "beta"], "2 of 2 connected").await;
    let alpha = host.row(&["alpha"]).clone();
    assert!(
        !host.about_to_show(alpha.id).await,
        "a host would read it again"
    );

    client.wish("alpha", Command::Disconnect).await.unwrap();
    client.wish("beta", Command::Disconnect).await.unwrap();
    host.until("both off", has(&["Nothing to connect"])).await;
    client.wish("alpha", Command::Connect).await.unwrap();
    let mut layouts = 0;
    while host.menu().find(&["alpha: Connected"]).is_none() {
        let (heard, _) = host.hear().await;
        layouts += usize::from(matches!(heard, Heard::Layout(_)));
    }

    assert_eq!(layouts, 0, "conditions change words, never rows");
    let ids = |row: &Row| row.rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(host.row(&["alpha"])), ids(&alpha));
}

#[tokio::test]
async fn beyond_twelve_servers_the_rest_is_under_more() {
    let names: Vec<String> = (0..15).map(|number| format!("s{number:02}")).collect();
    let off = |name: &'_ String| (name.clone(), Entry::scripted([]).set("enabled", false));
    let servers: Vec<(String, Entry)> = names.iter().map(off).collect();
    let servers = servers
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.clone()));
    let shown = shown_with(Home::new().with(servers), "Nothing to connect").await;

    let more = shown.host.row(&["More"]).labels();
    assert_eq!(more, ["s12: Off", "s13: Off", "s14: Off"]);
    assert_eq!(shown.host.row(&["More", "s13"]).rows.len(), 5);
    assert!(shown.host.menu().find(&["s11: Off"]).is_some());
}

#[tokio::test]
async fn the_tray_comes_with_its_host_and_comes_again() {
    let session = Session::new();
    let home = Home::new().with(scripted(&["alpha"]));
    let _desktop = Desktop::start(&session, &home, &["--hidden", "--trust-config"]);
    let client = client(home.path()).await;
    until_connected(&client, "alpha").await;

    let mut late = Host::open(session.bus()).await;
    late.item().await;
    assert!(late.menu().find(&["alpha"]).is_some());
    drop(late);

    client.wish("alpha", Command::Disconnect).await.unwrap();
    let mut again = open_again(&session).await;
    again.item().await;
    again
        .until("what is true", has(&["alpha: Disconnected"]))
        .await;
    again.click(&["alpha", "Connect"]).await;
    again.until("it acts", has(&["alpha: Connected"])).await;
    assert!(!again.has_another_item());
}

/// The bus forgets a name that was let go when it has read so; until then it is another's.
async fn open_again(session: &Session) -> Host {
    let bus = zbus::connection::Builder::address(session.bus())
        .unwrap()
        .build()
        .await
        .unwrap();
    let bus = zbus::fdo::DBusProxy::new(&bus).await.unwrap();
    let name = || zbus::names::BusName::try_from("org.kde.StatusNotifierWatcher").unwrap();
    while bus.name_has_owner(name()).await.unwrap() {
        tokio::task::yield_now().await;
    }
    Host::open(session.bus()).await
}

#[tokio::test]
async fn a_click_on_the_icon_opens_the_window() {
    let Shown {
        host,
        client: _client,
        world,
    } = shown(&["alpha"], "1 of 1 connected").await;
    assert_eq!(world.session.windows(), [""; 0]);
    host.activate().await;
    until("a window", || {
        world
            .session
            .windows()
            .iter()
            .any(|title| title == "Narthex")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_said_while_nothing_happens() {
    let Shown {
        mut host,
        client,
        world: _world,
    } = shown(&["alpha"], "1 of 1 connected").await;
    // The menu may have been read just before its signal came; this one comes behind it.
    client.wish("alpha", Command::Disconnect).await.unwrap();
    host.until("off", has(&["alpha: Disconnected"])).await;
    assert_eq!(host.heard_within(Duration::from_secs(3)).await, []);
}

#[tokio::test]
async fn the_icon_says_what_is_most_urgent() {
    let Shown {
        mut host,
        client,
        world: _world,
    } = shown(&["alpha", "beta"], "2 of 2 connected").await;
    let well = host.property("IconPixmap").await;
    let name = String::try_from(host.property("IconName").await).unwrap();
    let folder = String::try_from(host.property("IconThemePath").await).unwrap();
    assert_eq!(name, "narthex-well-symbolic");
    let file = std::path::Path::new(&folder).join(format!("{name}.svg"));
    assert!(file.exists(), "{}", file.display());
    client.wish("alpha", Command::Quarantine).await.unwrap();
    while host.hear().await.0 != Heard::Icon {}
    let waiting = host.property("IconPixmap").await;
    assert_ne!(well, waiting);
    client.pause().await.unwrap();
    while host.hear().await.0 != Heard::Icon {}
    assert_ne!(host.property("IconPixmap").await, waiting);
}

#[tokio::test]
async fn without_a_bus_or_a_host_all_else_works() {
    for session in [Session::without_bus(), Session::new()] {
        let home = Home::new().with(scripted(&["alpha"]));
        let mut desktop = Desktop::start(&session, &home, &["--trust-config"]);
        let client = client(home.path()).await;
        until_connected(&client, "alpha").await;
        until("a window", || {
            session
                .windows()
                .iter()
                .any(|title| title == "Narthex")
                .then_some(())
        })
        .await;
        narthex_testkit::census::signal(desktop.pid(), rustix::process::Signal::TERM);
        assert!(desktop.ended().await.success());
    }
}

async fn until_connected(client: &Client, name: &str) {
    use futures_util::StreamExt as _;
    let mut events = client.events();
    loop {
        let server = client.server(name).await.unwrap().server;
        if server.condition == Condition::Connected {
            return;
        }
        events.next().await;
    }
}
