//! The tray's menu as a value: a pure function of what is true. The layers that hand it to a
//! system compare two of these and change what differs.

use narthex_core::{
    api::wire::{Action as Help, Condition, Server},
    client::{Command, Present},
};

use crate::place::{Place, Tab};

/// Servers with a row of their own; what is beyond stands under "More".
const SERVERS_MAX: usize = 12;

/// Rows at the top for what needs a person.
const WANTS_MAX: usize = 5;

/// What the menu shows besides the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether Narthex starts at login; `None` where it cannot be registered.
    pub(crate) starts_at_login: Option<bool>,
    /// Whether the core is another process's, whose servers outlive us.
    pub(crate) is_attached: bool,
}

/// A row of the menu. Its key stays with what it stands for, whatever moves around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) kind: Kind,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something to read.
    Text(String),
    /// Something to press; without an action it is shown as not to be pressed.
    Item {
        label: String,
        action: Option<Action>,
    },
    /// Something that is on or off.
    Check {
        label: String,
        checked: bool,
        action: Option<Action>,
    },
    /// Rows below a row.
    Submenu { label: String, rows: Vec<Row> },
    /// A line between groups.
    Separator,
}

/// Names a row for as long as what it stands for exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Summary,
    Want(String),
    Server(String),
    Of(String, Item),
    More,
    AddServer,
    ConnectClient,
    Pause,
    Open,
    Settings,
    StartAtLogin,
    Quit,
    /// The line above a group.
    Above(Group),
}

/// The five items of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Item {
    Primary,
    Restart,
    Quarantine,
    Logs,
    Open,
}

/// The groups of rows below the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Group {
    Wants,
    Servers,
    All,
    Program,
}

/// What a press asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// That the window shows a place.
    Open(Place),
    /// Something of one server.
    Wish { server: String, command: Command },
    /// That the entry is shown in the person's file.
    ShowInConfig(String),
    /// That all servers rest, or go on.
    Pause(bool),
    /// That Narthex starts at login, or no longer.
    StartAtLogin(bool),
    /// That Narthex ends.
    Quit,
}

/// Returns the menu for what is true.
pub(crate) fn menu(now: &Present, facts: Facts) -> Vec<Row> {
    let mut rows = vec![row(Key::Summary, Kind::Text(summary(now)))];
    let wants: Vec<Row> = now
        .servers
        .values()
        .filter_map(|server| want(server))
        .take(WANTS_MAX)
        .collect();
    group(&mut rows, Group::Wants, wants);
    group(&mut rows, Group::Servers, servers(now));
    group(&mut rows, Group::All, all(now));
    group(&mut rows, Group::Program, program(facts));
    rows
}

/// Returns the first row: how many are connected of those that are wanted.
pub(crate) fn summary(now: &Present) -> String {
    let (connected, wanted) = now.connected_of_wanted();
    if !now.reachable {
        "Narthex does not answer".to_owned()
    } else if now.servers.is_empty() {
        "No servers yet".to_owned()
    } else if now.paused {
        "Paused".to_owned()
    } else if wanted == 0 {
        "Nothing to connect".to_owned()
    } else {
        format!("{connected} of {wanted} connected")
    }
}

fn group(rows: &mut Vec<Row>, group: Group, members: Vec<Row>) {
    if !members.is_empty() {
        rows.push(row(Key::Above(group), Kind::Separator));
        rows.extend(members);
    }
}

/// Returns the row of a server that needs a person; it opens the place and does nothing by itself.
fn want(server: &Server) -> Option<Row> {
    let name = &server.name;
    let (label, tab) = match (server.condition, server.action) {
        (Condition::NotValid, _) => (format!("{name} is not valid…"), Tab::Overview),
        (_, Some(Help::Approve | Help::Review)) => (format!("Review {name}…"), Tab::Review),
        (_, Some(Help::SignIn)) => (format!("Sign in to {name}…"), Tab::Overview),
        (_, Some(Help::TryAgain)) => (format!("{name} failed…"), Tab::Overview),
        (_, Some(Help::Connect | Help::Resume | Help::ShowInConfig) | None) => return None,
    };
    let action = Action::Open(Place::server(name, tab));
    Some(item(Key::Want(name.clone()), label, Some(action)))
}

fn servers(now: &Present) -> Vec<Row> {
    let mut rows: Vec<Row> = now
        .servers
        .values()
        .map(|server| of_server(server))
        .collect();
    if rows.len() > SERVERS_MAX {
        let more = rows.split_off(SERVERS_MAX);
        rows.push(row(
            Key::More,
            Kind::Submenu {
                label: "More".to_owned(),
                rows: more,
            },
        ));
    }
    rows
}

