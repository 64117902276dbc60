//! The tray on Windows and macOS, by tray-icon. Menus there belong to the main thread, so every
//! picture is handed over to it; rows are changed in place, and come and go one by one.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use narthex_core::api::wire::TrayState;
use tauri::AppHandle;
use tokio::sync::{mpsc, watch};
use tray_icon::{
    MouseButton, TrayIcon, TrayIconBuilder, TrayIconEvent,
    menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu},
};

use super::{
    Picture,
    icon::Icon,
    menu::{Action, Key, Kind, Row},
};
use crate::place::Place;

thread_local! {
    /// The tray; only ever there on the main thread.
    static TRAY: RefCell<Option<Tray>> = const { RefCell::new(None) };
}

/// What the rows that can be pressed ask for, by the id that a press names.
type Actions = HashMap<String, Action>;

/// Shows pictures until their sender ends; see the same on Linux.
pub(super) async fn show(
    mut pictures: watch::Receiver<Picture>,
    state: &watch::Sender<TrayState>,
    actions: mpsc::UnboundedSender<Action>,
    app: AppHandle,
) {
    let (known, pressed) = watch::channel(Arc::new(Actions::new()));
    let presses = actions.clone();
    app.on_menu_event(move |_, event| {
        if let Some(action) = pressed.borrow().get(&event.id.0) {
            // At the end of the program a press is lost.
            let _ = presses.send(action.clone());
        }
    });
    TrayIconEvent::set_event_handler(Some(move |event| {
        if let TrayIconEvent::DoubleClick {
            button: MouseButton::Left,
            ..
        } = event
        {
            // At the end of the program a press is lost.
            let _ = actions.send(Action::Open(Place::Servers));
        }
    }));
    state.send_replace(TrayState::Shown);
    loop {
        let picture = pictures.borrow_and_update().clone();
        known.send_replace(Arc::new(actions_of(&picture.menu)));
        let handed_over = app.run_on_main_thread(move || {
            TRAY.with_borrow_mut(|tray| {
                if let Err(error) = draw(tray, &picture) {
                    tracing::warn!(%error, "tray not drawn");
                }
            });
        });
        if handed_over.is_err() || pictures.changed().await.is_err() {
            return;
        }
    }
}

fn actions_of(rows: &[Row]) -> Actions {
    let mut actions = Actions::new();
    for row in rows {
        match &row.kind {
            Kind::Item { action, .. } | Kind::Check { action, .. } => {
                actions.extend(action.clone().map(|action| (id(&row.key), action)));
            }
            Kind::Submenu { rows, .. } => actions.extend(actions_of(rows)),
            Kind::Text(_) | Kind::Separator => {}
        }
    }
    actions
}

fn id(key: &Key) -> String {
    format!("{key:?}")
}

/// The icon and what stands in its menu.
struct Tray {
    icon: TrayIcon,
    shown: Icon,
    menu: Menu,
    rows: Vec<Shown>,
}

/// A row that is in the menu.
struct Shown {
    key: Key,
    item: Item,
}

enum Item {
    Plain(MenuItem),
    Check(CheckMenuItem),
    Submenu { menu: Submenu, rows: Vec<Shown> },
    Separator(PredefinedMenuItem),
}

