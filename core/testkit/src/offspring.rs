//! What a scripted server has to do with the system: its signals, and what it starts beside itself,
//! children in the background and a daemon that has left its process group and session. Each is this same binary under one of the arguments below,
//! so that the census can tell them apart by their command lines.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    process::{self, Command, ExitCode, Stdio},
    thread,
};

/// A child in the background, which holds its parent's input and output.
pub const CHILD: &str = "--as-child";
/// The process between a server and its daemon, which ends at once.
pub const MIDDLE: &str = "--as-middle";
/// The daemon.
pub const DAEMON: &str = "--as-daemon";

/// Starts `count` children that inherit everything and sleep.
///
/// # Errors
/// When this binary cannot be started again.
pub fn start_children(count: usize) -> io::Result<()> {
    for _ in 0..count {
        Command::new(env::current_exe()?).arg(CHILD).spawn()?;
    }
    Ok(())
}

/// Starts a daemon that writes its process id to `pid_file`; returns when it has.
///
/// # Errors
/// When the daemon cannot be started.
pub fn start_daemon(pid_file: &Path) -> io::Result<()> {
    let status = Command::new(env::current_exe()?)
        .arg(MIDDLE)
        .arg(pid_file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("the middle process: {status}")))
    }
}

/// Does what one of the three arguments asks for; `None` when it is none of them.
pub fn run(role: &str, pid_file: Option<&str>) -> Option<ExitCode> {
    match role {
        CHILD | DAEMON => sleep_forever(),
        MIDDLE => {
            let started = detach(Path::new(pid_file.unwrap_or("/dev/null")));
            Some(if started.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        _ => None,
    }
}

/// Makes this process, and what it starts from here on, ignore the signals that ask it to end.
pub fn ignore_polite_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: `SIG_IGN` runs no code of ours; the signals are valid ones.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Runs `act` in a thread of its own whenever SIGHUP arrives. The signal is blocked for this thread
/// and those it starts from here on, so that it waits where it can be taken.
pub fn on_hangup(act: impl Fn() + Send + 'static) {
    // SAFETY: the set is initialised by `sigemptyset` before anything reads it.
    let hangup = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGHUP);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    thread::spawn(move || {
        let mut signal = 0;
        // SAFETY: both point to values that live through the call.
        while unsafe { libc::sigwait(&hangup, &mut signal) } == 0 {
            act();
        }
    });
}

fn detach(pid_file: &Path) -> io::Result<()> {
    rustix::process::setsid()?;
    let daemon = Command::new(env::current_exe()?)
        .arg(DAEMON)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Whole or not at all, for a test that waits for the file.
    let draft = pid_file.with_extension(format!("{}", process::id()));
    let mut file = fs::File::create(&draft)?;
    write!(file, "{}", daemon.id())?;
    fs::rename(draft, pid_file)
}

fn sleep_forever() -> ! {
    loop {
        thread::park();
    }
}
