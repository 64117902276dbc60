//! Where a core keeps what is needed to reach it.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{self, Read},
    net::SocketAddr,
    path::PathBuf,
};

use directories::ProjectDirs;
use serde::Deserialize;

use super::ClientError;
use crate::server::Secret;

/// The folders of one installation.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

/// Who holds the home folder.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) address: Option<String>,
    #[serde(default)]
    pub(crate) since: Option<String>,
}

impl Holder {
    /// Returns where it listens, once it does.
    pub(crate) fn socket(&self) -> Option<SocketAddr> {
        self.address.as_deref()?.parse().ok()
    }
}

impl Home {
    /// Finds the folder given, that of `NARTHEX_HOME`, or the platform's.
    pub(crate) fn locate(home: Option<PathBuf>) -> Self {
        let given = home.or_else(|| env::var_os("NARTHEX_HOME").map(PathBuf::from));
        if let Some(folder) = given.filter(|folder| !folder.as_os_str().is_empty()) {
            return Self {
                config: folder.clone(),
                data: folder.clone(),
                state: folder,
            };
        }
        match ProjectDirs::from("", "", "narthex") {
            Some(dirs) => Self {
                config: dirs.config_dir().to_owned(),
                data: dirs.data_dir().to_owned(),
                state: dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned(),
            },
            // No home folder at all, as for some system users: where we stand.
            None => Self::locate(Some(PathBuf::from("."))),
        }
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.config.join("narthex.json")
    }

    pub(crate) fn control_token(&self) -> PathBuf {
        self.data.join("control.token")
    }

    pub(crate) fn client_token(&self) -> PathBuf {
        self.data.join("client.token")
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.state.join("core.lock")
    }
}

/// Returns who holds the home folder, if a core does: the file of one that died is still there,
/// but nobody has it locked.
pub(crate) fn holder(home: &Home) -> Option<Holder> {
    let mut file = File::open(home.lock_file()).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Reads a credential.
pub(crate) fn credential(path: PathBuf) -> Result<Secret, ClientError> {
    match fs::read_to_string(&path).map(|text| text.trim().to_owned()) {
        Ok(token) if !token.is_empty() => Ok(Secret::new(token)),
        Ok(_) => Err(ClientError::Credential {
            path,
            source: io::ErrorKind::InvalidData.into(),
        }),
        Err(source) => Err(ClientError::Credential { path, source }),
    }
}
