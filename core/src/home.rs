//! The folder that a core holds: its files, its lock and its credentials.
//!
//! This module knows where things lie and who may read them; what stands in the files is the
//! business of the modules that own them.

mod credential;
mod lock;
mod turn;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use directories::ProjectDirs;

pub use credential::{credential, new_token};
pub use lock::{Holder, HolderKind, HomeLock, LockError, holder};
pub use turn::Turn;

/// Names the one folder for everything, where it is set and not empty.
const HOME_VARIABLE: &str = "NARTHEX_HOME";

/// Where a core keeps its files: one folder for everything, or the platform's folders for
/// configuration, data and state.
#[derive(Debug, Clone)]
pub struct Home {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

/// Why the home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The platform names no folder for this person.
    #[error("no home folder is known for this person; name one with --home or NARTHEX_HOME")]
    Unknown,
    /// A file or folder could not be read, written or made.
    #[error("failed to {doing} {path}", path = path.display())]
    Io {
        /// What was tried: `create`, `read`, `write`, `protect`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A credential's file holds something else. Nothing is put in its place unasked: clients may
    /// know the old one.
    #[error(
        "{path} does not hold a credential of the kind {prefix}…; delete it to have a new one made",
        path = path.display()
    )]
    Credential {
        /// The file.
        path: PathBuf,
        /// What a credential in it starts with.
        prefix: String,
    },
}

impl Home {
    /// Finds the home: `explicit` (`--home`), or `NARTHEX_HOME`, or the platform's folders.
    /// Nothing is created.
    ///
    /// # Errors
    /// When no folder is named and the platform knows none, or when a relative path cannot be
    /// made absolute.
    pub fn locate(explicit: Option<PathBuf>) -> Result<Self, HomeError> {
        let named = explicit.or_else(|| {
            env::var_os(HOME_VARIABLE)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        });
        match named {
            Some(folder) => Self::in_folder(&folder),
            None => ProjectDirs::from("", "", "Narthex")
                .map(|dirs| Self::of_platform(&dirs))
                .ok_or(HomeError::Unknown),
        }
    }

    /// Absolute, because servers are started with working folders of their own.
    fn in_folder(folder: &Path) -> Result<Self, HomeError> {
        let folder = std::path::absolute(folder).map_err(|source| HomeError::Io {
            doing: "find",
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            config: folder.clone(),
            data: folder.clone(),
            state: folder,
        })
    }

    /// Data is kept locally even where the platform lets a profile roam: databases do not survive
    /// being copied while they are open.
    fn of_platform(dirs: &ProjectDirs) -> Self {
        Self {
            config: dirs.config_dir().to_owned(),
            data: dirs.data_local_dir().to_owned(),
            state: dirs
                .state_dir()
                .unwrap_or_else(|| dirs.data_local_dir())
                .to_owned(),
        }
    }

    /// Creates the folders, for this person's eyes only. Those that exist lose what others may do
    /// in them, as far as they belong to this person; a folder that everybody shares, such as
    /// `/tmp`, is left as it is.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn create(&self) -> Result<(), HomeError> {
        let folders = [
            self.config.clone(),
            self.data.clone(),
            self.state.clone(),
            self.logs_dir(),
            self.backups_dir(),
        ];
        for folder in folders {
            create_private(&folder).map_err(|source| HomeError::Io {
                doing: "create",
                path: folder,
                source,
            })?;
        }
        Ok(())
    }

    /// Returns the folder to show to people: the one that holds `narthex.json`.
    pub fn folder(&self) -> &Path {
        &self.config
    }

    /// Returns the path of `desktop.json`: what a person prefers of the desktop, and was told once.
    pub fn desktop_file(&self) -> PathBuf {
        self.state.join("desktop.json")
    }

    /// Returns the path of `narthex.json`, the person's configuration.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("narthex.json")
    }

    /// Returns the path of the credential that may control the core.
    pub fn control_token(&self) -> PathBuf {
        self.data.join("control.token")
    }

    /// Returns the path of the first client's credential.
    pub fn client_token(&self) -> PathBuf {
        self.data.join("client.token")
    }

    /// Returns the path of the database of what a person approved.
    pub fn trust_db(&self) -> PathBuf {
        self.data.join("trust.db")
    }

    /// Returns the path of the database of what happened.
    pub fn journal_db(&self) -> PathBuf {
        self.state.join("journal.db")
    }

    /// Returns the path of the file that is locked while a core runs.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("core.lock")
    }

    /// Returns the path of the file that is locked while somebody brings a core up.
    pub fn turn_file(&self) -> PathBuf {
        self.state.join("core.turn")
    }

    /// Returns the folder of the logs.
    pub fn logs_dir(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// Returns the folder of the copies made before an edit of `narthex.json`.
    pub fn backups_dir(&self) -> PathBuf {
        self.data.join("backups")
    }
}

#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    /// What everybody may write to, but not delete from: a shared folder.
    const STICKY: u32 = 0o1000;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let found = fs::metadata(folder)?;
    let mode = found.permissions().mode();
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    let shared = mode & STICKY != 0 || folder.parent().is_none();
    if ours && !shared && mode & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

/// A person's folders are private by what they inherit.
#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_folder_holds_everything() {
        let home = Home::locate(Some(PathBuf::from("/somewhere"))).unwrap();

        let all = [
            home.config_file(),
            home.control_token(),
            home.client_token(),
            home.trust_db(),
            home.journal_db(),
            home.lock_file(),
            home.logs_dir(),
            home.backups_dir(),
        ];

        let names = all.map(|path| {
            assert_eq!(path.parent(), Some(home.folder()));
            path.file_name().unwrap().to_str().unwrap().to_owned()
        });
        assert_eq!(
            names,
            [
                "narthex.json",
                "control.token",
                "client.token",
                "trust.db",
                "journal.db",
                "core.lock",
                "logs",
                "backups"
            ]
        );
    }

    #[test]
    fn a_relative_folder_becomes_absolute() {
        let home = Home::locate(Some(PathBuf::from("here"))).unwrap();

        assert!(home.folder().is_absolute());
        assert!(home.folder().ends_with("here"));
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_made_for_this_person_only() {
        use std::os::unix::fs::PermissionsExt;

        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("home");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let home = Home::locate(Some(folder)).unwrap();

        home.create().unwrap();
        home.create().unwrap();

        for path in [
            home.folder().to_owned(),
            home.logs_dir(),
            home.backups_dir(),
        ] {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_everybody_shares_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;

        let outer = tempfile::tempdir().unwrap();
        let shared = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(outer.path(), shared).unwrap();
        let home = Home::locate(Some(outer.path().to_owned())).unwrap();

        home.create().unwrap();

        let mode = fs::metadata(outer.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o1777);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("home");
        fs::write(&path, "").unwrap();

        let error = Home::locate(Some(path.clone()))
            .unwrap()
            .create()
            .unwrap_err();

        assert!(matches!(error, HomeError::Io { doing: "create", path: at, .. } if at == path));
    }
}
