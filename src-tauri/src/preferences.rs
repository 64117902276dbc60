//! What a person prefers of the desktop, and what they were told once: `desktop.json` in the home
//! folder. Servers and the core have their own places; nothing here changes what runs.

use std::{fs, io, path::PathBuf};

use narthex_core::api::wire::{Preferences, Theme};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Kept {
    pub(crate) theme: Theme,
    pub(crate) notifications: bool,
    /// Whether they were told where Narthex goes when the window closes.
    pub(crate) told_of_tray: bool,
    /// Whether they were offered that Narthex starts at login.
    pub(crate) offered_start: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            notifications: true,
            told_of_tray: false,
            offered_start: false,
        }
    }
}

impl Kept {
    /// Returns what the window shows and changes.
    pub(crate) const fn preferences(&self) -> Preferences {
        Preferences {
            theme: self.theme,
            notifications: self.notifications,
        }
    }
}

/// The file, and what was last read from it or written to it.
#[derive(Debug)]
pub(crate) struct PreferencesFile {
    path: PathBuf,
    kept: watch::Sender<Kept>,
}

impl PreferencesFile {
    /// Reads the file. One that is missing or cannot be read is as good as none: what is lost is a
    /// theme.
    pub(crate) fn open(path: PathBuf) -> Self {
        let kept = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, "preferences not understood, defaults are used");
                Kept::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => {
                tracing::warn!(%error, "preferences not read, defaults are used");
                Kept::default()
            }
        };
        Self {
            path,
            kept: watch::Sender::new(kept),
        }
    }

    /// Returns what is kept.
    pub(crate) fn kept(&self) -> Kept {
        self.kept.borrow().clone()
    }

    /// Changes what is kept, in one step: the file never holds half of it.
    ///
    /// # Errors
    /// When it could not be written; what was kept before stays.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Kept)) -> io::Result<()> {
        let mut next = self.kept();
        change(&mut next);
        if next == *self.kept.borrow() {
            return Ok(());
        }
        let folder = self.path.parent().ok_or(io::ErrorKind::NotFound)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&file, &next)?;
        file.persist(&self.path)?;
        self.kept.send_replace(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_there_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desktop.json");
        let file = PreferencesFile::open(path.clone());
        assert_eq!(file.kept(), Kept::default());

        file.change(|kept| kept.theme = Theme::Dark).unwrap();

        assert_eq!(PreferencesFile::open(path).kept().theme, Theme::Dark);
    }

    #[test]
    fn a_file_with_less_or_nonsense_in_it_does_not_stop_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desktop.json");
        fs::write(&path, r#"{"theme": "light"}"#).unwrap();
        let kept = PreferencesFile::open(path.clone()).kept();
        assert_eq!((kept.theme, kept.notifications), (Theme::Light, true));
        fs::write(&path, "{").unwrap();
        assert_eq!(PreferencesFile::open(path).kept(), Kept::default());
    }
}
