//! `com.canonical.dbusmenu`: a host asks for the rows once and hears of changes by signals.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{mpsc, watch};
use zbus::{
    interface,
    object_server::SignalEmitter,
    zvariant::{OwnedValue, StructureBuilder, Type, Value},
};

use super::layout::{Layout, Properties};
use crate::tray::menu::Action;

/// Where the menu is found on our connection.
pub(super) const PATH: &str = "/MenuBar";

/// A row with the rows below it, as `GetLayout` carries it: `(ia{sv}av)`.
#[derive(Debug, serde::Serialize, Type)]
pub(super) struct Branch {
    number: i32,
    properties: HashMap<String, OwnedValue>,
    children: Vec<OwnedValue>,
}

/// The menu that hosts read.
pub(super) struct DbusMenu {
    layout: watch::Receiver<Arc<Layout>>,
    actions: mpsc::UnboundedSender<Action>,
}

impl DbusMenu {
    /// `actions` takes what a person presses; it is drained by one task that never waits for a
    /// host, so what bounds it is how fast a person presses.
    pub(super) const fn new(
        layout: watch::Receiver<Arc<Layout>>,
        actions: mpsc::UnboundedSender<Action>,
    ) -> Self {
        Self { layout, actions }
    }

    fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout.borrow())
    }

    fn press(&self, number: i32, event: &str) -> zbus::fdo::Result<()> {
        let layout = self.layout();
        let node = layout.node(number).ok_or_else(|| unknown(number))?;
        if event == "clicked"
            && let Some(action) = &node.action
        {
            // Whoever takes presses ends last; at the end of the program a press is lost.
            let _ = self.actions.send(action.clone());
        }
        Ok(())
    }
}

#[interface(name = "com.canonical.dbusmenu")]
impl DbusMenu {
    /// Returns the rows below `parent`, to the depth that is wanted (-1: all).
    fn get_layout(
        &self,
        parent: i32,
        depth: i32,
        names: Vec<String>,
    ) -> zbus::fdo::Result<(u32, Branch)> {
        let layout = self.layout();
        let branch = branch(&layout, parent, depth, &names).ok_or_else(|| unknown(parent))?;
        Ok((layout.revision, branch))
    }

    /// Returns what is known of several rows; of none named, of all.
    fn get_group_properties(
        &self,
        numbers: Vec<i32>,
        names: Vec<String>,
    ) -> Vec<(i32, HashMap<String, OwnedValue>)> {
        let layout = self.layout();
        let numbers = if numbers.is_empty() {
            layout.numbers().collect()
        } else {
            numbers
        };
        let known = numbers.into_iter().filter_map(|number| {
            let node = layout.node(number)?;
            Some((number, chosen(&node.properties, &names)))
        });
        known.collect()
    }

    /// Returns one property of a row.
    fn get_property(&self, number: i32, name: &str) -> zbus::fdo::Result<OwnedValue> {
        let layout = self.layout();
        let node = layout.node(number).ok_or_else(|| unknown(number))?;
        node.properties.get(name).map(Into::into).ok_or_else(|| {
            zbus::fdo::Error::InvalidArgs(format!("row {number} has no property {name}"))
        })
    }

    /// Takes what a person did with a row.
    fn event(
        &self,
        number: i32,
        event: &str,
        _data: Value<'_>,
        _time: u32,
    ) -> zbus::fdo::Result<()> {
        self.press(number, event)
    }

    /// Takes several at once, and returns the rows that are not there.
    fn event_group(&self, events: Vec<(i32, String, OwnedValue, u32)>) -> Vec<i32> {
        let missing = events
            .into_iter()
            .filter(|(number, event, ..)| self.press(*number, event).is_err());
        missing.map(|(number, ..)| number).collect()
    }

    /// Says whether the rows below one must be read again before they are shown. Never: a host
    /// hears of every change when it happens.
    fn about_to_show(&self, number: i32) -> zbus::fdo::Result<bool> {
        self.layout().node(number).ok_or_else(|| unknown(number))?;
        Ok(false)
    }

    /// The same for several: those to read again, and those that are not there.
    fn about_to_show_group(&self, numbers: Vec<i32>) -> (Vec<i32>, Vec<i32>) {
        let layout = self.layout();
        let missing = numbers
            .into_iter()
            .filter(|number| layout.node(*number).is_none());
        (Vec::new(), missing.collect())
    }

    /// The version of the protocol, as `libdbusmenu` counts it.
    #[zbus(property)]
    fn version(&self) -> u32 {
        3
    }

    #[zbus(property)]
    fn text_direction(&self) -> &str {
        "ltr"
    }

    #[zbus(property)]
    fn status(&self) -> &str {
        "normal"
    }

    #[zbus(property)]
    fn icon_theme_path(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(signal)]
    pub(super) async fn items_properties_updated(
        emitter: &SignalEmitter<'_>,
        updated: Vec<(i32, HashMap<String, OwnedValue>)>,
        removed: Vec<(i32, Vec<&str>)>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn layout_updated(
        emitter: &SignalEmitter<'_>,
        revision: u32,
        parent: i32,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn item_activation_requested(
        emitter: &SignalEmitter<'_>,
        number: i32,
        time: u32,
    ) -> zbus::Result<()>;
}

/// Returns properties as the wire carries them: those named, or all of them.
pub(super) fn chosen(properties: &Properties, names: &[String]) -> HashMap<String, OwnedValue> {
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let wanted = properties.iter().filter(|(name, _)| is_wanted(name));
    wanted
        .map(|(name, value)| ((*name).to_owned(), value.into()))
        .collect()
}

fn branch(layout: &Layout, number: i32, depth: i32, names: &[String]) -> Option<Branch> {
    let node = layout.node(number)?;
    let below: &[i32] = if depth == 0 { &[] } else { &node.children };
    let children = below
        .iter()
        .filter_map(|child| branch(layout, *child, depth - 1, names))
        .map(Branch::into_value);
    Some(Branch {
        number,
        properties: chosen(&node.properties, names),
        children: children.collect(),
    })
}

impl Branch {
    fn into_value(self) -> OwnedValue {
        let structure = StructureBuilder::new()
            .add_field(self.number)
            .add_field(self.properties)
            .add_field(self.children)
            .build()
            .expect("a structure with fields is one");
        OwnedValue::try_from(Value::from(structure)).expect("nothing in it is a descriptor")
    }
}

fn unknown(number: i32) -> zbus::fdo::Error {
    zbus::fdo::Error::InvalidArgs(format!("there is no row {number}"))
}
