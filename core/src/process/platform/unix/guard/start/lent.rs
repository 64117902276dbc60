use std::{
    ffi::{CString, OsStr, OsString},
    mem::{self, MaybeUninit},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    ptr,
};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, getpid, waitpid},
};

use super::super::{super::kin, wakeups::HANDLED};
use crate::process::command::Launch;

/// The stack that the child works on until it has executed the program. What it does needs a few
/// kilobytes; the C library's search for an interpreter copies the list of arguments beside that.
const STACK_BYTES: usize = 64 * 1024;

/// All that the child needs, made before it is there: it must not allocate.
struct Child {
    program: CString,
    cwd: CString,
    arguments: Vec<*const libc::c_char>,
    variables: Vec<*const libc::c_char>,
    streams: [RawFd; 3],
    guard: Pid,
    /// What the guard had blocked, and the server starts with.
    signals: libc::sigset_t,
    /// Why the program was not executed; 0 while nothing is wrong.
    errno: i32,
}

/// See [`super::start`].
pub(super) fn start(launch: Launch, streams: [OwnedFd; 3]) -> Result<Pid, i32> {
    let text = |text: OsString| CString::new(text.into_vec()).map_err(|_| libc::EINVAL);
    let program = text(launch.program.into_os_string())?;
    let arguments: Vec<CString> = launch
        .args
        .into_iter()
        .map(text)
        .collect::<Result<_, _>>()?;
    let variables: Vec<CString> = launch
        .env
        .into_iter()
        .map(|(name, value)| variable(&name, &value))
        .collect::<Result<_, _>>()?;
    let pointers = |texts: &[CString], first: Option<&CString>| {
        let texts = first.into_iter().chain(texts);
        let ended = texts.map(|text| text.as_ptr()).chain([ptr::null()]);
        ended.collect::<Vec<_>>()
    };
    let held = streams.each_ref().map(AsRawFd::as_raw_fd);
    let mut child = Child {
        arguments: pointers(&arguments, Some(&program)),
        variables: pointers(&variables, None),
        cwd: text(launch.cwd.into_os_string())?,
        program,
        streams: held,
        guard: getpid(),
        // SAFETY: an all-zero set is a valid value.
        signals: unsafe { mem::zeroed() },
        errno: 0,
    };
    if held.iter().any(|stream| *stream <= libc::STDERR_FILENO) {
        // One stream would be put over another. A guard has its own three open.
        return Err(libc::EBADF);
    }
    let argument_bytes: usize = size_of_val(&child.arguments[..]);
    let mut stack: Vec<MaybeUninit<u128>> =
        Vec::with_capacity((STACK_BYTES + argument_bytes) / size_of::<u128>());
    // The stack grows towards its beginning; sixteen bytes are what its end is aligned to.
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
    // SAFETY: the child shares our memory and we stand still until it has executed the program or
    // has ended, so that everything it is given outlives its use. It runs `execute` alone, on a
    // stack of its own. No handler of ours runs in it: all signals are blocked in both until then.
    let forked = unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, &raw mut child.signals);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let forked = libc::clone(execute, top.cast(), flags, (&raw mut child).cast());
        let refused = errno();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const child.signals, ptr::null_mut());
        if forked > 0 {
            Pid::from_raw(forked).ok_or(libc::EAGAIN)
        } else {
            Err(refused)
        }
    };
    let server = forked?;
    if child.errno == 0 {
        return Ok(server);
    }
    // It has ended. Nobody else waits for it: the guard looks for ends only later.
    while let Err(Errno::INTR) = waitpid(Some(server), WaitOptions::empty()) {}
    Err(child.errno)
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, i32> {
    let mut text = name.as_bytes().to_vec();
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    CString::new(text).map_err(|_| libc::EINVAL)
}

/// Becomes the server. Returns only if it could not.
extern "C" fn execute(child: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is the `Child` that `start` keeps until this has ended or executed the program,
    // and `start` does not look at it meanwhile.
    let child = unsafe { &mut *child.cast::<Child>() };
    child.errno = become_server(child);
    127
}

/// Makes system calls only: the memory is the guard's.
fn become_server(child: &Child) -> i32 {
    // The guard's handlers are not for the server, not even until it runs; and the language has
    // SIGPIPE ignored, which would stay so.
    for signal in HANDLED.into_iter().chain([libc::SIGPIPE]) {
        // SAFETY: the child has a table of handlers of its own.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    if let Err(errno) = kin::die_with_parent(child.guard) {
        return errno.raw_os_error();
    }
    // SAFETY: all pointers are to texts, and to lists of texts that end with a null pointer, which
    // the guard keeps. The streams are open, and none of them is one of the standard three.
    unsafe {
        if libc::setpgid(0, 0) != 0 || libc::chdir(child.cwd.as_ptr()) != 0 {
            return errno();
        }
        for (stream, place) in child.streams.into_iter().zip(0..) {
            if libc::dup2(stream, place) < 0 {
                return errno();
            }
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const child.signals, ptr::null_mut());
        libc::execvpe(
            child.program.as_ptr(),
            child.arguments.as_ptr(),
            child.variables.as_ptr(),
        );
    }
    errno()
}

/// Returns the number of the error that the last call met with.
fn errno() -> i32 {
    // SAFETY: the place is the guard's, which stands still.
    unsafe { *libc::__errno_location() }
}