/// A server's row: the same five items whatever its condition, so that an open submenu keeps its
/// place.
fn of_server(server: &Server) -> Row {
    let name = &server.name;
    let key = |which| Key::Of(name.clone(), which);
    let (label, action) = primary(server);
    let wish = |command| Action::Wish {
        server: name.clone(),
        command,
    };
    let open = |tab| Some(Action::Open(Place::server(name, tab)));
    let restart = can_restart(server.condition).then(|| wish(Command::Restart));
    let quarantine = can_quarantine(server.condition).then(|| wish(Command::Quarantine));
    row(
        Key::Server(name.clone()),
        Kind::Submenu {
            label: format!("{name}: {}", server.condition.label()),
            rows: vec![
                item(key(Item::Primary), label, action),
                item(key(Item::Restart), "Restart", restart),
                item(key(Item::Quarantine), "Quarantine", quarantine),
                item(key(Item::Logs), "Logs…", open(Tab::Logs)),
                item(key(Item::Open), "Open…", open(Tab::Overview)),
            ],
        },
    )
}

/// Returns the first item of a server (INTERFACE.md, Tray).
fn primary(server: &Server) -> (&'static str, Option<Action>) {
    let name = &server.name;
    let wish = |command| {
        Some(Action::Wish {
            server: name.clone(),
            command,
        })
    };
    match server.condition {
        Condition::Connected | Condition::Connecting | Condition::Retrying | Condition::Asleep => {
            ("Disconnect", wish(Command::Disconnect))
        }
        Condition::Disconnected => ("Connect", wish(Command::Connect)),
        Condition::Failed => ("Try again", wish(Command::Connect)),
        Condition::SignInNeeded => (
            "Sign in…",
            Some(Action::Open(Place::server(name, Tab::Overview))),
        ),
        Condition::InQuarantine => (
            "Review…",
            Some(Action::Open(Place::server(name, Tab::Review))),
        ),
        Condition::Off | Condition::NotValid => (
            "Show in configuration…",
            Some(Action::ShowInConfig(name.clone())),
        ),
        Condition::Paused | Condition::Closing => (server.condition.label(), None),
    }
}

/// Whether a restart would be accepted (INTERFACE.md, REST).
const fn can_restart(condition: Condition) -> bool {
    match condition {
        Condition::Connected
        | Condition::Connecting
        | Condition::Retrying
        | Condition::Failed
        | Condition::SignInNeeded
        | Condition::Asleep => true,
        Condition::Disconnected
        | Condition::Off
        | Condition::InQuarantine
        | Condition::Paused
        | Condition::NotValid
        | Condition::Closing => false,
    }
}

/// Whether there is something to put in quarantine: not what is there already, nor what is ending.
const fn can_quarantine(condition: Condition) -> bool {
    !matches!(
        condition,
        Condition::InQuarantine | Condition::NotValid | Condition::Closing
    )
}

fn all(now: &Present) -> Vec<Row> {
    let (label, pause) = if now.paused {
        ("Resume", false)
    } else {
        ("Pause all", true)
    };
    vec![
        item(
            Key::AddServer,
            "Add server…",
            Some(Action::Open(Place::AddServer)),
        ),
        item(
            Key::ConnectClient,
            "Connect a client…",
            Some(Action::Open(Place::Clients)),
        ),
        item(Key::Pause, label, Some(Action::Pause(pause))),
    ]
}

fn program(facts: Facts) -> Vec<Row> {
    let quit = if facts.is_attached {
        "Close, servers keep running"
    } else {
        "Quit"
    };
    let starts = facts.starts_at_login;
    vec![
        item(
            Key::Open,
            "Open Narthex",
            Some(Action::Open(Place::Servers)),
        ),
        item(
            Key::Settings,
            "Settings…",
            Some(Action::Open(Place::Settings)),
        ),
        row(
            Key::StartAtLogin,
            Kind::Check {
                label: "Start at login".to_owned(),
                checked: starts.unwrap_or(false),
                action: starts.map(|starts| Action::StartAtLogin(!starts)),
            },
        ),
        item(Key::Quit, quit, Some(Action::Quit)),
    ]
}

fn item(key: Key, label: impl Into<String>, action: Option<Action>) -> Row {
    let label = label.into();
    row(key, Kind::Item { label, action })
}

