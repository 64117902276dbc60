//! What a person is told while they look elsewhere, with the notification server written here.

use std::collections::HashMap;

use narthex_core::client::Command;
use narthex_testkit::{core::Home, entry::Entry};
use tokio::{sync::mpsc, time::timeout};
use zbus::{Connection, connection, interface, object_server::SignalEmitter, zvariant::OwnedValue};

use crate::{
    desktop::{Desktop, PATIENCE, client, until},
    session::Session,
};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// A notification as it is asked for.
#[derive(Debug, PartialEq)]
struct Shown {
    id: u32,
    title: String,
    body: String,
}

struct Server {
    shown: mpsc::UnboundedSender<Shown>,
    last: u32,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the protocol has so many")]
    fn notify(
        &mut self,
        _app: String,
        _replaces: u32,
        _icon: String,
        title: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        self.last += 1;
        let id = self.last;
        self.shown.send(Shown { id, title, body }).unwrap();
        id
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned(), "actions".to_owned()]
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        let text = |text: &str| text.to_owned();
        (text("test"), text("test"), text("1"), text("1.2"))
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str)
    -> zbus::Result<()>;
}

async fn server(bus: &str) -> (Connection, mpsc::UnboundedReceiver<Shown>) {
    let (shown, told) = mpsc::unbounded_channel();
    let connection = connection::Builder::address(bus)
        .unwrap()
        .serve_at(PATH, Server { shown, last: 0 })
        .unwrap()
        .name(NAME)
        .unwrap()
        .build()
        .await
        .unwrap();
    (connection, told)
}

#[tokio::test]
async fn what_fails_for_good_is_told_and_a_click_opens_its_place() {
    let session = Session::new();
    let (bus, mut told) = server(session.bus()).await;
    let home = Home::new().with([("well", Entry::scripted([]))]);
    let _desktop = Desktop::start(&session, &home, &["--hidden", "--trust-config"]);
    let client = client(home.path()).await;

    let missing = serde_json::json!({"command": "no-such-program"});
    client.add("broken_one", missing).await.unwrap();

    let first = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert_eq!(first.title, "broken_one failed");
    assert!(!first.body.contains("no-such-program"), "{}", first.body);

    let server = bus
        .object_server()
        .interface::<_, Server>(PATH)
        .await
        .unwrap();
    Server::action_invoked(server.signal_emitter(), first.id, "default")
        .await
        .unwrap();
    until("the window", || {
        session
            .windows()
            .iter()
            .any(|title| title == "Narthex")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_person_does_is_not_told_to_them() {
    let session = Session::new();
    let (_bus, mut told) = server(session.bus()).await;
    let home = Home::new().with([("a", Entry::scripted([])), ("b", Entry::scripted([]))]);
    let _desktop = Desktop::start(&session, &home, &["--hidden", "--trust-config"]);
    let client = client(home.path()).await;
    client.wish("a", Command::Quarantine).await.unwrap();
    client.wish("b", Command::Disconnect).await.unwrap();

    // What is told comes in order: had the two been told, they would stand before this one.
    let missing = serde_json::json!({"command": "no-such-program"});
    client.add("last", missing).await.unwrap();
    let first = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert_eq!(first.title, "last failed");
}
