//! Carries out what a person presses in the tray, one after the other.

use std::sync::Arc;

use narthex_core::{api::wire::Confirmation, client::ClientError};
use tauri::{AppHandle, Manager as _};
use tauri_plugin_opener::OpenerExt as _;
use tokio::sync::{mpsc, watch};

use crate::{
    announce,
    desk::Desk,
    place::{Place, Tab},
    quit::QuitRequest,
    tray::Action,
    window,
};

/// Takes presses until nobody can press any more.
pub(crate) async fn run(app: AppHandle, mut pressed: mpsc::UnboundedReceiver<Action>) {
    while let Some(action) = pressed.recv().await {
        let place = place_of(&action);
        if let Err(error) = carry_out(&app, action).await {
            announce::refused(&app, place, &error);
        }
    }
}

async fn carry_out(app: &AppHandle, action: Action) -> Result<(), ClientError> {
    let desk = app.state::<Desk>();
    match action {
        Action::Open(place) => desk.open(app, &place),
        Action::Wish { server, command } => {
            desk.client.wish(&server, command).await?;
        }
        Action::Pause(true) => {
            desk.client.pause().await?;
        }
        Action::Pause(false) => {
            desk.client.resume().await?;
        }
        Action::ShowInConfig(server) => {
            let file = desk.home.config_file().display().to_string();
            if let Err(error) = app.opener().open_path(file, None::<&str>) {
                tracing::warn!(%error, "configuration not opened");
                desk.open(app, &Place::server(&server, Tab::Overview));
            }
        }
        Action::StartAtLogin(enabled) => {
            if let Err(error) = desk.start_at_login(app, enabled) {
                tracing::warn!(%error, "start at login not changed");
                desk.open(app, &Place::Settings);
            }
        }
        Action::Quit => {
            // The task that takes it ends last.
            let _ = desk.quit.send(QuitRequest::ByPerson);
        }
    }
    Ok(())
}

/// Returns where a person sees why something was not done.
fn place_of(action: &Action) -> Place {
    match action {
        Action::Open(place) => place.clone(),
        Action::Wish { server, .. } | Action::ShowInConfig(server) => {
            Place::server(server, Tab::Overview)
        }
        Action::Pause(_) | Action::StartAtLogin(_) | Action::Quit => Place::Servers,
    }
}

/// Shows the window when somebody elsewhere asks for an approval, and tells the page of all that
/// wait.
pub(crate) async fn confirmations(
    app: AppHandle,
    mut waiting: watch::Receiver<Arc<[Confirmation]>>,
) {
    while waiting.changed().await.is_ok() {
        let confirmations = waiting.borrow_and_update().to_vec();
        if let Some(newest) = confirmations.last()
            && !window::is_open(&app)
        {
            let place = Place::server(&newest.server.name, Tab::Review);
            app.state::<Desk>().open(&app, &place);
        }
        window::tell(&app, "confirmations", confirmations);
    }
}
