//! A host of the tray, as a panel has it: it is told of items, reads a menu once, and then hears of
//! changes by signals alone.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use zbus::{
    Connection, MatchRule, MessageStream, connection, interface,
    message::{Header, Type},
    zvariant::{OwnedValue, Value},
};

use crate::desktop::PATIENCE;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// What stands between items and panels.
struct Watcher {
    registered: mpsc::UnboundedSender<String>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().expect("the bus names it").to_string();
        let name = if service.starts_with('/') {
            sender
        } else {
            service.to_owned()
        };
        let _ = self.registered.send(name);
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A row of a menu as the host has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: i32,
    pub(crate) label: String,
    pub(crate) is_enabled: bool,
    pub(crate) is_separator: bool,
    pub(crate) toggle: Option<i32>,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    /// Returns the row at a path of labels.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        let below = self.rows.iter().find(|row| row.label.starts_with(first));
        below?.find(rest)
    }

    /// Returns the labels of the rows below, lines as `-`.
    pub(crate) fn labels(&self) -> Vec<&str> {
        self.rows
            .iter()
            .map(|row| {
                if row.is_separator {
                    "-"
                } else {
                    row.label.as_str()
                }
            })
            .collect()
    }

    fn change(&mut self, id: i32, properties: &HashMap<String, OwnedValue>) -> bool {
        if self.id == id {
            self.take(properties);
            return true;
        }
        self.rows.iter_mut().any(|row| row.change(id, properties))
    }

    fn take(&mut self, properties: &HashMap<String, OwnedValue>) {
        for (name, value) in properties {
            match name.as_str() {
                "label" => self.label = String::try_from(value.clone()).expect("labels are text"),
                "enabled" => self.is_enabled = bool::try_from(value).expect("enabled is a flag"),
                "toggle-state" => self.toggle = Some(i32::try_from(value).expect("a number")),
                "type" => self.is_separator = true,
                _ => {}
            }
        }
    }

    fn lose(&mut self, id: i32, names: &[String]) -> bool {
        if self.id == id {
            self.is_enabled |= names.iter().any(|name| name == "enabled");
            return true;
        }
        self.rows.iter_mut().any(|row| row.lose(id, names))
    }
}

/// What the host heard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// Rows have other properties.
    Properties,
    /// Rows came, went or moved below this one.
    Layout(i32),
    /// The icon is another.
    Icon,
}

/// The host, with the item it shows.
pub(crate) struct Host {
    connection: Connection,
    registered: mpsc::UnboundedReceiver<String>,
    item: String,
    signals: MessageStream,
    menu: Row,
}

impl Host {
    /// Takes the watcher's name on the bus, and waits for nothing yet.
    pub(crate) async fn open(bus: &str) -> Self {
        let (sender, registered) = mpsc::unbounded_channel();
        let connection = connection::Builder::address(bus)
            .expect("the bus has an address")
            .serve_at("/StatusNotifierWatcher", Watcher { registered: sender })
            .expect("the path is one")
            .name(WATCHER)
            .expect("the name is one")
            .build()
            .await
            .expect("the name is free");
        // Before anything is shown, so that nothing is missed.
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .path_namespace("/")
            .expect("a path")
            .build();
        let signals = MessageStream::for_match_rule(rule, &connection, Some(4096)).await;
        Self {
            connection,
            registered,
            item: String::new(),
            signals: signals.expect("signals can be heard"),
            menu: Row::default(),
        }
    }

    /// Waits until an item is there, and reads its menu, as a panel does.
    pub(crate) async fn item(&mut self) {
        let registered = timeout(PATIENCE, self.registered.recv()).await;
        self.item = registered
            .expect("an item in time")
            .expect("we hold the sender");
        self.read().await;
    }

    /// Whether an item has come that was not taken yet.
    pub(crate) fn has_another_item(&mut self) -> bool {
        self.registered.try_recv().is_ok()
    }

    /// Returns the menu as it is known here.
    pub(crate) const fn menu(&self) -> &Row {
        &self.menu
    }

    /// Returns a row, and where it is not known its menu.
    pub(crate) fn row(&self, path: &[&str]) -> &Row {
        let found = self.menu.find(path);
        found.unwrap_or_else(|| panic!("no {path:?} in {:#?}", self.menu.labels()))
    }

    /// Clicks on a row.
    pub(crate) async fn click(&self, path: &[&str]) {
        let id = self.row(path).id;
        let event = (id, "clicked", Value::from(0), 0_u32);
        self.call(MENU, "/MenuBar", "Event", &event).await;
    }

    /// Clicks on the icon.
    pub(crate) async fn activate(&self) {
        self.call(ITEM, "/StatusNotifierItem", "Activate", &(0, 0))
            .await;
    }

