use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// A promise is broken.
    Error,
    /// Somebody should look.
    Warn,
    /// A person would notice.
    Info,
    /// What Narthex does.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// Every level, from the quietest on.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// Returns its word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `GET /settings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Settings {
    /// Where Narthex listens. What is configured is in force when it is started again.
    pub listen: Setting,
    /// How much is logged. What is configured is in force at once, unless `NARTHEX_LOG` is set in
    /// the environment.
    pub log_level: Setting,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Setting {
    /// What the file says, the last that could be used; null where it says nothing.
    pub configured: Option<String>,
    /// What holds.
    pub in_force: String,
}

/// `PATCH /settings`, a merge patch: what is null is taken out of the file, what is not there stays
/// as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    /// Where Narthex shall listen: `127.0.0.1:7410`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    #[schema(value_type = Option<String>)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string | null"))]
    pub listen: Option<Option<String>>,
    /// How much shall be logged: `error`, `warn`, `info`, `debug` or `trace`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    #[schema(value_type = Option<String>)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "LogLevel | null"))]
    pub log_level: Option<Option<String>>,
}

/// Tells null from what is not there.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}
