//! What the window may ask. Each command looks up, forwards and converts.

use narthex_core::{
    api::wire::{
        Accepted, Approval, Client as ClientRow, ClientToken, CommandFailure, Confirmation,
        LogEvent, LogLine, Preferences, PreferencesPatch, RemovedServer, ServerList, Settings,
        SettingsPatch, Shell, Status, ToolList, Written,
    },
    client::{Approved, Client, Command},
};
use serde_json::Value;
use tauri::{AppHandle, State, ipc::Channel};
use tauri_plugin_opener::OpenerExt as _;

use crate::{
    autostart::AutostartError, desk::Desk, follow, memory::NotKept, quit::QuitRequest, window,
};

type Answer<T> = Result<T, CommandFailure>;

#[tauri::command]
pub(crate) async fn status(desk: State<'_, Desk>) -> Answer<Status> {
    Ok(desk.client.status().await?)
}

#[tauri::command]
pub(crate) async fn servers(desk: State<'_, Desk>) -> Answer<ServerList> {
    Ok(desk.client.servers().await?)
}

#[tauri::command]
pub(crate) async fn tools(desk: State<'_, Desk>, name: String) -> Answer<ToolList> {
    Ok(desk.client.tools(&name).await?)
}

#[tauri::command]
pub(crate) async fn logs(
    desk: State<'_, Desk>,
    name: String,
    lines: usize,
) -> Answer<Vec<LogLine>> {
    Ok(desk.client.logs(&name, lines).await?)
}

#[tauri::command]
pub(crate) async fn wish(
    desk: State<'_, Desk>,
    name: String,
    command: Command,
) -> Answer<Accepted> {
    Ok(desk.client.wish(&name, command).await?)
}

#[tauri::command]
pub(crate) async fn approve(
    desk: State<'_, Desk>,
    name: String,
    approval: Approval,
) -> Answer<Approved> {
    Ok(desk.client.approve(&name, approval).await?)
}

#[tauri::command]
pub(crate) async fn pause(desk: State<'_, Desk>) -> Answer<Accepted> {
    Ok(desk.client.pause().await?)
}

#[tauri::command]
pub(crate) async fn resume(desk: State<'_, Desk>) -> Answer<Accepted> {
    Ok(desk.client.resume().await?)
}

#[tauri::command]
pub(crate) async fn add_server(
    desk: State<'_, Desk>,
    name: String,
    entry: Value,
) -> Answer<Written> {
    Ok(desk.client.add(&name, entry).await?)
}

#[tauri::command]
pub(crate) async fn patch_server(
    desk: State<'_, Desk>,
    name: String,
    patch: Value,
) -> Answer<Written> {
    Ok(desk.client.patch(&name, patch).await?)
}

#[tauri::command]
pub(crate) async fn remove_server(desk: State<'_, Desk>, name: String) -> Answer<RemovedServer> {
    Ok(desk.client.remove(&name).await?)
}

#[tauri::command]
pub(crate) async fn clients(desk: State<'_, Desk>) -> Answer<Vec<ClientRow>> {
    Ok(desk.client.clients().await?)
}

#[tauri::command]
pub(crate) async fn add_client(desk: State<'_, Desk>, name: String) -> Answer<ClientToken> {
    Ok(desk.client.add_client(&name).await?)
}

#[tauri::command]
pub(crate) async fn remove_client(desk: State<'_, Desk>, name: String) -> Answer<()> {
    Ok(desk.client.remove_client(&name).await?)
}

#[tauri::command]
pub(crate) async fn settings(desk: State<'_, Desk>) -> Answer<Settings> {
    Ok(desk.client.settings().await?)
}

#[tauri::command]
pub(crate) async fn change_settings(
    desk: State<'_, Desk>,
    patch: SettingsPatch,
) -> Answer<Settings> {
    Ok(desk.client.change_settings(patch).await?)
}

#[tauri::command]
pub(crate) async fn follow(desk: State<'_, Desk>, channel: Channel<follow::Told>) -> Answer<u32> {
    let task = tokio::spawn(follow::events(desk.client.clone(), channel));
    Ok(desk.streams.add(&task))
}

