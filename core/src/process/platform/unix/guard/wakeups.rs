use std::{
    io::{self, PipeReader, PipeWriter, Read},
    mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Where the handler writes; a handler has no other way to know.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// SIGCHLD, and the signals that ask a process to end: a guard that died of them would leave its
/// server's other processes behind.
pub(super) const HANDLED: [libc::c_int; 4] =
    [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// Signals as bytes on a pipe, so that one `poll` waits for them and for the lifeline.
pub(super) struct Wakeups {
    reader: PipeReader,
    _writer: PipeWriter,
}

impl Wakeups {
    /// Catches what is [`HANDLED`].
    ///
    /// They are handled and not ignored since a server would inherit that they are ignored.
    pub(super) fn install() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        for end in [reader.as_fd(), writer.as_fd()] {
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        WRITER.store(writer.as_raw_fd(), Ordering::Relaxed);
        for signal in HANDLED {
            handle(signal)?;
        }
        Ok(Self {
            reader,
            _writer: writer,
        })
    }

    /// Returns what becomes readable when a signal has come.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Forgets the signals that have come, and returns whether one of them asked us to end.
    pub(super) fn asked_to_end(&mut self) -> bool {
        let mut signals = [0; 64];
        let mut asked = false;
        while let Ok(count @ 1..) = self.reader.read(&mut signals) {
            asked |= signals
                .iter()
                .take(count)
                .any(|signal| i32::from(*signal) != libc::SIGCHLD);
        }
        asked
    }
}

fn handle(signal: i32) -> io::Result<()> {
    // SAFETY: an all-zero `sigaction` is a valid value: no flags, no mask, the default handler.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // Children that stop and go on are none of our business.
    action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
    // SAFETY: `action` is initialised and its handler does only what a handler may do.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_signal(signal: libc::c_int) {
    let byte = signal as u8;
    // SAFETY: `write` is allowed in a handler, the buffer is one byte on this stack, and the
    // descriptor stays open while the program runs. `errno` belongs to the code that was
    // interrupted and is put back.
    unsafe {
        let errno = errno_location();
        let saved = *errno;
        // A full pipe holds enough to wake us.
        libc::write(WRITER.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        *errno = saved;
    }
}

#[cfg(target_os = "linux")]
use libc::__errno_location as errno_location;
#[cfg(not(target_os = "linux"))]
use libc::__error as errno_location;
