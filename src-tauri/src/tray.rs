//! The tray: what is true becomes a picture (a menu, an icon, a line of text), as a value, and a
//! thin layer for each system hands the picture over and changes what differs.

mod icon;
#[cfg(target_os = "linux")]
mod linux;
mod menu;
#[cfg(not(target_os = "linux"))]
mod native;

use std::{sync::Arc, time::Duration};

use narthex_core::{api::wire::TrayState, client::Present};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

pub(crate) use icon::Panel;
pub(crate) use menu::{Action, Facts};

use icon::{Icon, Overall};
use menu::Row;

/// How long a server may be on its way up before the icon says so: what takes less would flicker.
const WORKING_AFTER: Duration = Duration::from_secs(1);

/// All that a tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    menu: Vec<Row>,
    icon: Icon,
    text: String,
}

/// What the picture is made of.
#[derive(Debug)]
pub(crate) struct Sources {
    /// What is true of the servers.
    pub(crate) present: watch::Receiver<Arc<Present>>,
    /// What else the menu shows.
    pub(crate) facts: watch::Receiver<Facts>,
    /// The panel that the icon stands on.
    pub(crate) panel: watch::Receiver<Panel>,
}

impl Sources {
    fn picture(&mut self, shows_working: bool) -> Picture {
        let now = Arc::clone(&self.present.borrow_and_update());
        let facts = *self.facts.borrow_and_update();
        let panel = *self.panel.borrow_and_update();
        let overall = Overall::of(&now);
        let overall = if shows_working {
            overall
        } else {
            overall.without_working()
        };
        Picture {
            menu: menu::menu(&now, facts),
            icon: Icon { overall, panel },
            text: menu::summary(&now),
        }
    }

    /// Waits until one of them has changed; `false` when there is nobody left to change them.
    async fn changed(&mut self) -> bool {
        let changed = tokio::select! {
            changed = self.present.changed() => changed,
            changed = self.facts.changed() => changed,
            changed = self.panel.changed() => changed,
        };
        changed.is_ok()
    }
}

/// Shows the tray until the sources end. `state` is told whether anybody sees it; `actions` takes
/// what a person presses.
pub(crate) async fn run(
    sources: Sources,
    app: tauri::AppHandle,
    state: watch::Sender<TrayState>,
    actions: mpsc::UnboundedSender<Action>,
) {
    let mut sources = sources;
    // Nothing is known before; an icon that says so would only flicker.
    if sources.present.wait_for(|now| now.reachable).await.is_err() {
        return;
    }
    let (pictures, shown) = watch::channel(sources.picture(false));
    #[cfg(target_os = "linux")]
    let show = {
        drop(app);
        linux::show(shown, &state, actions)
    };
    #[cfg(not(target_os = "linux"))]
    let show = native::show(shown, &state, actions, app);
    tokio::join!(show, draw(sources, pictures));
}

/// Draws a picture after each change, and another when something has been on its way up for long
/// enough to say so.
async fn draw(mut sources: Sources, pictures: watch::Sender<Picture>) {
    let mut working_since: Option<Instant> = None;
    loop {
        let is_working = Overall::of(&sources.present.borrow()) == Overall::Working;
        working_since = is_working.then(|| working_since.unwrap_or_else(Instant::now));
        let shown_at = working_since.map(|since| since + WORKING_AFTER);
        let shows_working = shown_at.is_some_and(|at| at <= Instant::now());
        let picture = sources.picture(shows_working);
        pictures.send_if_modified(|shown| {
            let differs = *shown != picture;
            if differs {
                *shown = picture;
            }
            differs
        });
        let wait = shown_at.filter(|_| !shows_working);
        tokio::select! {
            goes_on = sources.changed() => {
                if !goes_on {
                    return;
                }
            }
            () = until(wait) => {}
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
