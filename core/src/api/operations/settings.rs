use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::{Answer, Api, blocking, wire};
use crate::{
    api::wire::{ProblemDetails, SettingsPatch},
    config::{self, BadSetting},
};

impl Api {
    /// Returns the settings.
    pub fn settings(&self) -> wire::Settings {
        self.settings.wire()
    }

    /// Changes settings in the file; returns them when they are taken over.
    ///
    /// # Errors
    /// When a value cannot be used, or the file cannot be written.
    pub async fn change_settings(&self, patch: SettingsPatch) -> Answer<wire::Settings> {
        let mut members = Map::new();
        if let Some(listen) = patch.listen {
            let value = checked(listen, "listen", config::listen)?;
            members.insert(config::LISTEN.to_owned(), value);
        }
        if let Some(level) = patch.log_level {
            let value = checked(level, "log_level", config::log_level)?;
            members.insert(config::LOG_LEVEL.to_owned(), value);
        }
        let file = self.file.clone();
        blocking(move || file.set(&members)).await?;
        self.supervisor.reload().await?;
        Ok(self.settings())
    }
}

/// Returns what shall stand in the file.
fn checked<T>(
    given: Option<String>,
    field: &str,
    check: impl Fn(&str) -> Result<T, BadSetting>,
) -> Answer<Value> {
    let Some(text) = given else {
        return Ok(Value::Null);
    };
    match check(&text) {
        Ok(_) => Ok(Value::String(text)),
        Err(bad) => Err(ProblemDetails::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-setting",
            bad.message,
            bad.remedy,
        )
        .about(field)),
    }
}
