//! The way to guards: a core starts `narthex-guard`, and that process, the warden, forks a guard for
//! each server. A fork of so small a process costs a tenth of what it costs to execute and link it
//! anew.
//!
//! There is one warden for this process at most, from the time when the first guard is wanted until
//! the last is gone. It ends when this process does, by whatever death, since its socket then ends;
//! the guards that it has forked hold lifelines of their own and are not touched by its end. One
//! that is gone, or does nothing, is replaced when the next guard is wanted.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use super::{guard_file, lifeline};
use crate::process::SpawnError;

/// How long a warden that does not read may hold up whoever wants a guard. It reads within a
/// millisecond; the socket holds hundreds of wishes before anybody waits at all.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);

/// The warden of this process, while anybody wants it.
static PRESENT: Mutex<Weak<Warden>> = Mutex::new(Weak::new());

/// A `narthex-guard` that forks guards. It ends when nobody holds it.
#[derive(Debug)]
pub(super) struct Warden {
    program: PathBuf,
    process: Mutex<Child>,
    socket: UnixStream,
}

impl Warden {
    /// Returns the one there is, or starts one.
    ///
    /// # Errors
    /// When its program is missing or cannot be started.
    pub(super) fn present() -> Result<Arc<Self>, SpawnError> {
        let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warden) = present.upgrade() {
            return Ok(warden);
        }
        let path = guard_file::find()?;
        let warden = match Self::start(&path) {
            Ok(warden) => Arc::new(warden),
            Err(source) => return Err(SpawnError::Guard { path, source }),
        };
        *present = Arc::downgrade(&warden);
        Ok(warden)
    }

    /// Has the present warden fork a guard that holds `lifeline`, and returns that warden. Whoever
    /// holds the guard holds its warden too.
    ///
    /// # Errors
    /// When no warden is there and none can be started.
    pub(super) fn fork_guard(lifeline: &OwnedFd) -> Result<Arc<Self>, SpawnError> {
        let warden = Self::present()?;
        match lifeline::hand_over(&warden.socket, lifeline.as_fd()) {
            Ok(()) => return Ok(warden),
            Err(error) => tracing::warn!(%error, "the process that forks guards is replaced"),
        }
        warden.give_up();
        let warden = Self::present()?;
        match lifeline::hand_over(&warden.socket, lifeline.as_fd()) {
            Ok(()) => Ok(warden),
            Err(source) => Err(warden.failed(source)),
        }
    }

    /// Returns the error of a guard that could not be told what to do.
    pub(super) fn failed(&self, source: io::Error) -> SpawnError {
        SpawnError::Guard {
            path: self.program.clone(),
            source,
        }
    }

    /// Ends it: it is gone, or has forked no guard when it should have. Guards that it did fork go
    /// on, and whoever wants one next has another warden started.
    pub(super) fn give_up(&self) {
        let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
        if std::ptr::eq(present.as_ptr(), self) {
            *present = Weak::new();
        }
        end(&mut self.process.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Starts the guard's program, with the warden's socket as its standard input.
    fn start(program: &Path) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_write_timeout(Some(HAND_OVER_MAX))?;
        let process = Command::new(program)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            program: program.to_owned(),
            process: Mutex::new(process),
            socket,
        })
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        end(self
            .process
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner));
    }
}

/// Kills and reaps a warden: it has nothing to put in order. It is a process of some 100 kB that
/// waits for nothing but us, so that it ends within a fraction of a millisecond.
fn end(process: &mut Child) {
    // It fails when the process has ended.
    let _ = process.kill();
    let _ = process.wait();
}

/// Keeps the way to guards open while none is there.
#[derive(Debug)]
pub(in crate::process) struct Standby {
    /// `None` where no warden could be started, which whoever wants a guard is told.
    _warden: Option<Arc<Warden>>,
}

impl Standby {
    /// Opens the way, if it is not open yet.
    pub(in crate::process) fn begin() -> Self {
        Self {
            _warden: Warden::present().ok(),
        }
    }
}
