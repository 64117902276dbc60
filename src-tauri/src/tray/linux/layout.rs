//! The menu as `com.canonical.dbusmenu` carries it: rows under numbers, and what a host has to be
//! told when the next menu differs.
//!
//! A number stays with its row for as long as the row exists, whatever comes and goes around it:
//! hosts keep what is open by its number. (ksni, and tray-icon on top of it, number rows by their
//! position and give all of them new numbers when one is added; a host then closes what is open.)

use std::collections::{BTreeMap, HashMap};

use zbus::zvariant::{OwnedValue, Str};

use crate::tray::menu::{Action, Key, Kind, Row};

/// The number of the menu itself.
pub(super) const ROOT: i32 = 0;

/// What a host knows of a row beside its place.
pub(super) type Properties = BTreeMap<&'static str, Property>;

/// A property of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Property {
    Text(String),
    Flag(bool),
    Number(i32),
}

/// A menu under numbers. A new one is made from the last.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) revision: u32,
    nodes: BTreeMap<i32, Node>,
    numbers: HashMap<Key, i32>,
    last: i32,
}

/// A row, or the menu itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) properties: Properties,
    pub(super) children: Vec<i32>,
    pub(super) action: Option<Action>,
}

/// What a host has to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Properties that have another value, by row.
    pub(super) updated: Vec<(i32, Properties)>,
    /// Properties that have their default value again, by row.
    pub(super) removed: Vec<(i32, Vec<&'static str>)>,
    /// The row below which rows came, went or moved.
    pub(super) moved_below: Option<i32>,
}

impl Layout {
    /// The menu that shows nothing.
    pub(super) fn empty() -> Self {
        Self {
            revision: 1,
            nodes: BTreeMap::from([(ROOT, root(Vec::new()))]),
            numbers: HashMap::new(),
            last: ROOT,
        }
    }

    /// Returns the layout of the next menu, and how it differs from this one.
    pub(super) fn next(&self, rows: &[Row]) -> (Self, Changes) {
        let mut next = Self {
            revision: self.revision,
            nodes: BTreeMap::new(),
            numbers: HashMap::new(),
            last: self.last,
        };
        let children = next.add_all(rows, &self.numbers);
        next.nodes.insert(ROOT, root(children));
        let changes = self.changes_to(&next);
        next.revision += u32::from(changes.moved_below.is_some());
        (next, changes)
    }

    /// Returns a row by its number.
    pub(super) fn node(&self, number: i32) -> Option<&Node> {
        self.nodes.get(&number)
    }

    /// Returns the numbers of all rows, the menu's own first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = i32> {
        self.nodes.keys().copied()
    }

    fn add_all(&mut self, rows: &[Row], known: &HashMap<Key, i32>) -> Vec<i32> {
        rows.iter().map(|row| self.add(row, known)).collect()
    }

    fn add(&mut self, row: &Row, known: &HashMap<Key, i32>) -> i32 {
        let number = known.get(&row.key).copied().unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        self.numbers.insert(row.key.clone(), number);
        let children = match &row.kind {
            Kind::Submenu { rows, .. } => self.add_all(rows, known),
            Kind::Text(_) | Kind::Item { .. } | Kind::Check { .. } | Kind::Separator => Vec::new(),
        };
        let node = Node {
            properties: properties(&row.kind),
            children,
            action: action(&row.kind).cloned(),
        };
        self.nodes.insert(number, node);
        number
    }

    fn changes_to(&self, next: &Self) -> Changes {
        let mut changes = Changes::default();
        for (number, node) in &next.nodes {
            let Some(before) = self.nodes.get(number) else {
                // Whoever reads the rows around it reads it too.
                continue;
            };
            let updated: Properties = node
                .properties
                .iter()
                .filter(|(name, value)| before.properties.get(*name) != Some(value))
                .map(|(name, value)| (*name, value.clone()))
                .collect();
            if !updated.is_empty() {
                changes.updated.push((*number, updated));
            }
            let removed: Vec<&'static str> = before
                .properties
                .keys()
                .filter(|name| !node.properties.contains_key(*name))
                .copied()
                .collect();
            if !removed.is_empty() {
                changes.removed.push((*number, removed));
            }
            if before.children != node.children {
                changes.moved_below = match changes.moved_below {
                    None => Some(*number),
                    // Two places: the menu is what both have above them.
                    Some(_) => Some(ROOT),
                };
            }
        }
        changes
    }
}

fn root(children: Vec<i32>) -> Node {
    Node {
        properties: Properties::from([("children-display", text("submenu"))]),
        children,
        action: None,
    }
}

