use serde::{Deserialize, Serialize};

use super::{Approval, Server};

/// What the desktop says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Shell {
    /// Its version.
    pub version: String,
    /// The core it is attached to; null where it runs its own.
    pub attached: Option<Attached>,
    /// The folder that the core holds.
    pub home: String,
    /// Where the core listens: `127.0.0.1:7410`.
    pub address: String,
    /// The person's configuration.
    pub config_file: String,
    /// Whether it starts at login.
    pub autostart: Autostart,
    /// Whether its icon is to be seen.
    pub tray: TrayState,
    /// Whether this is the first run, which introduces itself.
    pub first_run: bool,
}

/// A core of another process that the desktop is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Attached {
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
}

/// Whether the desktop starts at login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Autostart {
    /// Whether it does.
    pub enabled: bool,
    /// Whether that can be changed.
    pub available: bool,
    /// Why it cannot.
    pub why_not: Option<String>,
}

/// Whether the tray's icon is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TrayState {
    /// It is.
    Shown,
    /// Nothing shows icons here.
    NoHost,
    /// There is no session bus.
    NoBus,
}

/// How a person wants the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Preferences {
    /// Light or dark.
    pub theme: Theme,
    /// Whether it notifies of what needs a person.
    pub notifications: bool,
}

/// A change of preferences: what is not given stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct PreferencesPatch {
    /// Light or dark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub theme: Option<Theme>,
    /// Whether it notifies of what needs a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub notifications: Option<bool>,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// An approval that waits for the person at the window: somebody at a terminal asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Confirmation {
    /// The command's id, which the answer names.
    pub command: String,
    /// The server as it was when it was asked.
    pub server: Server,
    /// What would be approved.
    pub approval: Approval,
    /// Since when it waits (RFC 3339, UTC).
    pub since: String,
}

/// Why a command of the window was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct CommandFailure {
    /// The kind, for programs, such as `in-quarantine`.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}
