//! `org.kde.StatusNotifierItem`: the icon that a host shows, and what a click on it does.

use tokio::sync::{mpsc, watch};
use zbus::{
    interface,
    object_server::SignalEmitter,
    zvariant::{ObjectPath, OwnedObjectPath},
};

use super::{
    Face, dbusmenu,
    theme::{self, Theme},
};
use crate::{
    place::Place,
    tray::{icon::Pixmap, menu::Action},
};

/// Where the item is found on our connection.
pub(super) const PATH: &str = "/StatusNotifierItem";

/// A tool tip as the wire carries it: icon name, pixmaps, title, text.
type ToolTip = (String, Vec<Pixmap>, String, String);

/// The item that hosts read.
pub(super) struct StatusItem {
    face: watch::Receiver<Face>,
    /// Where hosts find icons that they colour themselves; without it they take ours as they are.
    theme: Option<Theme>,
    actions: mpsc::UnboundedSender<Action>,
}

impl StatusItem {
    /// `actions` takes what a person presses; see [`dbusmenu::DbusMenu::new`].
    pub(super) const fn new(
        face: watch::Receiver<Face>,
        theme: Option<Theme>,
        actions: mpsc::UnboundedSender<Action>,
    ) -> Self {
        Self {
            face,
            theme,
            actions,
        }
    }
}

#[interface(name = "org.kde.StatusNotifierItem")]
impl StatusItem {
    /// The icon was pressed.
    fn activate(&self, _x: i32, _y: i32) {
        // Whoever takes presses ends last; at the end of the program a press is lost.
        let _ = self.actions.send(Action::Open(Place::Servers));
    }

    /// The icon was pressed with the middle button.
    fn secondary_activate(&self, x: i32, y: i32) {
        self.activate(x, y);
    }

    /// A host that shows menus of its own reads ours; there is none besides.
    fn context_menu(&self, _x: i32, _y: i32) {}

    /// Nothing is scrolled.
    fn scroll(&self, _delta: i32, _orientation: &str) {}

    #[zbus(property)]
    fn category(&self) -> &str {
        "ApplicationStatus"
    }

    #[zbus(property)]
    fn id(&self) -> &str {
        "narthex"
    }

    #[zbus(property)]
    fn title(&self) -> &str {
        "Narthex"
    }

    /// Never "NeedsAttention": hosts let that blink.
    #[zbus(property)]
    fn status(&self) -> &str {
        "Active"
    }

    #[zbus(property)]
    fn window_id(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn icon_theme_path(&self) -> &str {
        self.theme.as_ref().map_or("", Theme::folder)
    }

    #[zbus(property)]
    fn icon_name(&self) -> &str {
        let name = || theme::name(self.face.borrow().icon.overall);
        self.theme.as_ref().map_or("", |_| name())
    }

    #[zbus(property)]
    fn icon_pixmap(&self) -> Vec<Pixmap> {
        self.face.borrow().icon.pixmaps()
    }

    #[zbus(property)]
    fn overlay_icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn overlay_icon_pixmap(&self) -> Vec<Pixmap> {
        Vec::new()
    }

    #[zbus(property)]
    fn attention_icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn attention_icon_pixmap(&self) -> Vec<Pixmap> {
        Vec::new()
    }

    #[zbus(property)]
    fn attention_movie_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn tool_tip(&self) -> ToolTip {
        let text = self.face.borrow().text.clone();
        (String::new(), Vec::new(), "Narthex".to_owned(), text)
    }

    /// A press on the icon opens the window; the menu comes with the other button.
    #[zbus(property)]
    fn item_is_menu(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn menu(&self) -> OwnedObjectPath {
        ObjectPath::from_static_str_unchecked(dbusmenu::PATH).into()
    }

    #[zbus(signal)]
    pub(super) async fn new_icon(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_tool_tip(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
