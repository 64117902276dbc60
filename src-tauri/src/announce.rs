//! Speaks to a person through the system's notifications. A click on one opens its place.

use std::sync::Arc;

use narthex_core::client::{ClientError, Present};
use tauri::{AppHandle, Manager as _};
use tauri_plugin_notification::{ActionPerformed, NotificationExt as _};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    desk::Desk,
    notices::{GATHER, Notice, Notices},
    place::Place,
    window,
};

/// Under which a notification carries the place it opens.
const PLACE: &str = "place";

/// Tells of what needs a person, for as long as the core can be followed.
pub(crate) async fn run(app: AppHandle, mut present: watch::Receiver<Arc<Present>>) {
    let mut notices = Notices::default();
    let mut tell_at: Option<Instant> = None;
    loop {
        let now = Arc::clone(&present.borrow_and_update());
        if now.reachable && notices.take(&now) {
            tell_at = tell_at.or_else(|| Some(Instant::now() + GATHER));
        } else {
            tell_at = None;
        }
        let gathered = async {
            match tell_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = present.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = gathered => {
                tell_at = None;
                tell(&app, &mut notices);
            }
        }
    }
}

fn tell(app: &AppHandle, notices: &mut Notices) {
    let is_wanted = app.state::<Desk>().preferences.kept().notifications;
    if !is_wanted || window::has_focus(app) {
        notices.is_seen();
        return;
    }
    if let Some(notice) = notices.tell(Instant::now()) {
        show(app, &notice);
    }
}

/// Opens the place of a notification that a person clicked on.
pub(crate) fn on_click(app: &AppHandle) {
    let handle = app.clone();
    let registered = app
        .notification()
        .on_action(move |performed: &ActionPerformed| {
            let extra = performed.notification().map(|shown| shown.extra());
            let place = extra.and_then(|extra| extra.get(PLACE)?.as_str());
            let place = place.and_then(|place| place.parse().ok());
            let place = place.unwrap_or(Place::Servers);
            handle.state::<Desk>().open(&handle, &place);
        });
    if let Err(error) = registered {
        tracing::warn!(%error, "clicks on notifications are not heard");
    }
}

/// Says that something that was asked for in the tray was not done.
pub(crate) fn refused(app: &AppHandle, place: Place, error: &ClientError) {
    let notice = Notice {
        title: "That was not done".to_owned(),
        body: [
            error.to_string(),
            error.remedy().unwrap_or_default().to_owned(),
        ]
        .join(". "),
        place,
    };
    show(app, &notice);
}

/// Says, the first time, where Narthex is when its window is closed.
pub(crate) fn goes_on(app: &AppHandle, has_tray: bool) {
    let body = if has_tray {
        "It is in the tray; its servers keep running. Quit it from there."
    } else {
        "There is no tray here. Its servers keep running; start Narthex again to see its window."
    };
    let notice = Notice {
        title: "Narthex keeps running".to_owned(),
        body: body.to_owned(),
        place: Place::Servers,
    };
    show(app, &notice);
}

/// Says that the window is gone, and only that.
pub(crate) fn crashed(app: &AppHandle) {
    let notice = Notice {
        title: "The window had to close".to_owned(),
        body: "Your servers keep running. Click to open it again.".to_owned(),
        place: Place::Servers,
    };
    show(app, &notice);
}

fn show(app: &AppHandle, notice: &Notice) {
    let shown = app
        .notification()
        .builder()
        .title(&notice.title)
        .body(&notice.body)
        .extra(PLACE, notice.place.to_string())
        .show();
    if let Err(error) = shown {
        tracing::info!(%error, "notification not shown");
    }
}