/// Returns what differs from the defaults of the protocol.
fn properties(kind: &Kind) -> Properties {
    let labelled = |label: &str, is_enabled: bool| {
        let mut properties = Properties::from([("label", text(&escaped(label)))]);
        if !is_enabled {
            properties.insert("enabled", Property::Flag(false));
        }
        properties
    };
    match kind {
        Kind::Text(label) => labelled(label, false),
        Kind::Item { label, action } => labelled(label, action.is_some()),
        Kind::Check {
            label,
            checked,
            action,
        } => {
            let mut properties = labelled(label, action.is_some());
            properties.insert("toggle-type", text("checkmark"));
            properties.insert("toggle-state", Property::Number(i32::from(*checked)));
            properties
        }
        Kind::Submenu { label, .. } => {
            let mut properties = labelled(label, true);
            properties.insert("children-display", text("submenu"));
            properties
        }
        Kind::Separator => Properties::from([("type", text("separator"))]),
    }
}

const fn action(kind: &Kind) -> Option<&Action> {
    match kind {
        Kind::Item { action, .. } | Kind::Check { action, .. } => action.as_ref(),
        Kind::Text(_) | Kind::Submenu { .. } | Kind::Separator => None,
    }
}

/// An underscore marks the letter behind it as the row's accelerator; two of them are one to read.
fn escaped(label: &str) -> String {
    label.replace('_', "__")
}

fn text(text: &str) -> Property {
    Property::Text(text.to_owned())
}

impl From<&Property> for OwnedValue {
    fn from(property: &Property) -> Self {
        match property {
            Property::Text(text) => Str::from(text.clone()).into(),
            Property::Flag(flag) => (*flag).into(),
            Property::Number(number) => (*number).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: Key, label: &str) -> Row {
        Row {
            key,
            kind: Kind::Item {
                label: label.to_owned(),
                action: Some(Action::Quit),
            },
        }
    }

    fn server(name: &str, condition: &str) -> Row {
        Row {
            key: Key::Server(name.to_owned()),
            kind: Kind::Submenu {
                label: format!("{name}: {condition}"),
                rows: vec![item(Key::Want(name.to_owned()), "Disconnect")],
            },
        }
    }

    fn number_of(layout: &Layout, name: &str) -> i32 {
        layout.numbers[&Key::Server(name.to_owned())]
    }

    #[test]
    fn a_changed_label_is_one_property_and_no_new_layout() {
        let (first, _) = Layout::empty().next(&[server("a", "Connecting"), server("b", "Off")]);

        let (second, changes) = first.next(&[server("a", "Connected"), server("b", "Off")]);

        let label = Properties::from([("label", text("a: Connected"))]);
        assert_eq!(changes.updated, [(number_of(&first, "a"), label)]);
        assert_eq!((changes.removed, changes.moved_below), (vec![], None));
        assert_eq!(second.revision, first.revision);
    }

    #[test]
    fn numbers_stay_with_their_rows_when_others_come_and_go() {
        let (first, _) = Layout::empty().next(&[server("b", "Off"), server("d", "Off")]);
        let more = [server("a", "Off"), server("b", "Off"), server("d", "Off")];

        let (second, changes) = first.next(&more);
        let (third, _) = second.next(&more[1..]);

        assert_eq!(changes.moved_below, Some(ROOT));
        assert_eq!(second.revision, first.revision + 1);
        for name in ["b", "d"] {
            assert_eq!(number_of(&first, name), number_of(&second, name));
            assert_eq!(number_of(&first, name), number_of(&third, name));
        }
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let (first, _) = Layout::empty().next(&[server("a", "Off")]);
        let (gone, _) = first.next(&[]);
        let (again, _) = gone.next(&[server("a", "Off")]);
        assert!(number_of(&again, "a") > number_of(&first, "a"));
    }

    #[test]
    fn what_moves_below_one_row_leaves_the_others_alone() {
        let more = |names: &[&str]| Row {
            key: Key::More,
            kind: Kind::Submenu {
                label: "More".to_owned(),
                rows: names.iter().map(|name| server(name, "Off")).collect(),
            },
        };
        let (first, _) = Layout::empty().next(&[server("a", "Off"), more(&["b"])]);
        let (_, changes) = first.next(&[server("a", "Off"), more(&["b", "c"])]);
        assert_eq!(changes.moved_below, Some(first.numbers[&Key::More]));
    }

    #[test]
    fn what_can_be_pressed_again_loses_its_property() {
        let disabled = Row {
            key: Key::Pause,
            kind: Kind::Item {
                label: "Pause all".to_owned(),
                action: None,
            },
        };
        let (first, _) = Layout::empty().next(&[disabled]);
        let (_, changes) = first.next(&[item(Key::Pause, "Pause all")]);
        assert_eq!(changes.removed, [(1, vec!["enabled"])]);
        assert_eq!(changes.updated, []);
    }

    #[test]
    fn an_underscore_in_a_name_is_no_accelerator() {
        let (layout, _) = Layout::empty().next(&[server("my_server&co", "Off")]);
        let node = layout.node(1).unwrap();
        assert_eq!(node.properties["label"], text("my__server&co: Off"));
    }
}
