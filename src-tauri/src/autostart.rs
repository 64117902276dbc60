//! Start at login, by the autostart plugin. A development build never registers: it would stay
//! behind when the folder is gone.

use std::{
    env,
    path::{Path, PathBuf},
};

use narthex_core::api::wire::Autostart;
use tauri::{AppHandle, Wry, plugin::TauriPlugin};
use tauri_plugin_autostart::{Builder, ManagerExt as _};

/// Lets a development build register all the same, for tests.
const ALLOW_VARIABLE: &str = "NARTHEX_AUTOSTART";

/// What Cargo leaves in a target folder, and in each folder of a profile in it.
const CARGO_MARKERS: [&str; 2] = [".rustc_info.json", ".cargo-lock"];

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AutostartError {
    #[error("this is a development build, which is never started at login")]
    Development,
    #[error("the system did not take it: {0}")]
    System(String),
}

/// Returns the plugin, which starts us with `args`.
pub(crate) fn plugin(args: Vec<String>) -> TauriPlugin<Wry> {
    Builder::new()
        .app_name("Narthex")
        .args(args.iter().map(|argument| quoted(argument)))
        .build()
}

/// Returns whether Narthex starts at login, and whether that can be changed.
pub(crate) fn state(app: &AppHandle) -> Autostart {
    let why_not = match env::current_exe() {
        _ if env::var_os(ALLOW_VARIABLE).is_some_and(|value| value == "allow") => None,
        Ok(program) => {
            development_folder(&program).map(|_| AutostartError::Development.to_string())
        }
        Err(error) => Some(format!(
            "the system does not say where this program is: {error}"
        )),
    };
    Autostart {
        enabled: app.autolaunch().is_enabled().unwrap_or(false),
        available: why_not.is_none(),
        why_not,
    }
}

/// Registers the start at login, or takes it back.
///
/// # Errors
/// Of a development build, and when the system refuses.
pub(crate) fn change(app: &AppHandle, enabled: bool) -> Result<(), AutostartError> {
    if !state(app).available {
        return Err(AutostartError::Development);
    }
    let launch = app.autolaunch();
    let changed = if enabled {
        launch.enable()
    } else {
        launch.disable()
    };
    changed.map_err(|error| AutostartError::System(error.to_string()))
}

/// Returns the target folder of Cargo that a program lies in.
fn development_folder(program: &Path) -> Option<PathBuf> {
    let is_marked = |folder: &&Path| CARGO_MARKERS.iter().any(|name| folder.join(name).exists());
    program
        .ancestors()
        .skip(1)
        .find(is_marked)
        .map(Path::to_owned)
}

/// Returns an argument as the `Exec` line of a desktop entry holds it. Elsewhere the system takes
/// arguments one by one.
fn quoted(argument: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./=:@+,".contains(character);
    if !cfg!(target_os = "linux") || argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    let mut quoted = String::from('"');
    for character in argument.chars() {
        match character {
            '"' | '`' | '$' | '\\' => quoted.extend(['\\', '\\', character]),
            '%' => quoted.push_str("%%"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_built_is_a_development_build_wherever_its_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("anything");
        let program = target.join("debug/narthex-desktop");
        assert_eq!(development_folder(&program), None);
        std::fs::create_dir_all(&target).unwrap();
        std::fs::write(target.join(".rustc_info.json"), "{}").unwrap();
        assert_eq!(development_folder(&program), Some(target));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_argument_with_spaces_stays_one() {
        assert_eq!(quoted("--home"), "--home");
        assert_eq!(quoted("/home/a b/100%"), r#""/home/a b/100%%""#);
    }
}