/// Why a picture was not drawn.
#[derive(Debug, thiserror::Error)]
enum DrawError {
    #[error("the menu could not be changed")]
    Menu(#[from] tray_icon::menu::Error),
    #[error("the icon could not be changed")]
    Icon(#[from] tray_icon::Error),
    #[error("the image could not be used")]
    Image(#[from] tray_icon::BadIcon),
}

fn draw(tray: &mut Option<Tray>, picture: &Picture) -> Result<(), DrawError> {
    let tray = match tray {
        Some(tray) => tray,
        None => tray.insert(Tray::new(picture)?),
    };
    change(&tray.menu, &mut tray.rows, &picture.menu)?;
    tray.icon
        .set_tooltip(Some(format!("Narthex: {}", picture.text)))?;
    if tray.shown != picture.icon {
        tray.icon.set_icon(image(picture.icon)?)?;
        tray.shown = picture.icon;
    }
    Ok(())
}

impl Tray {
    fn new(picture: &Picture) -> Result<Self, DrawError> {
        let menu = Menu::new();
        let mut icon = TrayIconBuilder::new()
            .with_menu(Box::new(menu.clone()))
            .with_icon_as_template(true);
        if let Some(image) = image(picture.icon)? {
            icon = icon.with_icon(image);
        }
        Ok(Self {
            icon: icon.build()?,
            shown: picture.icon,
            menu,
            rows: Vec::new(),
        })
    }
}

/// Returns the image next to what panels show at this scale.
fn image(icon: Icon) -> Result<Option<tray_icon::Icon>, DrawError> {
    let Some(image) = icon.images().iter().find(|image| image.width() >= 32) else {
        return Ok(None);
    };
    let (rgba, side) = (image.rgba().to_vec(), image.width());
    Ok(Some(tray_icon::Icon::from_rgba(
        rgba,
        side,
        image.height(),
    )?))
}

/// What rows stand in: the menu, or a row of it.
trait Rows {
    fn insert(&self, item: &dyn IsMenuItem, at: usize) -> tray_icon::menu::Result<()>;
    fn remove(&self, item: &dyn IsMenuItem) -> tray_icon::menu::Result<()>;
}

impl Rows for Menu {
    fn insert(&self, item: &dyn IsMenuItem, at: usize) -> tray_icon::menu::Result<()> {
        Self::insert(self, item, at)
    }

    fn remove(&self, item: &dyn IsMenuItem) -> tray_icon::menu::Result<()> {
        Self::remove(self, item)
    }
}

impl Rows for Submenu {
    fn insert(&self, item: &dyn IsMenuItem, at: usize) -> tray_icon::menu::Result<()> {
        Self::insert(self, item, at)
    }

    fn remove(&self, item: &dyn IsMenuItem) -> tray_icon::menu::Result<()> {
        Self::remove(self, item)
    }
}

/// Makes what is shown into what is wanted: rows that stay are changed in place.
fn change(parent: &dyn Rows, shown: &mut Vec<Shown>, wanted: &[Row]) -> Result<(), DrawError> {
    shown.retain(|row| {
        let stays = wanted.iter().any(|wanted| wanted.key == row.key);
        if !stays && let Err(error) = parent.remove(row.item.as_item()) {
            tracing::warn!(%error, "row of the tray not removed");
        }
        stays
    });
    for (at, row) in wanted.iter().enumerate() {
        if shown.get(at).is_none_or(|there| there.key != row.key) {
            let place = shown.iter().position(|there| there.key == row.key);
            let moved = match place {
                Some(place) => {
                    let moved = shown.remove(place);
                    parent.remove(moved.item.as_item())?;
                    moved
                }
                None => Shown::new(row)?,
            };
            parent.insert(moved.item.as_item(), at)?;
            shown.insert(at, moved);
        }
        shown[at].item.change(&row.kind)?;
    }
    Ok(())
}

impl Shown {
    fn new(row: &Row) -> Result<Self, DrawError> {
        let id = id(&row.key);
        let item = match &row.kind {
            Kind::Text(label) => Item::Plain(MenuItem::with_id(id, escaped(label), false, None)),
            Kind::Item { label, action } => Item::Plain(MenuItem::with_id(
                id,
                escaped(label),
                action.is_some(),
                None,
            )),
            Kind::Check {
                label,
                checked,
                action,
            } => Item::Check(CheckMenuItem::with_id(
                id,
                escaped(label),
                action.is_some(),
                *checked,
                None,
            )),
            Kind::Submenu { label, .. } => Item::Submenu {
                menu: Submenu::with_id(id, escaped(label), true),
                rows: Vec::new(),
            },
            Kind::Separator => Item::Separator(PredefinedMenuItem::separator()),
        };
        let key = row.key.clone();
        Ok(Self { key, item })
    }
}

impl Item {
    fn as_item(&self) -> &dyn IsMenuItem {
        match self {
            Self::Plain(item) => item,
            Self::Check(item) => item,
            Self::Submenu { menu, .. } => menu,
            Self::Separator(item) => item,
        }
    }

    fn change(&mut self, kind: &Kind) -> Result<(), DrawError> {
        match (self, kind) {
            (Self::Plain(item), Kind::Text(label)) => set_text(item, label),
            (Self::Plain(item), Kind::Item { label, action }) => {
                set_text(item, label);
                if item.is_enabled() != action.is_some() {
                    item.set_enabled(action.is_some());
                }
            }
            (
                Self::Check(item),
                Kind::Check {
                    label,
                    checked,
                    action,
                },
            ) => {
                item.set_text(escaped(label));
                item.set_checked(*checked);
                item.set_enabled(action.is_some());
            }
            (
                Self::Submenu { menu, rows },
                Kind::Submenu {
                    label,
                    rows: wanted,
                },
            ) => {
                let label = escaped(label);
                if menu.text() != label {
                    menu.set_text(label);
                }
                change(menu, rows, wanted)?;
            }
            // A key names a row of one kind; a separator has nothing that changes.
            (Self::Plain(_) | Self::Check(_) | Self::Submenu { .. } | Self::Separator(_), _) => {}
        }
        Ok(())
    }
}

fn set_text(item: &MenuItem, label: &str) {
    let label = escaped(label);
    if item.text() != label {
        item.set_text(label);
    }
}

/// An ampersand marks the letter behind it as the row's accelerator; two of them are one to read.
fn escaped(label: &str) -> String {
    label.replace('&', "&&")
}