#[tauri::command]
pub(crate) async fn follow_log(
    desk: State<'_, Desk>,
    name: String,
    lines: usize,
    channel: Channel<LogEvent>,
) -> Answer<u32> {
    let log = desk.client.follow_log(&name, lines).await?;
    let task = tokio::spawn(follow::log(log, channel));
    Ok(desk.streams.add(&task))
}

#[tauri::command]
pub(crate) fn stop_following(desk: State<'_, Desk>, id: u32) {
    desk.streams.end(id);
}

#[tauri::command]
pub(crate) fn shell(app: AppHandle, desk: State<'_, Desk>) -> Shell {
    desk.shell(&app)
}

#[tauri::command]
pub(crate) fn change_autostart(
    app: AppHandle,
    desk: State<'_, Desk>,
    enabled: bool,
) -> Answer<Shell> {
    desk.start_at_login(&app, enabled).map_err(not_registered)
}

#[tauri::command]
pub(crate) fn dismiss_first_run(desk: State<'_, Desk>) {
    desk.was_offered_start();
}

#[tauri::command]
pub(crate) fn preferences(desk: State<'_, Desk>) -> Preferences {
    desk.preferences.kept().preferences()
}

#[tauri::command]
pub(crate) fn change_preferences(
    app: AppHandle,
    desk: State<'_, Desk>,
    patch: PreferencesPatch,
) -> Answer<Preferences> {
    let written = desk.preferences.change(|kept| {
        kept.theme = patch.theme.unwrap_or(kept.theme);
        kept.notifications = patch.notifications.unwrap_or(kept.notifications);
    });
    written.map_err(|error| {
        failure(
            "not_written",
            format!("desktop.json could not be written: {error}"),
            "Look at the home folder and at the disk it lies on.",
        )
    })?;
    let preferences = desk.preferences.kept().preferences();
    window::dress(&app, preferences.theme);
    window::tell(&app, "preferences", preferences);
    Ok(preferences)
}

#[tauri::command]
pub(crate) fn recall(desk: State<'_, Desk>, key: &str) -> Option<Value> {
    desk.memory.recall(key)
}

#[tauri::command]
pub(crate) fn keep(desk: State<'_, Desk>, key: String, value: Value) -> Answer<()> {
    desk.memory.keep(key, value).map_err(|error: NotKept| {
        failure(
            "not_kept",
            error.to_string(),
            "Nothing is lost but a draft.",
        )
    })
}

#[tauri::command]
pub(crate) fn confirmations(desk: State<'_, Desk>) -> Vec<Confirmation> {
    desk.confirmations()
}

#[tauri::command]
pub(crate) async fn answer(desk: State<'_, Desk>, command: String, approve: bool) -> Answer<()> {
    match &desk.client {
        Client::Local(local) => Ok(local.answer(&command, approve).await?),
        Client::Remote(_) => Err(failure(
            "not_found",
            "the core that runs asks nobody".to_owned(),
            "Approve it here, or in the terminal.",
        )),
    }
}

#[tauri::command]
pub(crate) fn show_in_config(app: AppHandle, desk: State<'_, Desk>) -> Answer<()> {
    let file = desk.home.config_file().display().to_string();
    let opened = app.opener().open_path(&file, None::<&str>);
    opened.map_err(|error| {
        failure(
            "not_opened",
            format!("no program opened {file}: {error}"),
            "Open it in an editor of yours.",
        )
    })
}

#[tauri::command]
pub(crate) fn quit(desk: State<'_, Desk>) {
    // The task that takes it ends last.
    let _ = desk.quit.send(QuitRequest::ByPerson);
}

fn not_registered(error: AutostartError) -> CommandFailure {
    let remedy = match error {
        AutostartError::Development => "Install Narthex, and start the installed one.",
        AutostartError::System(_) => "Add narthex-desktop --hidden to your session by hand.",
    };
    failure("not_registered", error.to_string(), remedy)
}

fn failure(kind: &str, message: String, remedy: &str) -> CommandFailure {
    CommandFailure {
        kind: kind.to_owned(),
        message,
        remedy: remedy.to_owned(),
    }
}
