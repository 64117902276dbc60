//! The icons as files, for hosts that colour them in the panel's own ink: GTK's by the classes in
//! them, Plasma by the style sheet. A host that cannot takes the images that stand beside the name.

use std::{env, fs, io, path::PathBuf};

use crate::tray::icon::Overall;

/// Every icon by its name.
const ICONS: [(&str, &str); 5] = [
    (
        "narthex-well-symbolic",
        include_str!("../../../../icons/tray/well-symbolic.svg"),
    ),
    (
        "narthex-working-symbolic",
        include_str!("../../../../icons/tray/working-symbolic.svg"),
    ),
    (
        "narthex-waiting-symbolic",
        include_str!("../../../../icons/tray/waiting-symbolic.svg"),
    ),
    (
        "narthex-failed-symbolic",
        include_str!("../../../../icons/tray/failed-symbolic.svg"),
    ),
    (
        "narthex-paused-symbolic",
        include_str!("../../../../icons/tray/paused-symbolic.svg"),
    ),
];

/// Where a host finds the icons.
#[derive(Debug, Clone)]
pub(super) struct Theme {
    folder: String,
}

impl Theme {
    /// Writes the icons where the session keeps what lives no longer than itself.
    ///
    /// # Errors
    /// When there is no such place, or nothing can be written there.
    pub(super) fn write() -> io::Result<Self> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").ok_or(io::ErrorKind::NotFound)?;
        let folder = PathBuf::from(runtime).join("narthex/icons");
        fs::create_dir_all(&folder)?;
        for (name, icon) in ICONS {
            fs::write(folder.join(format!("{name}.svg")), icon)?;
        }
        let folder = folder.into_os_string().into_string();
        let folder = folder.map_err(|_| io::ErrorKind::InvalidFilename)?;
        Ok(Self { folder })
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }
}

/// Returns the name of an icon.
pub(super) const fn name(overall: Overall) -> &'static str {
    let [well, working, waiting, failed, paused] = ICONS;
    match overall {
        Overall::Well => well.0,
        Overall::Working => working.0,
        Overall::Waiting => waiting.0,
        Overall::Failed => failed.0,
        Overall::Paused => paused.0,
    }
}
