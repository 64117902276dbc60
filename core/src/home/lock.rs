use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Home;

/// How often a busy lock is tried again before it counts as held, and how long apart. Somebody who
/// only looks ([`holder`]) has it for some microseconds.
const TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Who holds a home, as it stands in `core.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Which of our programs it is.
    pub kind: HolderKind,
    /// Where it listens; `None` until it does.
    pub address: Option<String>,
    /// Since when it holds the home (RFC 3339, UTC).
    pub since: String,
    /// Whether it ends for a desktop that asks it to: nobody but clients had it started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hands_over: bool,
}

/// Which of our programs holds a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// The desktop application.
    Desktop,
    /// `narthex serve`.
    Serve,
}

/// The home is ours for as long as this lives. The system releases it even when the process is
/// killed.
#[derive(Debug)]
pub struct HomeLock {
    /// Holds the lock; on Windows it is another file than `note`, see [`lock_path`].
    _locked: File,
    /// Open for as long as the lock is held, so that [`Drop`] cannot fail to find it.
    note: File,
    holder: Holder,
}

/// Why the home could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another core holds it.
    #[error("process {} holds this home{}", .0.pid, listening(.0))]
    Held(Holder),
    /// Something holds it that has left no name.
    #[error("a process that left no name holds {path}", path = .0.display())]
    Anonymous(PathBuf),
    /// The lock file could not be opened or written.
    #[error("failed to lock {path}", path = path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl HomeLock {
    /// Takes `home` for `holder`, and writes down who that is.
    ///
    /// # Errors
    /// When somebody else holds it, and who; or when the file cannot be locked or written.
    pub fn acquire(home: &Home, holder: Holder) -> Result<Self, LockError> {
        let path = home.lock_file();
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let locked = open(&lock_path(&path)).map_err(failed)?;
        for attempt in 1.. {
            match locked.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < TRIES => thread::sleep(TRY_AGAIN_AFTER),
                Err(TryLockError::WouldBlock) => {
                    return Err(noted(&path).map_or(LockError::Anonymous(path), LockError::Held));
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        let mut lock = Self {
            _locked: locked,
            note: open(&path).map_err(failed)?,
            holder,
        };
        lock.write().map_err(failed)?;
        Ok(lock)
    }

    /// Writes down where the core listens, for those who look for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&mut self, address: String) -> io::Result<()> {
        self.holder.address = Some(address);
        self.write()
    }

    /// One write and then the new end, so that who reads in between finds the new text, at worst
    /// with the old one's end after it, and never half of one.
    fn write(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.holder)?;
        text.push(b'\n');
        self.note.rewind()?;
        self.note.write_all(&text)?;
        self.note.set_len(text.len() as u64)
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // Only a courtesy to those who look: what counts is the lock.
        let _ = self.note.set_len(0);
    }
}

/// Returns who holds `home`, or `None` if nobody does, whatever an ended core left in the file.
pub fn holder(home: &Home) -> Option<Holder> {
    let path = home.lock_file();
    noted(&path)?;
    let locked = File::open(lock_path(&path)).ok()?;
    match locked.try_lock_shared() {
        Err(TryLockError::WouldBlock) => noted(&path),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// The first line is the note; what follows it is left of an older, longer one.
fn noted(path: &Path) -> Option<Holder> {
    let text = fs::read_to_string(path).ok()?;
    serde_json::from_str(text.lines().next()?).ok()
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Windows lets nobody read a file that another has locked, so there a file beside it is locked.
fn lock_path(path: &Path) -> PathBuf {
    if cfg!(windows) {
        path.with_extension("lock.held")
    } else {
        path.to_owned()
    }
}

fn listening(holder: &Holder) -> String {
    holder
        .address
        .as_ref()
        .map(|address| format!(" and listens at {address}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path().to_owned())).unwrap();
        (folder, home)
    }

    fn us(kind: HolderKind) -> Holder {
        Holder {
            pid: std::process::id(),
            kind,
            address: None,
            since: "2026-11-21T01:30:00Z".into(),
            hands_over: false,
        }
    }

    #[test]
    fn a_held_home_is_refused_and_says_by_whom() {
        let (_folder, home) = home();
        let mut first = HomeLock::acquire(&home, us(HolderKind::Desktop)).unwrap();
        first.announce("127.0.0.1:7410".into()).unwrap();

        let error = HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap_err();

        let LockError::Held(by) = &error else {
            panic!("{error}");
        };
        assert_eq!(by.kind, HolderKind::Desktop);
        assert_eq!(by.address.as_deref(), Some("127.0.0.1:7410"));
        assert!(error.to_string().ends_with("listens at 127.0.0.1:7410"));
        assert_eq!(holder(&home).as_ref(), Some(by));
    }

    #[test]
    fn a_released_home_has_no_holder_and_can_be_taken() {
        let (_folder, home) = home();

        drop(HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap());

        assert_eq!(holder(&home), None);
        HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap();
    }

    #[test]
    fn a_stale_file_holds_nothing() {
        let (_folder, home) = home();
        let stale = serde_json::to_string(&us(HolderKind::Desktop)).unwrap();
        fs::write(home.lock_file(), stale + "\n").unwrap();

        assert_eq!(holder(&home), None);
        let _lock = HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap();
        assert_eq!(holder(&home), Some(us(HolderKind::Serve)));
    }

    #[test]
    fn a_holder_that_hands_over_says_so_and_only_then() {
        let (_folder, home) = home();
        let note = || fs::read_to_string(home.lock_file()).unwrap();
        drop(HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap());
        let _lock = HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap();
        assert!(!note().contains("hands_over"));
        drop(_lock);

        let hands_over = Holder {
            hands_over: true,
            ..us(HolderKind::Serve)
        };
        let _lock = HomeLock::acquire(&home, hands_over.clone()).unwrap();
        assert_eq!(holder(&home), Some(hands_over));
    }

    #[test]
    fn a_shorter_note_leaves_nothing_of_a_longer_one() {
        let (_folder, home) = home();
        fs::write(home.lock_file(), "x".repeat(4096)).unwrap();

        let _lock = HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap();

        let text = fs::read_to_string(home.lock_file()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(holder(&home), Some(us(HolderKind::Serve)));
    }

    #[test]
    fn an_unnamed_holder_is_one_all_the_same() {
        let (_folder, home) = home();
        let other = open(&lock_path(&home.lock_file())).unwrap();
        other.lock().unwrap();

        let error = HomeLock::acquire(&home, us(HolderKind::Serve)).unwrap_err();

        assert!(matches!(error, LockError::Anonymous(_)), "{error}");
    }

    #[test]
    fn where_nothing_was_nobody_holds() {
        let (_folder, home) = home();

        assert_eq!(holder(&home), None);
    }
}
