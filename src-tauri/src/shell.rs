//! The desktop around the core: plugins, tray, window and the end, wired once.

use narthex_core::{
    api::wire::TrayState,
    client::{Client, Mirror},
};
use tauri::{App, AppHandle, Manager as _, RunEvent, WindowEvent};
use tokio::sync::{mpsc, watch};

use crate::{
    announce,
    args::Args,
    autostart, commands,
    desk::{Desk, starts_at_login},
    host::{Host, Hosted},
    instance, panel,
    place::Place,
    preferences::PreferencesFile,
    presses, quit,
    tray::{self, Facts, Sources},
};

/// Puts the application together. A second one of the same home ends here: the first is told to
/// show its window.
///
/// # Errors
/// When the system refuses what an application needs.
pub(crate) fn build(args: &Args) -> tauri::Result<App> {
    tauri::Builder::default()
        .plugin(instance::plugin(args))
        .plugin(autostart::plugin(args.at_login()))
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![
            commands::status,
            commands::servers,
            commands::tools,
            commands::logs,
            commands::wish,
            commands::approve,
            commands::pause,
            commands::resume,
            commands::add_server,
            commands::patch_server,
            commands::remove_server,
            commands::clients,
            commands::add_client,
            commands::remove_client,
            commands::settings,
            commands::change_settings,
            commands::follow,
            commands::follow_log,
            commands::stop_following,
            commands::shell,
            commands::change_autostart,
            commands::dismiss_first_run,
            commands::preferences,
            commands::change_preferences,
            commands::recall,
            commands::keep,
            commands::confirmations,
            commands::answer,
            commands::show_in_config,
            commands::quit,
        ])
        .build(tauri::generate_context!())
}

/// Sets tray, notifications and the end to work on a core, and shows the window unless it shall
/// stay hidden.
pub(crate) fn attend(app: &App, hosted: Hosted, is_hidden: bool) {
    let handle = app.handle();
    let Hosted { host, client, home } = hosted;
    let attached = match &host {
        Host::Own(_) => None,
        Host::Attached(holder) => Some(holder.clone()),
    };
    let facts = watch::Sender::new(Facts {
        starts_at_login: starts_at_login(&autostart::state(handle)),
        is_attached: attached.is_some(),
    });
    let (tray_state, tray) = watch::channel(TrayState::NoHost);
    let (quit, requests) = mpsc::unbounded_channel();
    let (actions, pressed) = mpsc::unbounded_channel();
    let mirror = Mirror::follow(client.clone());
    let sources = Sources {
        present: mirror.present(),
        facts: facts.subscribe(),
        panel: panel::follow(),
    };
    let present = mirror.present();
    app.manage(Desk {
        address: host.address(),
        crashed: announce::crashed,
        _mirror: mirror,
        preferences: PreferencesFile::open(home.desktop_file()),
        memory: Default::default(),
        streams: Default::default(),
        client: client.clone(),
        home,
        attached,
        facts,
        tray,
        quit: quit.clone(),
    });
    announce::on_click(handle);
    tokio::spawn(tray::run(sources, handle.clone(), tray_state, actions));
    tokio::spawn(presses::run(handle.clone(), pressed));
    tokio::spawn(announce::run(handle.clone(), present));
    if let Client::Local(local) = &client {
        tokio::spawn(presses::confirmations(
            handle.clone(),
            local.confirmations(),
        ));
    }
    tokio::spawn(quit::on_signal(quit));
    tokio::spawn(quit::run(handle.clone(), host, requests));
    if !is_hidden {
        app.state::<Desk>().open(handle, &Place::Servers);
    }
}

/// Handles what happens to window and application until it ends.
pub(crate) fn on_event(app: &AppHandle, event: RunEvent) {
    if let RunEvent::ExitRequested {
        code: None, api, ..
    } = event
    {
        // The last window closed: the tray, and what runs, stay.
        api.prevent_exit();
    } else if let RunEvent::WindowEvent {
        event: WindowEvent::Destroyed,
        ..
    } = event
    {
        window_closed(app);
    }
}

/// Does what follows when the window is gone: nobody follows anything, and a person who closed it
/// for the first time is told where Narthex is.
fn window_closed(app: &AppHandle) {
    let Some(desk) = app.try_state::<Desk>() else {
        return;
    };
    desk.streams.end_all();
    if desk.is_ending() || desk.preferences.kept().told_of_tray {
        return;
    }
    announce::goes_on(app, *desk.tray.borrow() == TrayState::Shown);
    if let Err(error) = desk.preferences.change(|kept| kept.told_of_tray = true) {
        tracing::warn!(%error, "preferences not written");
    }
}