    /// Says that a row's menu is about to be shown; returns whether it must be read again.
    pub(crate) async fn about_to_show(&self, id: i32) -> bool {
        let reply = self.call(MENU, "/MenuBar", "AboutToShow", &id).await;
        reply.body().deserialize().expect("a flag")
    }

    /// Returns a property of the item.
    pub(crate) async fn property(&self, name: &str) -> OwnedValue {
        let reply = self
            .call(
                "org.freedesktop.DBus.Properties",
                "/StatusNotifierItem",
                "Get",
                &(ITEM, name),
            )
            .await;
        reply.body().deserialize().expect("a value")
    }

    /// Waits until the menu, kept by signals alone, is as wanted; returns when that was heard.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Row) -> bool) -> Instant {
        let waited = timeout(PATIENCE, async {
            let mut at = Instant::now();
            while !holds(&self.menu) {
                at = self.hear().await.1;
            }
            at
        });
        match waited.await {
            Ok(at) => at,
            Err(_) => panic!("{what}: not heard; the menu is {:#?}", self.menu),
        }
    }

    /// Waits for the next signal of the item, and takes it in.
    pub(crate) async fn hear(&mut self) -> (Heard, Instant) {
        loop {
            let message = self
                .signals
                .next()
                .await
                .expect("the bus goes on")
                .expect("a message");
            let at = Instant::now();
            let header = message.header();
            let (Some(interface), Some(member)) = (header.interface(), header.member()) else {
                continue;
            };
            match (interface.as_str(), member.as_str()) {
                (MENU, "ItemsPropertiesUpdated") => {
                    self.take(&message);
                    return (Heard::Properties, at);
                }
                (MENU, "LayoutUpdated") => {
                    let body = message.body();
                    let (_, parent): (u32, i32) = body.deserialize().expect("as the protocol says");
                    self.read().await;
                    return (Heard::Layout(parent), at);
                }
                (ITEM, "NewIcon") => return (Heard::Icon, at),
                _ => {}
            }
        }
    }

    /// Returns all that comes within a while.
    pub(crate) async fn heard_within(&mut self, while_: Duration) -> Vec<Heard> {
        let deadline = Instant::now() + while_;
        let mut heard = Vec::new();
        while let Ok((one, _)) = tokio::time::timeout_at(deadline, self.hear()).await {
            heard.push(one);
        }
        heard
    }

    fn take(&mut self, message: &zbus::Message) {
        type Updated = Vec<(i32, HashMap<String, OwnedValue>)>;
        type Removed = Vec<(i32, Vec<String>)>;
        let body = message.body();
        let (updated, removed): (Updated, Removed) =
            body.deserialize().expect("as the protocol says");
        for (id, properties) in &updated {
            assert!(self.menu.change(*id, properties), "row {id} is not known");
        }
        for (id, names) in &removed {
            assert!(self.menu.lose(*id, names), "row {id} is not known");
        }
    }

    async fn read(&mut self) {
        let all: &[&str] = &[];
        let reply = self
            .call(MENU, "/MenuBar", "GetLayout", &(0, -1, all))
            .await;
        let body = reply.body();
        let (_, root): (u32, Branch) = body.deserialize().expect("as the protocol says");
        let (id, properties, children) = root;
        self.menu = row(id, &properties, children.iter().map(|child| &**child));
    }

    async fn call(
        &self,
        interface: &str,
        path: &str,
        method: &str,
        body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) -> zbus::Message {
        let called = self
            .connection
            .call_method(
                Some(self.item.as_str()),
                path,
                Some(interface),
                method,
                body,
            )
            .await;
        called.unwrap_or_else(|error| panic!("{interface}.{method}: {error}"))
    }
}

/// A row as the wire carries it: its number, what is known of it, and the rows below.
type Branch = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

fn row<'a>(
    id: i32,
    properties: &HashMap<String, OwnedValue>,
    children: impl Iterator<Item = &'a Value<'a>>,
) -> Row {
    let mut row = Row {
        id,
        is_enabled: true,
        ..Row::default()
    };
    row.take(properties);
    row.rows = children.map(below).collect();
    row
}

fn below(child: &Value<'_>) -> Row {
    let child = if let Value::Value(inner) = child {
        inner
    } else {
        child
    };
    let Value::Structure(child) = child else {
        panic!("a row below is a structure: {child:?}");
    };
    let [id, properties, Value::Array(children)] = child.fields() else {
        panic!("a row has three parts: {child:?}");
    };
    let properties = properties.try_clone().expect("no descriptors");
    row(
        i32::try_from(id).expect("a number"),
        &HashMap::try_from(properties).expect("a table"),
        children.inner().iter(),
    )
}
