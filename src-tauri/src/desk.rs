use narthex_core::{
    api::wire::{Attached, Autostart, Confirmation, Shell, TrayState},
    client::{Client, Mirror},
    home::{Holder, Home},
};
use tauri::AppHandle;
use tokio::sync::{mpsc, watch};

use crate::{
    autostart::{self, AutostartError},
    memory::Memory,
    place::Place,
    preferences::PreferencesFile,
    quit::QuitRequest,
    streams::Streams,
    tray::Facts,
    window::{self, Making},
};

/// What the parts of the desktop share: the handle to the core, and what only a desktop has.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) home: Home,
    /// Who runs the core, where it is another process.
    pub(crate) attached: Option<Holder>,
    pub(crate) preferences: PreferencesFile,
    pub(crate) memory: Memory,
    pub(crate) streams: Streams,
    pub(crate) facts: watch::Sender<Facts>,
    pub(crate) tray: watch::Receiver<TrayState>,
    pub(crate) quit: mpsc::UnboundedSender<QuitRequest>,
    /// Follows the core for tray and notifications, for as long as this lives.
    pub(crate) _mirror: Mirror,
    /// Told when the window's web process has died.
    pub(crate) crashed: fn(&AppHandle),
    /// The address that the core listens at.
    pub(crate) address: String,
}

impl Desk {
    /// Returns what the window shows of the program itself.
    pub(crate) fn shell(&self, app: &AppHandle) -> Shell {
        let autostart = autostart::state(app);
        let offered = self.preferences.kept().offered_start;
        Shell {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            attached: self.attached.as_ref().map(|holder| Attached {
                pid: holder.pid,
                address: holder.address.clone().unwrap_or_default(),
            }),
            home: self.home.folder().display().to_string(),
            address: self.address.clone(),
            config_file: self.home.config_file().display().to_string(),
            tray: *self.tray.borrow(),
            first_run: autostart.available && !autostart.enabled && !offered,
            autostart,
        }
    }

    /// Shows a place in the window.
    pub(crate) fn open(&self, app: &AppHandle, place: &Place) {
        let making = Making {
            theme: self.preferences.kept().theme,
            crashed: self.crashed,
        };
        window::open(app, place, making);
    }

    /// Whether the end has begun.
    pub(crate) fn is_ending(&self) -> bool {
        self.quit.is_closed()
    }

    /// Has Narthex start at login, or no longer, and tells tray and window.
    ///
    /// # Errors
    /// See [`autostart::change`].
    pub(crate) fn start_at_login(
        &self,
        app: &AppHandle,
        enabled: bool,
    ) -> Result<Shell, AutostartError> {
        let changed = autostart::change(app, enabled);
        let starts = starts_at_login(&autostart::state(app));
        self.facts
            .send_modify(|facts| facts.starts_at_login = starts);
        changed?;
        self.was_offered_start();
        let shell = self.shell(app);
        window::tell(app, "shell", shell.clone());
        Ok(shell)
    }

    /// Remembers that a person has decided about the start at login.
    pub(crate) fn was_offered_start(&self) {
        let changed = self.preferences.change(|kept| kept.offered_start = true);
        if let Err(error) = changed {
            tracing::warn!(%error, "preferences not written");
        }
    }

    /// Returns the approvals that wait for this window. A core elsewhere asks nobody.
    pub(crate) fn confirmations(&self) -> Vec<Confirmation> {
        match &self.client {
            Client::Local(local) => local.confirmations().borrow().to_vec(),
            Client::Remote(_) => Vec::new(),
        }
    }
}

/// Returns what the tray's check item shows.
pub(crate) fn starts_at_login(autostart: &Autostart) -> Option<bool> {
    autostart.available.then_some(autostart.enabled)
}