const fn row(key: Key, kind: Kind) -> Row {
    Row { key, kind }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::fixture::{present, server};

    const FACTS: Facts = Facts {
        starts_at_login: Some(false),
        is_attached: false,
    };

    fn print(rows: &[Row], indent: usize, text: &mut String) {
        for row in rows {
            let (label, mark) = match &row.kind {
                Kind::Text(label) => (label.as_str(), ""),
                Kind::Item {
                    label,
                    action: None,
                } => (label.as_str(), " (disabled)"),
                Kind::Item { label, .. } => (label.as_str(), ""),
                Kind::Check {
                    label,
                    checked: true,
                    ..
                } => (label.as_str(), " [x]"),
                Kind::Check { label, .. } => (label.as_str(), " [ ]"),
                Kind::Submenu { label, .. } => (label.as_str(), " >"),
                Kind::Separator => ("-", ""),
            };
            writeln!(text, "{:indent$}{label}{mark}", "").unwrap();
            if let Kind::Submenu { rows, .. } = &row.kind {
                print(rows, indent + 2, text);
            }
        }
    }

    fn printed(now: &Present, facts: Facts) -> String {
        let mut text = String::new();
        print(&menu(now, facts), 0, &mut text);
        text
    }

    #[test]
    fn every_condition_has_its_first_item() {
        let of = |condition, action| server(condition_name(condition), condition, action);
        let servers = Condition::ALL.map(|condition| {
            let help = [
                (Condition::Failed, Help::TryAgain),
                (Condition::InQuarantine, Help::Approve),
                (Condition::SignInNeeded, Help::SignIn),
            ];
            let help = help.iter().find(|(wants, _)| *wants == condition);
            of(condition, help.map(|(_, help)| *help))
        });
        insta::assert_snapshot!(printed(&present(servers), FACTS));
    }

    fn condition_name(condition: Condition) -> &'static str {
        match condition {
            Condition::Connected => "a-connected",
            Condition::Connecting => "b-connecting",
            Condition::Retrying => "c-retrying",
            Condition::Failed => "d-failed",
            Condition::SignInNeeded => "e-sign-in",
            Condition::Asleep => "f-asleep",
            Condition::Disconnected => "g-disconnected",
            Condition::Off => "h-off",
            Condition::InQuarantine => "i-quarantine",
            Condition::Paused => "j-paused",
            Condition::NotValid => "k-not-valid",
            Condition::Closing => "l-closing",
        }
    }

    #[test]
    fn without_servers_it_says_so() {
        let rows = menu(&present([]), FACTS);
        assert_eq!(rows[0].kind, Kind::Text("No servers yet".to_owned()));
        assert_eq!(rows[1].key, Key::Above(Group::All));
    }

    #[test]
    fn at_most_five_rows_ask_for_a_person() {
        let waiting = |number: usize| {
            let name = format!("s{number}");
            server(&name, Condition::InQuarantine, Some(Help::Review))
        };
        let rows = menu(&present((0..7).map(waiting)), FACTS);
        let wants = rows.iter().filter(|row| matches!(row.key, Key::Want(_)));
        assert_eq!(wants.count(), WANTS_MAX);
    }

    #[test]
    fn a_row_that_asks_for_a_person_only_opens_a_place() {
        let failed = server("postgres", Condition::Failed, Some(Help::TryAgain));
        let rows = menu(&present([failed]), FACTS);
        let want = rows.iter().find(|row| matches!(row.key, Key::Want(_)));
        let place = Place::server("postgres", Tab::Overview);
        let kind = Kind::Item {
            label: "postgres failed…".to_owned(),
            action: Some(Action::Open(place)),
        };
        assert_eq!(want.map(|row| &row.kind), Some(&kind));
    }

    #[test]
    fn one_that_is_attached_leaves_the_servers_running() {
        let facts = Facts {
            is_attached: true,
            ..FACTS
        };
        let rows = menu(&present([]), facts);
        let Some(Kind::Item { label, .. }) = rows.last().map(|row| &row.kind) else {
            panic!("the last row is an item");
        };
        assert_eq!(label, "Close, servers keep running");
    }

    #[test]
    fn keys_are_unique_so_that_numbers_are() {
        let servers = (0..30).map(|number| {
            let name = format!("s{number:02}");
            server(&name, Condition::InQuarantine, Some(Help::Review))
        });
        let mut keys = Vec::new();
        collect(&menu(&present(servers), FACTS), &mut keys);
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    fn collect(rows: &[Row], keys: &mut Vec<Key>) {
        for row in rows {
            keys.push(row.key.clone());
            if let Kind::Submenu { rows, .. } = &row.kind {
                collect(rows, keys);
            }
        }
    }
}
