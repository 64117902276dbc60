//! The tray on Linux: a StatusNotifier item and its menu, on a connection of our own to the
//! session's bus. Nothing is asked for again and again: the bus says when a host comes or goes.

mod dbusmenu;
mod item;
mod layout;
mod theme;

use std::{collections::HashMap, sync::Arc};

use futures_util::StreamExt as _;
use narthex_core::api::wire::TrayState;
use tokio::sync::{mpsc, watch};
use zbus::{
    Connection, connection,
    fdo::{DBusProxy, NameOwnerChangedStream},
    zvariant::OwnedValue,
};

use self::{
    dbusmenu::{DbusMenu, chosen},
    item::StatusItem,
    layout::{Changes, Layout},
    theme::Theme,
};
use super::{Picture, icon::Icon, menu::Action};

/// Who shows items: a panel, or what stands between items and panels.
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";

/// What the icon is and says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Face {
    icon: Icon,
    text: String,
}

/// Shows pictures until their sender ends. `state` is told whether anybody sees them; `actions`
/// takes what a person presses.
pub(super) async fn show(
    mut pictures: watch::Receiver<Picture>,
    state: &watch::Sender<TrayState>,
    actions: mpsc::UnboundedSender<Action>,
) {
    let first = pictures.borrow_and_update().clone();
    let mut tray = match Tray::open(&first, actions).await {
        Ok(tray) => tray,
        Err(error) => {
            tracing::info!(%error, "no session bus, so no tray");
            state.send_replace(TrayState::NoBus);
            return;
        }
    };
    state.send_replace(tray.register().await);
    loop {
        let told = tokio::select! {
            changed = pictures.changed() => match changed {
                Ok(()) => {
                    let picture = pictures.borrow_and_update().clone();
                    tray.update(&picture).await
                }
                Err(_) => return,
            },
            Some(change) = tray.hosts.next() => match change.args() {
                Ok(args) if args.new_owner().is_some() => {
                    state.send_replace(tray.register().await);
                    Ok(())
                }
                Ok(_) => {
                    state.send_replace(TrayState::NoHost);
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = told {
            tracing::warn!(%error, "host of the tray not told");
        }
    }
}

/// What stands on the bus.
struct Tray {
    connection: Connection,
    name: String,
    hosts: NameOwnerChangedStream,
    layout: watch::Sender<Arc<Layout>>,
    face: watch::Sender<Face>,
}

impl Tray {
    async fn open(first: &Picture, actions: mpsc::UnboundedSender<Action>) -> zbus::Result<Self> {
        let (layout, _) = Layout::empty().next(&first.menu);
        let (layout, layouts) = watch::channel(Arc::new(layout));
        let (face, faces) = watch::channel(Face::from(first));
        let theme = Theme::write()
            .inspect_err(
                |error| tracing::info!(%error, "icons not written; hosts show ours as they are"),
            )
            .ok();
        let connection = connection::Builder::session()?
            .serve_at(dbusmenu::PATH, DbusMenu::new(layouts, actions.clone()))?
            .serve_at(item::PATH, StatusItem::new(faces, theme, actions))?
            .build()
            .await?;
        // Hosts that are older than the protocol's last word know items by a name of this form.
        let name = format!("org.kde.StatusNotifierItem-{}-1", std::process::id());
        connection.request_name(name.as_str()).await?;
        let bus = DBusProxy::new(&connection).await?;
        let hosts = bus
            .receive_name_owner_changed_with_args(&[(0, WATCHER)])
            .await?;
        Ok(Self {
            connection,
            name,
            hosts,
            layout,
            face,
        })
    }

    /// Tells the watcher of our item.
    async fn register(&self) -> TrayState {
        let told = self
            .connection
            .call_method(
                Some(WATCHER),
                WATCHER_PATH,
                Some(WATCHER),
                "RegisterStatusNotifierItem",
                &self.name,
            )
            .await;
        match told {
            Ok(_) => TrayState::Shown,
            Err(error) => {
                tracing::info!(%error, "no host for the tray");
                TrayState::NoHost
            }
        }
    }

    async fn update(&self, picture: &Picture) -> zbus::Result<()> {
        self.update_menu(picture).await?;
        self.update_face(picture).await
    }

    async fn update_menu(&self, picture: &Picture) -> zbus::Result<()> {
        let (next, changes) = self.layout.borrow().next(&picture.menu);
        let revision = next.revision;
        // Stored first: a host that hears of a change reads the new menu.
        self.layout.send_replace(Arc::new(next));
        let Changes {
            updated,
            removed,
            moved_below,
        } = changes;
        let menu = self
            .connection
            .object_server()
            .interface::<_, DbusMenu>(dbusmenu::PATH)
            .await?;
        let emitter = menu.signal_emitter();
        if !updated.is_empty() || !removed.is_empty() {
            let updated: Vec<(i32, HashMap<String, OwnedValue>)> = updated
                .iter()
                .map(|(number, properties)| (*number, chosen(properties, &[])))
                .collect();
            DbusMenu::items_properties_updated(emitter, updated, removed).await?;
        }
        if let Some(parent) = moved_below {
            DbusMenu::layout_updated(emitter, revision, parent).await?;
        }
        Ok(())
    }

    async fn update_face(&self, picture: &Picture) -> zbus::Result<()> {
        let next = Face::from(picture);
        let before = self.face.send_replace(next.clone());
        let item = self
            .connection
            .object_server()
            .interface::<_, StatusItem>(item::PATH)
            .await?;
        let emitter = item.signal_emitter();
        if before.icon != next.icon {
            StatusItem::new_icon(emitter).await?;
        }
        if before.text != next.text {
            StatusItem::new_tool_tip(emitter).await?;
        }
        Ok(())
    }
}

impl From<&Picture> for Face {
    fn from(picture: &Picture) -> Self {
        Self {
            icon: picture.icon,
            text: picture.text.clone(),
        }
    }
}
