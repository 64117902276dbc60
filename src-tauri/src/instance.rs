//! One desktop for each home folder: a second one shows the first one's window and ends.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use narthex_core::home::Home;
use tauri::{Manager as _, Wry, plugin::TauriPlugin};

use crate::{args::Args, desk::Desk, place::Place};

/// Returns the plugin that knows of the first one.
pub(crate) fn plugin(args: &Args) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .callback(|app, arguments, _| {
            // A start at login beside one that runs already asks for no window.
            let is_hidden = arguments.iter().any(|argument| argument == "--hidden");
            // One that is on its way up shows its own.
            if let Some(desk) = app.try_state::<Desk>().filter(|_| !is_hidden) {
                desk.open(app, &Place::Servers);
            }
        })
        .dbus_id(name(args))
        .build()
}

/// Returns a bus name of this home folder's own.
fn name(args: &Args) -> String {
    let mut hasher = DefaultHasher::new();
    if let Ok(home) = Home::locate(args.home.clone()) {
        home.folder().hash(&mut hasher);
    }
    format!("io.github.narthex_app.narthex.home{:016x}", hasher.finish())
}
